//! Where the tasks of a plan come from.

use std::path::PathBuf;

use shared::protocol::job::JobSpec;
use shared::protocol::message::Planned;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::error::ProducerError;
use crate::plan::files::Own;
use crate::plan::{Plan, PlanError};
use crate::planner::{BrokenOff, Planner, Step};

/// The tasks of one plan, in order.
pub trait Source: Send {
    /// Begins the plan, or begins it again. `from` is the number of the first task to give: 0,
    /// unless the plan is derived.
    fn begin(&mut self, from: u64) -> Result<(), ProducerError>;

    /// The next step of the plan that was begun. Cancelling the wait loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Step, BrokenOff>> + Send;

    /// Whether the plan can be made again from the start, so that an owner that has lost it gets
    /// it again. Otherwise such a loss ends the submission.
    fn can_begin_again(&self) -> bool {
        true
    }
}

type MakePlan = Box<dyn FnMut() -> Result<Plan, PlanError> + Send>;

/// A plan that can be made again, such as the walk over a tree. A thread of its own makes it.
pub struct Repeatable {
    make: MakePlan,
    planner: Option<Planner>,
}

impl Repeatable {
    /// `make` is called each time that the plan is begun.
    pub fn new(make: impl FnMut() -> Result<Plan, PlanError> + Send + 'static) -> Self {
        Self { make: Box::new(make), planner: None }
    }

    /// The plan of `spec` without the files that the standard streams write: see [`Plan::new`].
    pub fn of(spec: JobSpec, roots: Vec<PathBuf>) -> Self {
        Self::new(move || Ok(Plan::new(&spec, &roots)?.leaving_out(Own::streams())))
    }
}

impl Source for Repeatable {
    fn begin(&mut self, _: u64) -> Result<(), ProducerError> {
        self.planner = Some(Planner::spawn((self.make)()?)?);
        Ok(())
    }

    async fn next(&mut self) -> Result<Step, BrokenOff> {
        match &mut self.planner {
            Some(planner) => planner.next().await,
            None => Err(BrokenOff),
        }
    }
}

/// Cues to hand over one task each, for a producer that is controlled by hand.
pub type Cues = broadcast::Receiver<()>;

/// A plan that follows from its spec: nothing has to be looked up for it.
pub struct Derived {
    spec: JobSpec,
    /// If set, each task waits for a cue, and the plan ends when the channel closes.
    cues: Option<Cues>,
    plan: Option<Plan>,
    /// The next task, which waits for its cue.
    held: Option<Box<Planned>>,
}

impl Derived {
    pub const fn new(spec: JobSpec, cues: Option<Cues>) -> Self {
        Self { spec, cues, plan: None, held: None }
    }
}

impl Source for Derived {
    fn begin(&mut self, from: u64) -> Result<(), ProducerError> {
        self.plan = Some(Plan::new(&self.spec, &[])?.starting_at(from));
        self.held = None;
        Ok(())
    }

    async fn next(&mut self) -> Result<Step, BrokenOff> {
        if self.held.is_none() {
            self.held = self.plan.as_mut().ok_or(BrokenOff)?.next_task().map(Box::new);
        }
        if self.held.is_some()
            && let Some(cues) = &mut self.cues
            && !is_given(cues).await
        {
            return Ok(Step::End);
        }
        Ok(self.held.take().map_or(Step::End, Step::Task))
    }

    /// Consumers may have done tasks of the plan that the owner has lost.
    fn can_begin_again(&self) -> bool {
        false
    }
}

/// Waits for a cue; `false` when the channel is closed.
async fn is_given(cues: &mut Cues) -> bool {
    loop {
        match cues.recv().await {
            Ok(()) => return true,
            // More cues came than the channel holds. The dropped ones are not made up for.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::protocol::workload::steps;

    async fn number(source: &mut Derived) -> Option<u64> {
        match source.next().await.expect("it has begun") {
            Step::Task(task) => Some(task.number),
            Step::End => None,
        }
    }

    fn derived(whips: u64, cues: Option<Cues>) -> Derived {
        let spec = steps::Spec { caravan: "c".parse().expect("an id"), rider: 0, whips, needs: 0 };
        Derived::new(JobSpec::Steps(spec), cues)
    }

    #[tokio::test]
    async fn a_derived_plan_begins_where_it_is_told_to() {
        let mut source = derived(3, None);
        source.begin(1).expect("begun");
        assert_eq!((number(&mut source).await, number(&mut source).await), (Some(1), Some(2)));
        assert_eq!(number(&mut source).await, None);
        // Far on, without making what is before it.
        let mut source = derived(u64::MAX, None);
        source.begin(u64::MAX - 1).expect("begun");
        assert_eq!((number(&mut source).await, number(&mut source).await), (Some(u64::MAX - 1), None));
    }

    #[tokio::test]
    async fn each_task_waits_for_its_cue_and_no_cue_is_waited_for_at_the_end() {
        let (give, cues) = broadcast::channel(4);
        let mut source = derived(2, Some(cues));
        source.begin(0).expect("begun");
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), source.next());
        assert!(early.await.is_err(), "no cue was given");
        for expected in 0..2 {
            give.send(()).expect("somebody listens");
            assert_eq!(number(&mut source).await, Some(expected));
        }
        assert_eq!(number(&mut source).await, None);
    }

    #[tokio::test]
    async fn a_plan_ends_with_its_cues() {
        let (give, cues) = broadcast::channel(4);
        let mut source = derived(2, Some(cues));
        source.begin(0).expect("begun");
        give.send(()).expect("somebody listens");
        drop(give);
        assert_eq!((number(&mut source).await, number(&mut source).await), (Some(0), None));
    }
}
