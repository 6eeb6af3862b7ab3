//! Makes a plan on a thread of its own, since walking a tree blocks.

use tokio::sync::mpsc;

use shared::protocol::message::Planned;
use shared::system::threads::{self, NoThread};

use crate::plan::Plan;

/// Tasks planned ahead of the submission: enough that neither side waits for the other, and
/// bounded, so that a slow owner slows the walk.
const AHEAD: usize = 16;

#[derive(Debug)]
pub enum Step {
    Task(Box<Planned>),
    /// The plan has no more tasks. If the channel closes without this step, the planner died and
    /// the plan must not be ended.
    End,
}

/// The planner died before the end of its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("planning failed; this is a bug. To continue, run the same command again with the same --job or --state")]
pub struct BrokenOff;

#[derive(Debug)]
pub struct Planner {
    steps: mpsc::Receiver<Step>,
}

impl Planner {
    /// Starts planning. Dropping the planner ends its thread.
    pub fn spawn(mut plan: Plan) -> Result<Self, NoThread> {
        let (sender, steps) = mpsc::channel(AHEAD);
        let walk = move || {
            while let Some(planned) = plan.next_task() {
                if sender.blocking_send(Step::Task(Box::new(planned))).is_err() {
                    return;
                }
            }
            // An error means that the planner was dropped: no end is needed.
            let _ = sender.blocking_send(Step::End);
        };
        threads::start("planner", walk)?;
        Ok(Self { steps })
    }

    /// The next step. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Result<Step, BrokenOff> {
        self.steps.recv().await.ok_or(BrokenOff)
    }
}
