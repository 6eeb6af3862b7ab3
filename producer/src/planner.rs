//! A plan on a thread of its own: walking a tree blocks.

use tokio::sync::mpsc;

use shared::protocol::message::Planned;
use shared::system::threads::{self, NoThread};

use crate::plan::Plan;

/// Tasks that are planned ahead of who takes them: enough that neither waits for the other, and
/// bounded, so that a slow owner slows the walk.
const AHEAD: usize = 16;

/// What a planner hands out.
#[derive(Debug)]
pub enum Step {
    /// The next task.
    Task(Box<Planned>),
    /// There are no more. A channel that closes without it is a planner that died, and the plan
    /// must not be ended.
    End,
}

/// The planner died before the end of its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("planning broke off; this is a bug. Run the same command again with the same --job or --state, and it goes on")]
pub struct BrokenOff;

/// A plan's tasks, in order.
#[derive(Debug)]
pub struct Planner {
    steps: mpsc::Receiver<Step>,
}

impl Planner {
    /// Starts handing out. Dropping it ends its thread.
    pub fn spawn(mut plan: Plan) -> Result<Self, NoThread> {
        let (sender, steps) = mpsc::channel(AHEAD);
        let walk = move || {
            while let Some(planned) = plan.next_task() {
                if sender.blocking_send(Step::Task(Box::new(planned))).is_err() {
                    return;
                }
            }
            // Whoever has gone needs no end.
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
