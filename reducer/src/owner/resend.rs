//! Tasks that are sent again: because they failed, because they are lost, or because their holder is
//! silent.

use std::time::Duration;

use shared::protocol::id::{JobId, OpeningId, TaskId};
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::message::Presence;
use shared::system::clock::Moment;

use super::consumers::QueueKey;
use super::job::Flight;
use super::{Effect, Owner, Step, Write};

impl Owner {
    pub(super) fn presence(
        &mut self,
        mut presence: Presence,
        cancelled: &[(OpeningId, JobSpec)],
        now: Moment,
        step: &mut Step,
    ) {
        presence.heartbeat_millis = presence.heartbeat_millis.min(limits::HEARTBEAT_MAX.as_millis() as u64);
        // A consumer with a longer heartbeat interval may be silent for longer.
        let silence = self.config.heartbeat * 2;
        let until = now + (Duration::from_millis(presence.heartbeat_millis) * 2).saturating_sub(silence);
        for task in &presence.holds {
            if let Some(flight) = self.flight_of(task).filter(|_| !presence.leaving) {
                flight.heard(until);
            }
        }
        let holds = presence.holds.clone();
        let is_new = !presence.leaving && !self.consumers.knows(&presence.consumer);
        // Lanes come while a consumer runs, not only with its first heartbeat.
        let newly_served = self.consumers.hear(presence, now);
        if is_new {
            self.announce_all(now, step);
        }
        self.tell_served(step);
        if !newly_served.is_empty() {
            self.hurry_expired(&newly_served, now);
        }
        self.recall(&holds, cancelled, &newly_served, now, step);
        // More slots may widen a window.
        self.fill_all(now, step);
    }

    /// Jobs that are open and whose tasks this owner sends.
    fn unfinished(&self) -> Vec<JobId> {
        self.jobs.values().filter(|job| job.is_open() && job.is_dispatching()).map(|job| job.id().clone()).collect()
    }

    pub(super) fn tick(&mut self, now: Moment, step: &mut Step) {
        self.consumers.forget_silent(now);
        self.tell_served(step);
        self.announce_due(now, step);
        // Before anything is sent: a task has to find its queue.
        self.keep_light_queues(now, step);
        // Half a heartbeat is often enough to see that a queue held messages until shortly before a
        // consumer took the task.
        let look = self.config.heartbeat / 2;
        for id in self.unfinished() {
            self.send_due(&id, now, step);
            self.forget_early(&id, now, step);
            self.resend_lapsed(&id, now, step);
            self.watch(&id, now);
            if let Some(job) = self.jobs.get(&id) {
                let workload = job.workload();
                for class in job.silent(now, look) {
                    step.effects.push(Effect::Probe { workload, class: class.clone() });
                }
            }
        }
        self.fill_all(now, step);
        let unreported = self.jobs.values().filter(|job| !job.ending.is_finished() && job.is_dispatching());
        for id in unreported.map(|job| job.id().clone()).collect::<Vec<_>>() {
            // An earlier process may have ended between the last outcome and the report.
            self.finish_if_complete(&id, step);
        }
        self.probe_recalled(now, step);
    }

    pub(super) fn send_due(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        self.resend(id, now, step, |flight| flight.is_due(now));
    }

    /// The state of a task queue: how many messages are ready; `None` if there is no such queue.
    pub(super) fn queue_state(&mut self, queue: QueueKey, ready: Option<u32>, now: Moment, step: &mut Step) {
        if ready.is_none() {
            self.light_queues.lost(&queue);
            self.keep_light_queues(now, step);
        }
        if ready.unwrap_or(0) == 0 {
            self.recalls.forget(queue.0, &queue.1, now, self.config.heartbeat * 2);
            self.resend_silent(&queue, ready.is_none(), now, step);
        } else {
            self.queued(&queue, now);
        }
    }

    /// A queue holds messages, so tasks that no consumer names may wait in it.
    pub(super) fn queued(&mut self, queue: &QueueKey, now: Moment) {
        let jobs = self.jobs.values_mut().filter(|job| job.is_open() && job.workload() == queue.0);
        for (_, flight) in jobs.flat_map(|job| job.flights_mut()) {
            if *flight.class() == queue.1 {
                flight.may_be_queued(now);
            }
        }
    }

    /// Resends the silent tasks of a queue: it is gone, or was empty for two heartbeats, and no live
    /// consumer has named these tasks for as long. They count as lost. A consumer that cannot send
    /// heartbeats may still hold them, unless the queue `is_gone`.
    pub(super) fn resend_silent(&mut self, queue: &QueueKey, is_gone: bool, now: Moment, step: &mut Step) {
        let silence = self.config.heartbeat * 2;
        let is_lost = |flight: &Flight| flight.is_silent(now, silence) && *flight.class() == queue.1;
        for id in self.unfinished() {
            if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.workload() == queue.0) {
                let lost = job.flights().values().filter(|flight| is_gone && is_lost(flight)).count();
                job.account.returned(lost as u64);
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
        self.resend(id, now, step, Flight::is_out);
    }

    pub(super) fn resend(&mut self, id: &JobId, now: Moment, step: &mut Step, which: impl Fn(&Flight) -> bool) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.is_dispatching()) else { return };
        let mut sent = 0;
        for (number, flight) in job.flights_mut().filter(|(_, flight)| which(flight)) {
            let task = TaskId { job: id.clone(), number };
            if flight.resend(now) {
                step.writes.push(Write::Lapsed { task: task.clone() });
            }
            step.effects.push(Effect::Send { task, attempt: flight.attempt() });
            sent += 1;
        }
        (0..sent).for_each(|_| job.account.resent());
        if sent > 0 {
            self.changed.push(id.clone());
        }
    }
}
