//! Jobs that a command owns. The command plans, works and reduces in this process; with a broker,
//! consumers elsewhere do the work.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consumer::ConsumerConfig;
use consumer::work::Site;
use producer::ProducerError;
use producer::plan::files::Naming;
use reducer::report::{Format, Target, check_file};
use reducer::service::{Opening, command_owner_id, fresh_job_id};
use reducer::store::Place;
use shared::protocol::job::{JobSpec, JobStatus};
use shared::protocol::message::{JobRequest, Opened};
use shared::protocol::notice;
use shared::transport::BrokerUrl;

use super::apart::Outputs;
use super::args::JobArgs;
use super::asked::Asked;
use super::progress::Progress;
use super::watch::Watch;
use super::{Exit, Failure, broker, ending, signals, slots, term};
use crate::run::{Output, RunConfig, RunError, SideOutput, run as run_job};

/// How one command differs from the others.
pub struct OwnedJob<'a> {
    /// Makes the job; roots are named for one process or for several.
    pub ask: &'a dyn Fn(Naming) -> Result<Asked, Failure>,
    /// The output of --frequencies.
    pub frequencies: Option<SideOutput>,
    /// Prints the number of words while the job runs, instead of a progress bar.
    pub watch: Option<Watch>,
}

pub async fn run(job: OwnedJob<'_>, args: &JobArgs) -> Result<Exit, Failure> {
    let url = broker::optional(&args.broker)?;
    check(&args.output)?;
    if args.out.json {
        term::can_print()?;
    }
    let frequencies = job.frequencies.as_ref().map(|frequencies| &frequencies.target);
    frequencies.map_or(Ok(()), check)?;
    let (output, state) = (Some(&args.output), args.state.as_deref());
    Outputs { output, frequencies, state, prints_receipt: args.out.json }.check()?;
    let naming = if url.is_some() { Naming::Shared } else { Naming::Local };
    let Asked { spec, origin, roots } = (job.ask)(naming)?;
    let workers = if url.is_none() { Some(workers(&spec, &roots, args.slots)?) } else { None };
    let job_id = args.job.clone().unwrap_or_else(fresh_job_id);
    let request = JobRequest { origin: Some(origin), resume: args.job.is_none(), ..JobRequest::new(job_id, spec) };
    let shutdown = signals::listen()?;
    let url = url.unwrap_or_else(BrokerUrl::embedded);
    let place = args.state.clone().map_or(Place::Temporary, Place::File);
    let store = Opening::begin(place, command_owner_id(url.user()));
    let reached = shutdown.unless_asked(broker::reach(&url, &args.broker)).await;
    let Some(transport) = reached.transpose()? else { return Ok(Exit::Interrupted) };
    let progress = Progress::new(!args.out.quiet && job.watch.is_none(), args.output.is_terminal());
    let (shown, watch) = (progress.clone(), job.watch.clone());
    let (asked, quiet) = (request.clone(), args.out.quiet);
    let unseen = Arc::new(AtomicBool::new(false));
    let (recheck, is_unseen) = (!args.recheck.no_recheck, Arc::clone(&unseen));
    let config = RunConfig {
        request,
        roots,
        workers,
        is_kept: args.state.is_some(),
        window: args.window.map(NonZero::get),
        recheck,
        output: Output {
            target: args.output.clone(),
            format: if args.out.json { Format::Json } else { Format::Text },
            failed: Arc::new(ending::complain_of),
            side: job.frequencies,
        },
        broker: url.to_string(),
        opened: Arc::new(move |opened| {
            is_unseen.store(!recheck && opened.has_whole_plan(), Ordering::Relaxed);
            tell_opened(&asked, opened, recheck, quiet);
        }),
        notify: term::notify(),
        progress: Arc::new(move |status| {
            shown.show(status);
            watch.iter().for_each(|watch| watch.show(status));
        }),
    };
    let result = run_job(config, store, transport, shutdown).await;
    progress.clear();
    if let (Ok(status), Some(watch)) = (&result, &job.watch) {
        watch.finish(status);
    }
    finish(result, args, unseen.load(Ordering::Relaxed))
}

/// Checks whether a report can be written: the user should hear of it before the work, not after.
pub fn check(output: &Target) -> Result<(), Failure> {
    match output {
        Target::Stdout => term::can_print(),
        Target::File(path) => {
            check_file(path).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
        }
        // The descriptor was checked when the command line was parsed.
        Target::Descriptor(_) => Ok(()),
    }
}

/// Tells the user whether the job is resumed or begun again. An ended job is reported even with
/// --quiet.
pub fn tell_opened(request: &JobRequest, opened: &Opened, recheck: bool, quiet: bool) {
    let begun = || notice::begun(request, opened, recheck).filter(|_| !quiet);
    notice::ended_before(opened).or_else(begun).iter().for_each(|text| term::complain(text));
}

fn finish(result: Result<JobStatus, RunError>, args: &JobArgs, is_unseen: bool) -> Result<Exit, Failure> {
    match result {
        Ok(status) => {
            ending::receipt(&status, &ending::recompute(&args.output), args.out, is_unseen)?;
            Ok(ending::verdict(&status, is_unseen))
        }
        // The reader of the report has closed the pipe. As for any filter, that is no error.
        Err(RunError::Report(error)) if error.is_broken_pipe() => Ok(Exit::Success),
        Err(RunError::Stopped) => {
            let hint = match &args.state {
                Some(state) => format!("; run the same command with --state {} again to resume", state.display()),
                None => "; with --state FILE the same command could be resumed".to_owned(),
            };
            Err(Failure::new(Exit::Interrupted, format!("stopped before the job was done{hint}")))
        }
        Err(RunError::Service(error)) => Err(error.into()),
        Err(RunError::Client(ProducerError::Transport(error))) => Err(error.into()),
        Err(error @ RunError::Client(ProducerError::Refused(_))) => Err(Failure::usage(error)),
        Err(error) => Err(Failure::unfinished(error)),
    }
}

fn workers(spec: &JobSpec, roots: &[PathBuf], slots: Option<u32>) -> Result<ConsumerConfig, Failure> {
    let mut site = Site::new();
    for (name, directory) in spec.contract().roots().into_iter().zip(roots) {
        // The directory that is walked is the one that is worked on, even if another one takes its
        // place.
        site.add_fixed_root(name, directory).map_err(Failure::usage)?;
    }
    // These workers take only tasks of this command's own plan, and the plan says for each task
    // which links may be followed: outside its root only what the user named, or all with
    // --follow-outside.
    site.allow_follow_outside();
    let serves = spec.classes().into_iter().map(|class| (spec.workload(), class)).collect();
    let mut config = ConsumerConfig::new(site, serves);
    config.slots = slots::or_cores(slots)?;
    Ok(config)
}
