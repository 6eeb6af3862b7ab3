//! What must hold at every step. Much of what goes wrong is made up for later, by a resend or a second
//! plan, so that the end of a run does not show it: these look at the moment itself.

use std::collections::BTreeSet;

use shared::protocol::message::{Message, kind};
use shared::protocol::topology;

use super::broker::DeliveryTag;
use super::wire::Publish;
use super::world::World;

/// What has happened so far, as far as a later step rests on it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Publishes that the broker has taken.
    taken: BTreeSet<u64>,
    /// Outcomes and dead letters that it has taken, by task, attempt and opening.
    answered: BTreeSet<Answered>,
    /// Leases that it has taken, by task and opening.
    leased: BTreeSet<(String, Option<String>)>,
    /// Planned tasks that it has taken, by producer.
    planned: BTreeSet<(usize, u64, String)>,
    /// Queues that were deleted by hand, which no one has to notice.
    pub deleted: BTreeSet<String>,
}

/// Whether it opens, too: the dead letter of a forged task is no answer to the one that it was made of.
type Answered = (String, Option<i64>, Option<String>, bool);

fn answered(message: &Message) -> Answered {
    let opening = message.text("opening").map(str::to_owned);
    (message.id.to_string(), message.integer("attempt"), opening, message.untrusted.is_none())
}

fn leased(message: &Message) -> (String, Option<String>) {
    (message.id.to_string(), message.text("opening").map(str::to_owned))
}

impl World {
    /// The broker has taken a publish.
    pub fn note_taken(&mut self, process: usize, number: u64, publish: &Publish) {
        let message = &publish.message;
        self.watch.taken.insert(number);
        if message.kind == kind::OUTCOME || publish.exchange == topology::DEAD {
            self.watch.answered.insert(answered(message));
        }
        if message.kind == kind::LEASE {
            self.watch.leased.insert(leased(message));
            if std::mem::take(&mut self.armed.lose_lease) {
                self.delete(&topology::service_owner(&super::jobs::owner()).0.name);
            }
        }
        if message.kind == kind::PLANNED {
            let generation = self.processes[process].generation;
            self.watch.planned.insert((process, generation, message.id.to_string()));
        }
    }

    /// A publisher is told that the broker has it.
    pub fn check_confirm(&mut self, number: u64) {
        if !self.watch.taken.contains(&number) {
            self.oracle.complain("a publish passes for confirmed that the broker has not taken");
        }
    }

    /// A task is acked when its outcome is safe, or a lease on it, or its job is cancelled; what an owner gets
    /// when it is committed.
    pub fn check_ack(&mut self, process: usize, tag: DeliveryTag, message: &Message) {
        let is_control = [kind::REQUEST, kind::REPLY, kind::PRESENCE].contains(&message.kind.as_ref());
        if self.processes[process].is_owner() {
            // What does not open is no owner's to commit.
            let is_its = !is_control && message.untrusted.is_none();
            if is_its && !self.oracle.turned.contains(&tag) {
                self.oracle.complain(format!("{} {} was acked and not committed", message.kind, message.id));
            }
        } else if message.kind == kind::TASK
            && !self.watch.answered.contains(&answered(message))
            && !self.watch.leased.contains(&leased(message))
            && !message.id.rsplit_once('.').is_some_and(|(job, _)| self.oracle.is_cancelled(job))
            && !message.text("opening").is_some_and(|opening| self.oracle.is_recalled(opening))
        {
            self.oracle.complain(format!("task {} was acked before its outcome was safe", message.id));
        }
    }

    /// A plan is complete when the broker has all of it, and no task goes nowhere whose queue its
    /// publisher has declared.
    pub fn check_publish(&mut self, process: usize, publish: &Publish) {
        let generation = self.processes[process].generation;
        let is_missing = |other: &&Publish| {
            other.message.kind == kind::PLANNED
                && !self.watch.planned.contains(&(process, generation, other.message.id.to_string()))
        };
        let unconfirmed = &self.processes[process].wire.unconfirmed;
        if publish.message.kind == kind::PLAN_END
            && let Some(missing) = unconfirmed.values().find(is_missing)
        {
            let what = format!("a plan was ended while {} was not confirmed", missing.message.id);
            self.oracle.complain(what);
        }
    }

    /// Before the broker routes it.
    pub fn check_route(&mut self, process: usize, publish: &Publish) {
        let declared = &self.processes[process].wire.declared.bindings;
        let prefix = publish.key.rsplit_once('.').map_or("", |(prefix, _)| prefix);
        let queue = declared.iter().find(|binding| binding.key.strip_suffix(".*") == Some(prefix));
        if publish.exchange == topology::TASKS
            && let Some(queue) = queue.map(|binding| binding.queue.clone())
            && self.broker.ready(&queue).is_none()
            && !self.watch.deleted.contains(&queue)
        {
            self.oracle.complain(format!("task {} went nowhere: there is no {queue}", publish.message.id));
        }
    }
}
