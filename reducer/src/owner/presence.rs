//! Who is alive, what became of silent tasks, and what is due now.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::protocol::id::{Class, ConsumerId, HeldTask, JobId, TaskId};
use shared::protocol::limits;
use shared::protocol::message::Presence;
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

use super::{Effect, Owner, Step, Write};

/// Consumers by their last heartbeat.
#[derive(Debug)]
pub(super) struct Consumers {
    silence: Duration,
    alive: BTreeMap<ConsumerId, (Presence, Moment)>,
    /// Until then others may be there that have not been heard yet.
    settled_at: Option<Moment>,
}

impl Consumers {
    pub fn new(heartbeat: Duration) -> Self {
        Self { silence: heartbeat * 2, alive: BTreeMap::new(), settled_at: None }
    }

    /// Takes a heartbeat; whether it is a consumer's first.
    fn hear(&mut self, presence: Presence, now: Moment) -> bool {
        if presence.leaving {
            self.alive.remove(&presence.consumer);
            false
        } else {
            self.alive.insert(presence.consumer.clone(), (presence, now)).is_none()
        }
    }

    fn forget_silent(&mut self, now: Moment) {
        let silence = self.silence;
        self.alive.retain(|_, (presence, heard)| {
            let patience = silence.max(Duration::from_millis(presence.heartbeat_millis) * 2);
            now.saturating_sub(*heard) <= patience
        });
    }

    /// Who has named a task with its last heartbeat, and when that was.
    pub fn holder(&self, task: &HeldTask) -> Option<(&Presence, Moment)> {
        let found = self.alive.values().find(|(presence, _)| presence.holds.contains(task));
        found.map(|(presence, heard)| (presence, *heard))
    }

    /// Who that is and, while it lives, where.
    pub fn name(&self, consumer: &ConsumerId) -> String {
        let host = self.alive.get(consumer).map(|(presence, _)| format!(" on {}", presence.host));
        format!("{consumer}{}", host.unwrap_or_default())
    }

    /// Those that are alive have heard nothing of this owner yet: all are asked to say so, and get this long.
    pub fn unknown_until(&mut self, moment: Moment) {
        self.settled_at = Some(moment);
    }

    /// Whether somebody else serves a class than these, or may do so; not so if they are none.
    pub fn has_other(&self, workload: Workload, class: &Class, than: &[ConsumerId], now: Moment) -> bool {
        if !than.is_empty() && self.settled_at.is_some_and(|settled| now < settled) {
            return true;
        }
        let is_other = |id: &ConsumerId| !than.contains(id);
        let serves = |presence: &Presence| presence.serves.iter().any(|(w, c)| *w == workload && c == class);
        !than.is_empty() && self.alive.iter().any(|(id, (presence, _))| is_other(id) && serves(presence))
    }

    /// Live consumers of a class, and their slots.
    pub fn serving(&self, workload: Workload, class: &Class) -> (u32, u32) {
        let serves = |presence: &&Presence| presence.serves.iter().any(|(w, c)| *w == workload && c == class);
        let serving = self.alive.values().map(|(presence, _)| presence).filter(serves);
        serving.fold((0, 0), |(consumers, slots), presence| (consumers + 1, slots.saturating_add(presence.slots)))
    }
}

impl Owner {
    pub(super) fn presence(&mut self, mut presence: Presence, now: Moment, step: &mut Step) {
        presence.heartbeat_millis = presence.heartbeat_millis.min(limits::HEARTBEAT_MAX.as_millis() as u64);
        // A consumer with a slower heart gets the more patience.
        let silence = self.config.heartbeat * 2;
        let until = now + (Duration::from_millis(presence.heartbeat_millis) * 2).saturating_sub(silence);
        for task in &presence.holds {
            if let Some(flight) = self.flight_of(task).filter(|_| !presence.leaving) {
                flight.seen_at = until;
                flight.given_back = 0;
            }
        }
        let (holds, serves) = (presence.holds.clone(), presence.serves.clone());
        let is_first = self.consumers.hear(presence, now);
        if is_first {
            self.hurry_expired(&serves, now);
        }
        self.recall(&holds, if is_first { &serves } else { &[] }, now, step);
        // More slots may mean a wider window.
        for id in self.unfinished() {
            self.send_more(&id, now, step);
        }
    }

