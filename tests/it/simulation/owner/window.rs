//! How many tasks of a job are out at a time.

use shared::protocol::id::TaskId;
use shared::protocol::message::Address;

use super::OwnerRole;
use crate::simulation::role::Stage;

impl OwnerRole {
    /// Tasks that have their outcome are out no more.
    pub(super) fn forget_answered(&mut self) {
        let Some(ledger) = &self.ledger else { return };
        for (job, out) in self.out.values_mut() {
            // A job that is in the store alone has ended.
            if ledger.owner().spec(job).is_none() {
                out.clear();
            }
            out.retain(|&number| !ledger.owner().is_answered(&TaskId { job: job.clone(), number }));
        }
    }

    /// A task is sent: no more of its job are out than the window has room for. A producer sends those of a
    /// derived plan by itself.
    pub(super) fn check_window(&mut self, Address { task, opening, .. }: &Address, stage: &mut Stage) {
        let spec = self.ledger().owner().spec(&task.job);
        if spec.is_some_and(|spec| reducer::fold::of(spec).derived().is_some()) {
            return;
        }
        let out = self.out.entry(opening.clone()).or_insert_with(|| (task.job.clone(), Default::default()));
        out.1.insert(task.number);
        // One turn may send a task and take its outcome.
        self.forget_answered();
        let out = self.out[opening].1.len();
        if out > self.setup.window {
            stage.oracle.complain(format!("{out} tasks of job {} are out at a time", task.job));
        }
    }
}
