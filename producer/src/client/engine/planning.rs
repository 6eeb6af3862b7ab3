//! The plan: compared with what the owner has of it, handed over, ended.

use shared::protocol::job::Counts;
use shared::protocol::message::{Opened, Planned};
use shared::protocol::notice;
use shared::system::clock::Moment;

use super::{Action, Phase, Submission};
use crate::client::retrace::{End, Next, Retrace};

impl Submission {
    pub(super) fn opened(&mut self, opened: Opened, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        match self.instead_of.take() {
            // The owner kept the old opening: its plan came from another producer.
            Some(before) if before == opened.opening => {
                self.phase = Phase::Over;
                return vec![Action::Overtaken];
            }
            Some(_) => actions.push(Action::Say(notice::changed(&opened.job))),
            None => {}
        }
        self.opening = Some(opened.opening.clone());
        actions.push(Action::Opened(Box::new(opened.clone())));
        if self.has_nothing_to_plan(&opened) {
            self.phase = Phase::Waiting;
            actions.extend(self.settle_now());
            actions.extend(if self.config.wait { Vec::new() } else { self.done(None) });
            return actions;
        }
        let retrace = if self.is_derived() { Retrace::derived(&opened) } else { Retrace::new(&opened) };
        let has_known = retrace.has_known();
        self.retrace = Some(retrace);
        if self.is_settled || !has_known {
            actions.extend(self.start_plan());
            actions.extend(self.settle_now());
        } else {
            self.phase = Phase::Counting;
            actions.push(self.ask(Action::AskStatus, now));
        }
        actions
    }

    fn has_nothing_to_plan(&self, opened: &Opened) -> bool {
        let is_whole = opened.has_whole_plan() && !self.config.recheck;
        // Whoever ended a derived plan has sent all of its tasks.
        opened.has_ended() || is_whole || (self.is_derived() && opened.plan_end.is_some())
    }

    fn start_plan(&mut self) -> Option<Action> {
        self.phase = Phase::Planning;
        self.next = self.retrace.as_ref()?.next();
        Some(Action::StartPlan { from: self.next })
    }

    pub(super) fn counted(&mut self, counts: &Counts) -> Vec<Action> {
        self.unsettled = counts.items_failed + counts.items_changed;
        self.start_plan().into_iter().collect()
    }

    pub(super) fn planned(&mut self, planned: Box<Planned>) -> Vec<Action> {
        let Some(retrace) = self.retrace.as_mut().filter(|_| self.phase == Phase::Planning) else { return Vec::new() };
        self.next = planned.number + 1;
        match retrace.take(&planned) {
            Next::Known => {
                self.unlisted += planned.notes.failed.len() as u64;
                Vec::new()
            }
            Next::New(_) if self.is_unsettled() => self.plan_again(),
            Next::New(place) => {
                self.unconfirmed.insert(planned.number);
                self.settle_now().into_iter().chain([Action::Publish { planned, place }]).collect()
            }
            Next::Differs => self.plan_again(),
        }
    }

    pub(super) fn plan_ended(&mut self) -> Vec<Action> {
        let Some(retrace) = self.retrace.as_ref().filter(|_| self.phase == Phase::Planning) else { return Vec::new() };
        self.plan_ended = true;
        let end = retrace.end();
        if end == End::Differs || self.is_unsettled() {
            return self.plan_again();
        }
        let mut actions: Vec<Action> = self.settle_now().into_iter().collect();
        if end == End::Known {
            self.phase = Phase::Waiting;
            actions.extend(if self.config.wait { Vec::new() } else { self.done(None) });
        } else {
            actions.extend(self.end_plan_if_confirmed());
        }
        actions
    }

    /// Whether items that failed or changed must be tried again, although the plan is the same: a
    /// file that differed from the plan when it was read may match it now, since the tree may have
    /// changed and changed back.
    fn is_unsettled(&self) -> bool {
        !self.is_settled && self.unsettled > self.unlisted
    }

    fn settle_now(&mut self) -> Option<Action> {
        (!std::mem::replace(&mut self.is_settled, true)).then_some(Action::Settled)
    }

    pub(super) fn end_plan_if_confirmed(&mut self) -> Vec<Action> {
        if self.phase != Phase::Planning || !self.plan_ended || !self.unconfirmed.is_empty() {
            return Vec::new();
        }
        self.end_plan()
    }

    pub(super) fn end_plan(&mut self) -> Vec<Action> {
        let Some(End::New(tasks, place)) = self.retrace.as_ref().map(Retrace::end) else { return Vec::new() };
        self.phase = Phase::Ending;
        vec![Action::EndPlan { tasks, place }]
    }
}
