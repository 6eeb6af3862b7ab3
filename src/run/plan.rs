//! The plan of a run. Tasks that the owner has from an earlier run are planned again first and
//! compared, because the report must not begin before it is known whether they still hold.

use std::os::fd::AsFd;

use producer::client::retrace::{End, Next, Retrace};
use producer::plan::Plan;
use producer::plan::files::Own;
use producer::planner::{Planner, Step};
use reducer::report::Target;
use reducer::service::Handle;
use reducer::store;
use shared::protocol::id::JobId;
use shared::protocol::job::Counts;
use shared::protocol::message::{JobRequest, Opened, Place, PlanEnd, Planned};
use shared::protocol::notice;
use shared::system::resolve::resolve;

use super::{RunConfig, RunError};

/// What remains to be planned after the comparison with the tasks that the owner has.
pub(super) struct Rest {
    /// The current opening: a new one if the plan differed.
    pub opened: Opened,
    /// `None` if the job has ended, or its plan is complete and is not checked again.
    pub to_plan: Option<ToPlan>,
}

/// The rest of a plan, from the first task that the owner does not have.
pub(super) struct ToPlan {
    planner: Planner,
    retrace: Retrace,
    /// That task, if the comparison has reached it.
    first: Option<(Box<Planned>, Place)>,
    has_ended: bool,
}

/// How a new plan compares with the tasks that the owner has.
enum CaughtUp {
    /// All tasks that the owner has are unchanged.
    Same(ToPlan),
    Differs,
}

/// Plans again the tasks that the owner has. If they differ, the job gets a new opening.
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

/// Items that failed, in planning or later, or whose file differed from the planned one when it was
/// read.
fn unsettled(counts: &Counts) -> u64 {
    counts.items_failed + counts.items_changed
}

/// Plans again and compares, until a task is new or the owner's tasks end. `unsettled` includes the
/// items that failed in planning; this plan finds those again.
async fn catch_up(mut planner: Planner, mut retrace: Retrace, unsettled: u64) -> Result<CaughtUp, RunError> {
    let (mut first, mut has_ended, mut unlisted) = (None, false, 0);
    while retrace.has_known() && first.is_none() && !has_ended {
        match planner.next().await? {
            Step::Task(task) => match retrace.take(&task) {
                Next::Known => unlisted += task.notes.failed.len() as u64,
                Next::New(place) => first = Some((task, place)),
                Next::Differs => return Ok(CaughtUp::Differs),
            },
            Step::End if retrace.end() == End::Differs => return Ok(CaughtUp::Differs),
            Step::End => has_ended = true,
        }
    }
    // A file that differed from the plan when it was read may match it now: the tree may have
    // changed and changed back.
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
    let side = config.output.side.as_ref().map(|side| &side.target);
    let targets = [Some(&config.output.target), side].into_iter().flatten();
    let descriptors: Vec<_> = targets.clone().filter_map(Target::descriptor).map(AsFd::as_fd).collect();
    Own::of(store::files(handle.store_path()), targets.filter_map(Target::file).map(resolve), &descriptors)
}

/// Sends the rest of the plan to the owner, then the plan end.
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
