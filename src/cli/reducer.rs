//! `reducer`: the service that owns jobs; with `--job` one job's report.

use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reducer::report::{Format, Render, Target, check_directory, could_be_report, receipt_text};
use reducer::service::{self, Handle, Kind, Opening, ServiceConfig, ServiceError};
use reducer::store::{Place, Reader, StoreError};
use shared::protocol::id::JobId;
use shared::protocol::limits;
use shared::protocol::message::Request;
use shared::protocol::notice::{Waiting, waits};
use shared::system::clock::Clock;
use shared::system::resolve::{directory_of, resolve};
use shared::system::shutdown::{self, Shutdown};
use shared::transport;
use shared::transport::Transport;
use shared::transport::ask::Asker;

use super::apart::Outputs;
use super::args::{DAY, ReducerArgs};
use super::fetch::Source;
use super::heartbeat_file::{HeartbeatFile, keep_writing};
use super::{Exit, Failure, broker, ending, fetch, owned, signals, state, term};

pub async fn run(args: ReducerArgs) -> Result<Exit, Failure> {
    let url = broker::required(&args.broker)?;
    let state = args.state.clone().map_or_else(|| state::default_file(&args.name()), Ok)?;
    if let Some(directory) = &args.output_dir {
        std::fs::create_dir_all(directory)
            .and_then(|()| check_directory(directory))
            .map_err(|error| Failure::usage(format!("cannot use --output-dir {}: {error}", directory.display())))?;
    }
    if args.job.is_some() {
        owned::check(&args.output)?;
    }
    check_own(&args, &state)?;
    let shutdown = signals::listen()?;
    // Remove the heartbeat of an earlier process before connecting. A command that waits for a job
    // may find that the reducer runs elsewhere, and then the file is that reducer's.
    let heartbeats = match args.job {
        Some(_) => None,
        None => HeartbeatFile::from_env("reducer", args.heartbeat)?,
    };
    let reached = shutdown.unless_asked(broker::reach(&url, &args.broker)).await;
    let Some(transport) = reached.transpose()? else { return Ok(stopped(&args)) };
    let result = serve(&args, state, &transport, shutdown, &url, heartbeats).await;
    transport.close().await;
    result
}

/// Refuses outputs that would replace the store or each other.
fn check_own(args: &ReducerArgs, state: &Path) -> Result<(), Failure> {
    let place = |directory: &Path| std::fs::metadata(directory).ok().map(|there| (there.dev(), there.ino()));
    let directory = args.output_dir.as_deref().filter(|_| could_be_report(state));
    if let Some(directory) = directory.filter(|directory| place(directory) == place(directory_of(&resolve(state)))) {
        return Err(Failure::usage(format!(
            "a report in --output-dir {} could replace the store {}; give --state a name that does not end in .txt or \
             .frequencies",
            directory.display(),
            state.display()
        )));
    }
    let output = args.job.is_some().then_some(&args.output);
    Outputs { output, frequencies: None, state: Some(state), prints_receipt: false }.check()
}

/// How long the reducer of this name may be silent before a command owns its job with the reducer's
/// store: the reducer may be restarting, or waiting between two attempts to reach the broker.
const AWAY: Duration = limits::RECONNECT_DELAY_MAX.saturating_add(Duration::from_secs(5));

/// How long a command that waits for one job lets its reducer be silent before it owns the job
/// itself; `None` if it must not own it: with an empty store it would refuse the job's outcomes.
fn patience(args: &ReducerArgs, state: &Path, job: &JobId) -> Option<Duration> {
    let knows = || Reader::open(state).is_ok_and(|reader| reader.spec(job).is_ok_and(|spec| spec.is_some()));
    match args.state {
        Some(_) => Some(limits::CONTROL_TIMEOUT),
        None => (state.exists() && knows()).then_some(AWAY),
    }
}

/// An asker for the reducer of this name, if the reducer answers within `patience`. Without a limit
/// it is given at once, and the reducer may answer at any time.
async fn who_answers(
    args: &ReducerArgs,
    transport: &Arc<dyn Transport>,
    patience: Option<Duration>,
) -> Result<Option<Asker>, Failure> {
    let mut asker = Asker::new(Arc::clone(transport)).await?;
    let Some(patience) = patience else { return Ok(Some(asker)) };
    let (give_up, mut told) = (Instant::now() + patience, false);
    loop {
        let left = give_up.saturating_duration_since(Instant::now()).min(limits::CONTROL_TIMEOUT);
        if asker.ask(&args.name(), &Request::Ping, left).await?.is_some() {
            return Ok(Some(asker));
        }
        if Instant::now() >= give_up {
            return Ok(None);
        }
        if !std::mem::replace(&mut told, true) {
            let (name, seconds) = (args.name(), patience.as_secs());
            term::complain(&format!(
                "no reducer {name} answers; if none does within {seconds} s, this command owns the job with its store"
            ));
        }
    }
}

