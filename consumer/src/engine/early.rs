//! Answers to a part of a task: the slot is stuck in one of its items, and the others must not wait
//! for it. The answer travels with a lease, so that a consumer that dies after it costs that one item
//! only.

#[cfg(test)]
mod tests;

use shared::protocol::message::LeaseBody;

use super::held::Part;
use super::{Action, Claim, Consumer, State, Tag};
use crate::work::Early;

impl Consumer {
    /// A part of a task is answered. From now on the task is what is open in it.
    pub(super) fn early(&mut self, tag: Tag, early: Early) -> Option<Action> {
        let held = self.held.get_mut(&tag)?;
        let State::Running(claim) = held.state else { return None };
        let returns = held.returns;
        let task = held.task.as_mut().filter(|_| claim != Claim::Cancelled && held.early.is_none())?;
        let rest = task.address.plan.rest(&early.open);
        let whole = std::mem::replace(&mut task.address.plan, rest);
        held.early = Some(Part::default());
        if claim == Claim::Delivery {
            held.state = State::Running(Claim::Leasing);
        }
        let mut action = self.lease_of(tag, self.held.get(&tag)?.task.as_ref()?, returns > 0, true);
        if let Action::Lease { lease, .. } = &mut action {
            lease.address.plan = whole;
            lease.body = LeaseBody::Early { answer: early.answer, micros: early.micros };
        }
        Some(action)
    }

    /// The owner has the early answer, and the lease on the rest.
    pub(super) fn early_taken(&mut self, tag: Tag, actions: &mut Vec<Action>) {
        self.leased(tag, actions);
        let Some(held) = self.held.get_mut(&tag) else { return };
        let Some(part) = &mut held.early else { return };
        part.is_taken = true;
        if let Some((result, micros)) = part.ended.take() {
            if held.state == State::Running(Claim::Cancelled) {
                self.held.remove(&tag);
            } else {
                actions.extend(self.answer(tag, result, micros));
            }
        }
    }
}
