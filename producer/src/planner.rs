//! A plan on a thread of its own: walking a tree blocks.

use tokio::sync::mpsc;

use shared::message::Planned;

use crate::plan::Plan;

/// Tasks that are planned ahead of who takes them: enough that neither waits for the other, and
/// bounded, so that a slow owner slows the walk.
const AHEAD: usize = 16;

/// Starts handing out the plan's tasks; the channel closes after the last. Dropping the receiver
/// ends the thread.
pub fn spawn(mut plan: Plan) -> mpsc::Receiver<Planned> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let walk = move || {
        while let Some(planned) = plan.next_task() {
            if sender.blocking_send(planned).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("planner".to_owned()).spawn(walk).expect("a thread can be started");
    receiver
}