async fn serve(
    args: &ReducerArgs,
    state: PathBuf,
    transport: &Arc<dyn Transport>,
    shutdown: Shutdown,
    url: &transport::BrokerUrl,
    heartbeats: Option<HeartbeatFile>,
) -> Result<Exit, Failure> {
    if let Some(job) = &args.job {
        let patience = patience(args, &state, job);
        let answering = shutdown.unless_asked(who_answers(args, transport, patience)).await;
        let Some(asker) = answering.transpose()? else { return Ok(stopped(args)) };
        if let Some(asker) = asker {
            return fetch(asker, args, url, shutdown).await;
        }
    }
    let (stopper, stop) = shutdown::channel();
    let heartbeat = args.heartbeat;
    let config = ServiceConfig {
        store: Opening::of_service(Place::File(state.clone()), args.owner.clone()),
        kind: Kind::Service { output_dir: args.output_dir.clone() },
        window: args.window.map(NonZero::get),
        heartbeat,
        keep: Some(Duration::from_secs_f64(args.keep * DAY)),
    };
    let started = shutdown.unless_asked(service::start(config, Arc::clone(transport), stop)).await;
    let Some(started) = started else { return Ok(stopped(args)) };
    let handle = match started {
        // The reducer runs and was only slow to answer, so it can be asked.
        Err(error) if args.job.is_some() && is_elsewhere(&error) => {
            return fetch(Asker::new(Arc::clone(transport)).await?, args, url, shutdown).await;
        }
        started => started?,
    };
    tracing::info!(owner = %handle.owner(), state = %state.display(), broker = %url, "The reducer is ready.");
    let heartbeats = match heartbeats {
        None if args.job.is_some() => HeartbeatFile::from_env("reducer", heartbeat)?,
        heartbeats => heartbeats,
    };
    let nobodys = service::fresh_job_id();
    let turn = || async {
        tokio::time::sleep(heartbeat).await;
        // A round trip through the ledger's thread.
        handle.status(&nobodys).await;
    };
    let result = tokio::select! {
        biased;
        () = shutdown.asked() => Ok(stopped(args)),
        ended = handle.ended() => ended.map(|()| Exit::Success).map_err(Failure::from),
        exit = one_job(&handle, args), if args.job.is_some() => exit,
        () = keep_writing(heartbeats, transport, turn) => Ok(Exit::Unfinished),
    };
    stopper.stop();
    let _ = tokio::time::timeout(limits::STOP_TIMEOUT, handle.ended()).await;
    tracing::info!("The reducer has stopped.");
    result
}

async fn fetch(
    asker: Asker,
    args: &ReducerArgs,
    url: &transport::BrokerUrl,
    shutdown: Shutdown,
) -> Result<Exit, Failure> {
    let Some(job) = args.job.clone() else { return Ok(Exit::Success) };
    let source = Source::new(asker, args.name(), job, url.to_string());
    fetch::report(source, &args.output, shutdown).await
}

/// A service ends with success when it is stopped; a command that waits for a job is interrupted.
fn stopped(args: &ReducerArgs) -> Exit {
    if args.job.is_some() { Exit::Interrupted } else { Exit::Success }
}

/// Whether a reducer of this name or with this store runs already.
fn is_elsewhere(error: &ServiceError) -> bool {
    match error {
        ServiceError::Running { .. } => true,
        ServiceError::Store(cause) => matches!(**cause, StoreError::InUse(_)),
        _ => false,
    }
}

async fn one_job(handle: &Handle, args: &ReducerArgs) -> Result<Exit, Failure> {
    let Some(job) = args.job.clone() else { return Ok(Exit::Success) };
    let mut said = false;
    let (clock, mut waiting) = (Clock::start(), Waiting::default());
    let status = loop {
        match handle.status(&job).await {
            Some(status) if status.report_sha256.is_some() => break status,
            None if !said => {
                said = true;
                term::complain(&format!("waiting for job {job}, which this reducer does not have yet"));
            }
            status => {
                let text = waiting.check(&job, status.as_ref().and_then(waits), clock.now());
                text.iter().for_each(|text| term::complain(text));
            }
        }
        tokio::time::sleep(limits::STATUS_INTERVAL).await;
    };
    write_report(handle, &job, args.output.clone()).await?;
    term::say(&receipt_text(&status, &ending::recompute(&args.output)));
    // Waiting producers ask again within this time, learn that the job is over, and fetch its
    // failed items.
    tokio::time::sleep(limits::STATUS_INTERVAL * 8).await;
    Ok(ending::verdict(&status, false))
}

async fn write_report(handle: &Handle, job: &JobId, output: Target) -> Result<(), Failure> {
    let (store, job) = (handle.store_path().to_owned(), job.clone());
    let write = move || {
        let mut render = Render::new(&store, &job, Format::Text)?;
        output.write(|out| render.write_up_to(u64::MAX, out, &mut |record| ending::complain_of(record)))
    };
    term::written(tokio::task::spawn_blocking(write).await.map_err(Failure::unfinished)?)
}
