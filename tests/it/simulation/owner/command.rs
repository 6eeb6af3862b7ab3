//! A command that plans and owns its one job.

use std::time::Duration;

use producer::client::retrace::{End, Next, Retrace};
use reducer::ledger::Arrived;
use reducer::owner::Event;
use shared::protocol::job::JobState;
use shared::protocol::message::{Opened, PlanEnd};
use shared::system::clock::Moment;

use super::OwnerRole;
use crate::simulation::jobs::Plan;
use crate::simulation::role::{Alarm, Do, Role, Stage};

impl OwnerRole {
    /// A command that was killed when its cancelled job had ended, and is run again.
    pub(super) fn refused(&mut self, reason: &str, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(id) = self.setup.command.clone() else { return };
        let Some(status) = self.status(&id, stage.now) else { return };
        if status.state != JobState::Cancelled {
            return stage.oracle.complain(format!("job {id} was refused: {reason}"));
        }
        // If it was killed before its report was written, none will be.
        stage.oracle.finished.insert(id);
        out.push(Do::Exit);
    }

    /// A command's plan goes on where its store stands.
    pub(super) fn opened(&mut self, opened: Opened, out: &mut Vec<Do>) {
        if opened.plan_end.is_none() {
            self.plan = Some((Plan::begin(Moment::ZERO, 0), Retrace::new(&opened)));
            out.push(Do::After(Duration::ZERO, Alarm::Plan));
        }
    }

    pub(super) fn go_on_planning(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(id) = self.setup.command.clone() else { return };
        let Some((job, plan)) = stage.jobs.job(&id).zip(self.plan.as_mut()) else { return };
        let (plan, retrace) = plan;
        match plan.next_task(job, stage.now) {
            Some(planned) => {
                out.push(Do::After(stage.millis(0, 30), Alarm::Plan));
                if let Next::New(place) = retrace.take(&planned) {
                    let planned = Box::new(planned);
                    self.tell(Arrived::Planned { job: id, place, planned, tag: None }, stage, out);
                }
            }
            None => {
                if let End::New(tasks, place) = retrace.end() {
                    self.tell(Event::PlanEnd { plan_end: PlanEnd { job: id, tasks }, place, tag: None }, stage, out);
                }
            }
        }
    }
}
