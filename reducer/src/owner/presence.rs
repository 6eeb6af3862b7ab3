//! Which consumers are alive, which silent tasks are lost, and which tasks are due.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::protocol::id::{Class, ConsumerId, HeldTask, JobId, TaskId};
use shared::protocol::limits;
use shared::protocol::message::Presence;
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

use super::{Effect, Owner, Step, Write};

#[derive(Debug)]
pub(super) struct Consumers {
    silence: Duration,
    alive: BTreeMap<ConsumerId, (Presence, Moment)>,
    /// Until this moment there may be live consumers that this owner has not heard yet.
    settled_at: Option<Moment>,
}

impl Consumers {
    pub fn new(heartbeat: Duration) -> Self {
        Self { silence: heartbeat * 2, alive: BTreeMap::new(), settled_at: None }
    }

    /// Records a heartbeat; returns the classes that the consumer serves and did not serve before.
    fn hear(&mut self, presence: Presence, now: Moment) -> Vec<(Workload, Class)> {
        if presence.leaving {
            self.alive.remove(&presence.consumer);
            return Vec::new();
        }
        let served: Vec<_> = presence.lanes.iter().map(|lane| (lane.workload, lane.class.clone())).collect();
        let before = self.alive.insert(presence.consumer.clone(), (presence, now)).map(|(before, _)| before);
        let is_new = |(workload, class): &(Workload, Class)| {
            !before.as_ref().is_some_and(|before| before.serves(*workload, class))
        };
        served.into_iter().filter(is_new).collect()
    }

    fn forget_silent(&mut self, now: Moment) {
        let silence = self.silence;
        self.alive.retain(|_, (presence, heard)| {
            let patience = silence.max(Duration::from_millis(presence.heartbeat_millis) * 2);
            now.saturating_sub(*heard) <= patience
        });
    }

    /// The consumer that named the task in its last heartbeat, and when that came.
    pub fn holder(&self, task: &HeldTask) -> Option<(&Presence, Moment)> {
        let found = self.alive.values().find(|(presence, _)| presence.holds.contains(task));
        found.map(|(presence, heard)| (presence, *heard))
    }

    /// The consumer's id and, while it is alive, its host.
    pub fn name(&self, consumer: &ConsumerId) -> String {
        let host = self.alive.get(consumer).map(|(presence, _)| format!(" on {}", presence.host));
        format!("{consumer}{}", host.unwrap_or_default())
    }

    /// After a start the owner knows no live consumer. All are asked for a heartbeat and have until
    /// `moment` to send it.
    pub fn unknown_until(&mut self, moment: Moment) {
        self.settled_at = Some(moment);
    }

    /// Whether a consumer not among `than` serves the class, or may do so. `false` if `than` is
    /// empty.
    pub fn has_other(&self, workload: Workload, class: &Class, than: &[ConsumerId], now: Moment) -> bool {
        if !than.is_empty() && self.settled_at.is_some_and(|settled| now < settled) {
            return true;
        }
        let is_other = |id: &ConsumerId| !than.contains(id);
        let serves = |presence: &Presence| presence.serves(workload, class);
        !than.is_empty() && self.alive.iter().any(|(id, (presence, _))| is_other(id) && serves(presence))
    }

    /// The number of live consumers of a class, and the sum of their slots.
    pub fn serving(&self, workload: Workload, class: &Class) -> (u32, u32) {
        let serving = self.alive.values().map(|(presence, _)| presence).filter(|one| one.serves(workload, class));
        let slots = |presence: &Presence| presence.slots_of(workload, class);
        serving.fold((0, 0), |(consumers, sum), presence| (consumers + 1, sum.saturating_add(slots(presence))))
    }
}

impl Owner {
    pub(super) fn presence(&mut self, mut presence: Presence, now: Moment, step: &mut Step) {
        presence.heartbeat_millis = presence.heartbeat_millis.min(limits::HEARTBEAT_MAX.as_millis() as u64);
        // A consumer with a longer heartbeat interval may be silent for longer.
        let silence = self.config.heartbeat * 2;
        let until = now + (Duration::from_millis(presence.heartbeat_millis) * 2).saturating_sub(silence);
        for task in &presence.holds {
            if let Some(flight) = self.flight_of(task).filter(|_| !presence.leaving) {
                flight.seen_at = until;
                flight.given_back = 0;
            }
        }
        let holds = presence.holds.clone();
        // Lanes come while a consumer runs, not only with its first heartbeat.
        let newly_served = self.consumers.hear(presence, now);
        if !newly_served.is_empty() {
            self.hurry_expired(&newly_served, now);
        }
        self.recall(&holds, &newly_served, now, step);
        // More slots may widen the window.
        for id in self.unfinished() {
            self.send_more(&id, now, step);
        }
    }

    fn unfinished(&self) -> Vec<JobId> {
        self.jobs.values().filter(|job| job.is_open() && job.dispatching).map(|job| job.id.clone()).collect()
    }

    pub(super) fn tick(&mut self, now: Moment, step: &mut Step) {
        self.consumers.forget_silent(now);
        // Half a heartbeat is often enough to see that a queue held messages until shortly before a
        // consumer took the task.
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
            // An earlier process may have ended between the last outcome and the report.
            self.finish_if_complete(&id, step);
        }
        self.probe_recalled(now, step);
    }

    pub(super) fn send_due(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        self.resend(id, now, step, |flight| flight.retry_at.is_some_and(|due| due <= now));
    }

    /// A class's queue holds messages, so tasks that no consumer names may wait in it. A consumer
    /// that takes one now gets the full time to name it.
    pub(super) fn queued(&mut self, workload: Workload, class: &Class, now: Moment) {
        let jobs = self.jobs.values_mut().filter(|job| job.is_open() && job.spec.workload() == workload);
        for flight in jobs.flat_map(|job| job.flights.values_mut()) {
            if flight.lease.is_none() && flight.class.as_ref() == Some(class) {
                flight.queued_at = now;
            }
        }
    }

    /// Resends the silent tasks of a class: its queue is gone, or was empty for two heartbeats, and
    /// no live consumer has named these tasks for as long. They count as lost. A consumer that
    /// cannot send heartbeats may still hold them, unless the queue `is_gone`.
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

    /// Resends all tasks that are out: outcomes may be lost with the owner's queue, and those that
    /// were not lost come as duplicates. Leased tasks are left out, because their holders name them
    /// or the leases lapse.
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