    fn unfinished(&self) -> Vec<JobId> {
        self.jobs.values().filter(|job| job.is_open() && job.dispatching).map(|job| job.id.clone()).collect()
    }

    pub(super) fn tick(&mut self, now: Moment, step: &mut Step) {
        self.consumers.forget_silent(now);
        // Often enough that a queue in which a task waits is seen to hold something until shortly before a
        // consumer takes it.
        let look = self.config.heartbeat / 2;
        for id in self.unfinished() {
            self.send_due(&id, now, step);
            self.forget_early(&id, now, step);
            self.resend_lapsed(&id, now, step);
            if let Some(job) = self.jobs.get(&id) {
                let workload = job.spec.workload();
                for class in job.silent(now, look) {
                    step.effects.push(Effect::Probe { workload, class });
                }
            }
            self.send_more(&id, now, step);
        }
        let unreported = self.jobs.values().filter(|job| job.finished_at.is_none() && job.dispatching);
        for id in unreported.map(|job| job.id.clone()).collect::<Vec<_>>() {
            // The process before this one may have ended between the last outcome and the report.
            self.finish_if_complete(&id, step);
        }
        self.probe_recalled(now, step);
    }

    pub(super) fn send_due(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        self.resend(id, now, step, |flight| flight.retry_at.is_some_and(|due| due <= now));
    }

    /// The queue of a class holds something, so the tasks that no consumer names may wait in it: one that
    /// takes them has its time to name them.
    pub(super) fn queued(&mut self, workload: Workload, class: &Class, now: Moment) {
        let jobs = self.jobs.values_mut().filter(|job| job.is_open() && job.spec.workload() == workload);
        for flight in jobs.flat_map(|job| job.flights.values_mut()) {
            if flight.lease.is_none() && flight.class.as_ref() == Some(class) {
                flight.queued_at = now;
            }
        }
    }

    /// The queue of a class is gone, or was empty for two heartbeats, and no live consumer has named these
    /// tasks for as long: they count as lost. One that does not get to speak may still have them, unless the queue
    /// `is_gone`.
    pub(super) fn resend_silent(&mut self, of: (Workload, &Class), is_gone: bool, now: Moment, step: &mut Step) {
        let (workload, class) = of;
        let silence = self.config.heartbeat * 2;
        let is_lost = |flight: &super::Flight| flight.is_silent(now, silence) && flight.class.as_ref() == Some(class);
        for id in self.unfinished() {
            if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.spec.workload() == workload) {
                let lost = job.flights.values().filter(|flight| is_gone && is_lost(flight)).count();
                job.counts.returns += lost as u64;
                self.resend(&id, now, step, is_lost);
            }
        }
    }

    /// Outcomes may be lost with the owner's queue: everything that is out is sent again, and what
    /// was not lost comes as a duplicate. A leased task is named by its holder, or lapses.
    pub(super) fn resend_all(&mut self, now: Moment, step: &mut Step) {
        for id in self.unfinished() {
            self.resend_out(&id, now, step);
        }
    }

    pub(super) fn resend_out(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        self.resend(id, now, step, |flight| flight.retry_at.is_none() && flight.lease.is_none());
    }

    pub(super) fn resend(&mut self, id: &JobId, now: Moment, step: &mut Step, which: impl Fn(&super::Flight) -> bool) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.dispatching) else { return };
        for (&number, flight) in job.flights.iter_mut().filter(|(_, flight)| which(flight)) {
            flight.attempt += u32::from(!std::mem::take(&mut flight.untried));
            flight.retry_at = None;
            flight.seen_at = now;
            job.counts.resends += 1;
            job.counts.sends += 1;
            let task = TaskId { job: id.clone(), number };
            if flight.lease.take().is_some() {
                step.writes.push(Write::Lapsed { task: task.clone() });
            }
            step.effects.push(Effect::Send { task, attempt: flight.attempt });
            self.changed.push(id.clone());
        }
    }
}
