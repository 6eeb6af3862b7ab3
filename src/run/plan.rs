//! The plan of a run. What its owner has of it from a run before is made again first, and compared: the report must
//! not begin before it is known whether that still holds.

use std::os::fd::AsFd;

use producer::plan::Plan;
use producer::plan::files::Own;
use producer::planner::{Planner, Step};
use producer::retrace::{End, Next, Retrace};
use reducer::report::Target;
use reducer::service::Handle;
use reducer::store;
use shared::protocol::id::JobId;
use shared::protocol::job::Counts;
use shared::protocol::message::{JobRequest, Opened, Place, PlanEnd, Planned};
use shared::protocol::notice;
use shared::system::resolve::resolve;

use super::{RunConfig, RunError};

/// What is left of a plan once what its owner has of it is compared.
pub(super) struct Rest {
    /// The job as it is open now.
    pub opened: Opened,
    /// Nothing if its plan is complete and not made again.
    pub to_plan: Option<ToPlan>,
}

/// A plan from the first task that its owner does not have.
pub(super) struct ToPlan {
    planner: Planner,
    retrace: Retrace,
    /// That task, if it was come to.
    first: Option<(Box<Planned>, Place)>,
    has_ended: bool,
}

/// What comes of a plan that is made again.
enum CaughtUp {
    /// All that its owner has is as it was.
    Same(ToPlan),
    Differs,
}

/// Makes what the owner has of the plan again. Where it differs, the job is opened anew.
pub(super) async fn retrace(config: &RunConfig, handle: &Handle, mut opened: Opened) -> Result<Rest, RunError> {
    loop {
        if opened.has_ended() || (opened.has_whole_plan() && !config.recheck) {
            return Ok(Rest { opened, to_plan: None });
        }
        let unsettled = handle.status(&opened.job).await.map_or(0, |status| unsettled(&status.counts));
        match catch_up(planner(config, handle)?, Retrace::new(&opened), unsettled).await? {
            CaughtUp::Same(to_plan) => return Ok(Rest { opened, to_plan: Some(to_plan) }),
            CaughtUp::Differs => opened = open_anew(config, handle, &opened).await?,
        }
    }
}

async fn open_anew(config: &RunConfig, handle: &Handle, before: &Opened) -> Result<Opened, RunError> {
    let (job, instead_of) = (before.job.clone(), Some(before.opening.clone()));
    let opened = handle.open(JobRequest { job, instead_of, ..config.request.clone() }).await?;
    if opened.opening == before.opening {
        return Err(RunError::FromElsewhere(opened.job));
    }
    (config.notify)(notice::changed(&opened.job));
    Ok(opened)
}

/// Items whose results, or the lack of one, are not of the file that was planned, or failed in planning.
fn unsettled(counts: &Counts) -> u64 {
    counts.items_failed + counts.items_changed
}

/// `unsettled`: of those that failed in planning each is found again.
async fn catch_up(mut planner: Planner, mut retrace: Retrace, unsettled: u64) -> Result<CaughtUp, RunError> {
    let (mut first, mut has_ended, mut unlisted) = (None, false, 0);
    while retrace.has_known() && first.is_none() && !has_ended {
        match planner.next().await? {
            Step::Task(task) => match retrace.take(&task) {
                Next::Known => unlisted += task.failed.len() as u64,
                Next::New(place) => first = Some((task, place)),
                Next::Differs => return Ok(CaughtUp::Differs),
            },
            Step::End if retrace.end() == End::Differs => return Ok(CaughtUp::Differs),
            Step::End => has_ended = true,
        }
    }
    // What was not as planned when it was read may be so now: the tree may have changed and changed back.
    if unsettled > unlisted {
        return Ok(CaughtUp::Differs);
    }
    Ok(CaughtUp::Same(ToPlan { planner, retrace, first, has_ended }))
}

fn planner(config: &RunConfig, handle: &Handle) -> Result<Planner, RunError> {
    let plan = Plan::new(&config.request.spec, &config.roots)?;
    let is_compared = config.is_kept || config.workers.is_none();
    let plan = if is_compared { plan } else { plan.without_times() };
    let identity = |root: &str| config.workers.as_ref().and_then(|workers| workers.site.identity(root));
    Ok(Planner::spawn(plan.leaving_out(own(config, handle)).expecting(&identity))?)
}

/// The files that the run itself writes, which may lie in the tree that it walks.
fn own(config: &RunConfig, handle: &Handle) -> Own {
    let frequencies = config.output.frequencies.as_ref().map(|frequencies| &frequencies.target);
    let targets = [Some(&config.output.target), frequencies].into_iter().flatten();
    let descriptors: Vec<_> = targets.clone().filter_map(Target::descriptor).map(AsFd::as_fd).collect();
    Own::of(store::files(handle.store_path()), targets.filter_map(Target::file).map(resolve), &descriptors)
}

/// Hands the rest of the plan to the owner, and its end.
pub(super) async fn plan(handle: &Handle, job: &JobId, rest: Option<ToPlan>) -> Result<(), RunError> {
    let Some(ToPlan { mut planner, mut retrace, first, mut has_ended }) = rest else { return Ok(()) };
    if let Some((task, place)) = first
        && !handle.planned(job.clone(), place, task).await
    {
        return Ok(());
    }
    while !has_ended {
        match planner.next().await? {
            Step::Task(task) => {
                if let Next::New(place) = retrace.take(&task)
                    && !handle.planned(job.clone(), place, task).await
                {
                    return Ok(());
                }
            }
            Step::End => has_ended = true,
        }
    }
    if let End::New(tasks, place) = retrace.end() {
        handle.end_plan(PlanEnd { job: job.clone(), tasks }, place).await;
    }
    Ok(())
}
