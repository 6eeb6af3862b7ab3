//! Early answers: a consumer gives the items of a task that it has, while it works on the others under
//! a lease. From then on its outcome, or that of another attempt, is about those others.

use std::collections::BTreeMap;

use shared::protocol::id::{ConsumerId, JobId, TaskId};
use shared::protocol::message::{Lease, LeaseBody};
use shared::protocol::payload::Payload;

use super::consumers::QueueKey;
use super::{Effect, Known, Left, Owner, Step, Stored, Write};
use crate::fold::{self, Tally};
use crate::mutant::{self, Mutant};

impl Owner {
    /// Why an early answer cannot be kept; `None` if it can, or if the lease has none.
    pub(super) fn refuses_early(&self, lease: &Lease, known: Option<&Known>) -> Option<String> {
        let LeaseBody::Early { answer, .. } = &lease.body else { return None };
        let task = &lease.address.task;
        let unreadable = |detail: String| Some(format!("an early answer to task {task} that cannot be read: {detail}"));
        let Some(itemwise) = self.spec(&task.job).and_then(|spec| fold::of(spec).itemwise()) else {
            return unreadable("tasks of its workload are not done in part".to_owned());
        };
        match itemwise.open_items(known.map_or(0, |known| known.items), answer) {
            Ok(open) if open.is_empty() => unreadable("none of its items is open".to_owned()),
            Ok(_) => None,
            Err(reason) => unreadable(reason.to_string()),
        }
    }

    /// What of a task counted before its outcome, if it was answered early.
    pub(super) fn counted_early(&self, job: &JobId, known: &Known) -> Option<Tally> {
        fold::of(self.spec(job)?).tally_early(known.items, &known.kept.as_ref()?.answer)
    }

    /// The items that are lost with a task that is given up.
    pub(super) fn lost(&self, job: &JobId, known: &Known) -> u32 {
        self.counted_early(job, known).map_or(known.items, |early| early.open)
    }

    /// The consumers of a queue whose slots are all stuck in what is open of this job's tasks: what
    /// they were sent now would wait for them.
    pub(crate) fn stuck(&self, id: &JobId, queue: &QueueKey) -> Vec<ConsumerId> {
        let Some((job, stream)) = self.jobs.get(id).and_then(|job| Some((job, job.stream()?))) else {
            return Vec::new();
        };
        let mut stuck: BTreeMap<&ConsumerId, u32> = BTreeMap::new();
        for holder in stream.rests().iter().filter_map(|&number| job.flight(number)?.holder()) {
            *stuck.entry(&holder.consumer).or_default() += 1;
        }
        let all = stuck.into_iter().filter(|(consumer, slots)| *slots >= self.consumers.slots(consumer, queue));
        all.map(|(consumer, _)| consumer.clone()).collect()
    }

    /// Keeps an early answer, and tells whoever streams the job. Of the task, the rest is out.
    pub(super) fn keep_early(&mut self, task: TaskId, known: Known, answer: Payload, micros: u64, step: &mut Step) {
        // A part is known from before: its rest is out, and comes as a whole.
        let Some(job) = self.jobs.get_mut(&task.job).filter(|_| known.kept.is_none()) else { return };
        let early = fold::of(job.spec()).tally_early(known.items, &answer);
        if let Some(early) = &early {
            job.account.answered_in_part(early);
            self.changed.push(task.job.clone());
        }
        if let Some(flight) = job.flight_mut(task.number) {
            flight.learn(early.map(|early| Stored { items: early.open, plan: known.plan, is_rest: true }));
        }
        let (opening, number) = (job.opening().clone(), task.number);
        if let Some(stream) = job.stream_mut() {
            stream.begin_rest(number);
            let answer = answer.clone();
            step.effects.push(Effect::Early { opening, number, answer, micros });
        }
        if mutant::is(Mutant::KeepNoEarly) {
            return;
        }
        let first = Left { answer, run: None, by: None, to_another: false, without_parts: Vec::new() };
        step.writes.push(Write::Kept { task, first: Box::new(first) });
    }
}
