//! What has come before its turn in a plan. A producer has a limited number of messages unconfirmed,
//! so the owner keeps at most that many.

use std::collections::BTreeMap;

use shared::protocol::limits;
use shared::protocol::message::{Place, PlanEnd};
use shared::system::clock::Moment;

use crate::owner::Tag;
use crate::owner::intake::Arrival;

#[derive(Debug, Default)]
pub(crate) struct Early {
    tasks: BTreeMap<u64, Arrival>,
    plan_end: Option<(PlanEnd, Place, Option<Tag>)>,
    /// When the plan last advanced.
    since: Moment,
}

impl Early {
    /// Whether tasks wait for the next task of the plan.
    pub fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.plan_end.is_none()
    }

    /// The plan has advanced.
    pub fn advanced(&mut self, now: Moment) {
        self.since = now;
    }

    /// Keeps a task; returns those that it replaces or that are too many. The latest task of a number
    /// counts: it is from the latest walk.
    pub fn add(&mut self, arrival: Arrival, now: Moment) -> Vec<Arrival> {
        if self.is_empty() {
            self.since = now;
        }
        let replaced = self.tasks.insert(arrival.planned.number, arrival);
        let over = (self.tasks.len() > limits::PLAN_WINDOW).then(|| self.tasks.pop_last()).flatten();
        replaced.into_iter().chain(over.map(|(_, arrival)| arrival)).collect()
    }

    /// Keeps a plan end; returns the delivery of the one that it replaces.
    pub fn add_end(&mut self, plan_end: PlanEnd, place: Place, tag: Option<Tag>, now: Moment) -> Option<Tag> {
        if self.is_empty() {
            self.since = now;
        }
        self.plan_end.replace((plan_end, place, tag)).and_then(|(_, _, tag)| tag)
    }

    /// Takes the task whose turn has come.
    pub fn take(&mut self, number: u64) -> Option<Arrival> {
        self.tasks.remove(&number)
    }

    /// Takes the tasks below `next`, which the plan has by now.
    pub fn overtaken(&mut self, next: u64) -> impl Iterator<Item = Arrival> {
        let later = self.tasks.split_off(&next);
        std::mem::replace(&mut self.tasks, later).into_values()
    }

    /// Takes the plan end if all tasks before it are there.
    pub fn take_end(&mut self, next: u64) -> Option<(PlanEnd, Place, Option<Tag>)> {
        self.plan_end.take_if(|(plan_end, ..)| plan_end.tasks <= next)
    }

    /// Whether a task before them was lost: they have waited too long.
    pub fn is_stuck(&self, now: Moment) -> bool {
        !self.is_empty() && now.saturating_sub(self.since) >= limits::PLAN_SILENCE
    }

    /// Drops everything; returns the deliveries.
    pub fn clear(&mut self) -> Vec<Tag> {
        let tasks = std::mem::take(&mut self.tasks).into_values().filter_map(|arrival| arrival.tag);
        tasks.chain(self.plan_end.take().and_then(|(_, _, tag)| tag)).collect()
    }
}
