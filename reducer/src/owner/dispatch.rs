//! Which task is sent next: a window for each queue, and the jobs that share it. Jobs of a higher
//! priority go first; those of one priority take turns, a task each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shared::protocol::id::{Class, JobId, TaskId};
use shared::system::clock::Moment;

use super::consumers::QueueKey;
use super::job::{Flight, Job, Next};
use super::{Config, Effect, Owner, Step, Write};

/// For each queue, how many tasks are out, and whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Dispatch {
    queues: BTreeMap<QueueKey, Queue>,
    /// Tasks out over all queues.
    out: usize,
}

#[derive(Debug, Default)]
struct Queue {
    out: usize,
    turns: Turns,
}

/// Jobs with tasks to send, each once.
#[derive(Debug, Default)]
struct Turns {
    /// By priority. Those of one priority take turns.
    order: BTreeMap<i32, VecDeque<JobId>>,
    waiting: BTreeSet<JobId>,
}

impl Turns {
    fn add(&mut self, job: &JobId, priority: i32) {
        if !self.waiting.contains(job) {
            self.waiting.insert(job.clone());
            self.order.entry(priority).or_default().push_back(job.clone());
        }
    }

    fn take(&mut self) -> Option<JobId> {
        let mut highest = self.order.last_entry()?;
        let job = highest.get_mut().pop_front()?;
        if highest.get().is_empty() {
            highest.remove();
        }
        self.waiting.remove(&job);
        Some(job)
    }

    fn remove(&mut self, job: &JobId) {
        if self.waiting.remove(job) {
            self.order.retain(|_, jobs| {
                jobs.retain(|waiting| waiting != job);
                !jobs.is_empty()
            });
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Dispatch {
    /// A task of this queue is out now.
    fn flown(&mut self, queue: &QueueKey) {
        self.out += 1;
        match self.queues.get_mut(queue) {
            Some(known) => known.out += 1,
            None => self.queues.entry(queue.clone()).or_default().out += 1,
        }
    }

    /// A task of this queue is out no more.
    fn landed(&mut self, queue: &QueueKey) {
        let Some(known) = self.queues.get_mut(queue) else { return };
        self.out -= 1;
        known.out -= 1;
        if known.out == 0 && known.turns.is_empty() {
            self.queues.remove(queue);
        }
    }

    /// A job has tasks for this queue.
    fn wants(&mut self, queue: QueueKey, job: &JobId, priority: i32) {
        self.queues.entry(queue).or_default().turns.add(job, priority);
    }

    /// A job has no tasks to send any more.
    pub fn forget(&mut self, job: &JobId) {
        self.queues.retain(|_, queue| {
            queue.turns.remove(job);
            queue.out > 0 || !queue.turns.is_empty()
        });
    }

    /// The queues that jobs have tasks for.
    fn wanted(&self) -> Vec<QueueKey> {
        let wanted = self.queues.iter().filter(|(_, queue)| !queue.turns.is_empty());
        wanted.map(|(key, _)| key.clone()).collect()
    }

    /// Takes the job whose turn it is, if fewer than `window` tasks of the queue are out, and fewer
    /// than `all` of all queues.
    fn next(&mut self, queue: &QueueKey, window: usize, all: usize) -> Option<JobId> {
        let has_room = self.out < all;
        self.queues.get_mut(queue).filter(|queue| has_room && queue.out < window)?.turns.take()
    }
}

impl Config {
    /// Tasks of one queue that may be out at a time, for this many slots.
    fn window(&self, slots: u64) -> usize {
        let window = usize::try_from(slots).unwrap_or(usize::MAX).saturating_mul(self.window_per_slot);
        window.min(self.window_max).max(self.window_min)
    }
}

/// Whether the job's tasks take room in a window: a producer sends those of a derived plan by
/// itself, and the owner only watches them.
fn takes_room(job: &Job) -> bool {
    !job.plan.is_derived()
}

impl Owner {
    /// Tasks of a queue that may be out at a time.
    pub(super) fn window(&self, queue: &QueueKey) -> usize {
        self.config.window(self.consumers.serving(queue).slots)
    }

    /// The job's tasks that are ready take part in the turns.
    pub(super) fn queue_job(&mut self, id: &JobId) {
        let Some(job) = self.jobs.get(id).filter(|job| job.is_dispatching()) else { return };
        for class in job.ready.classes() {
            self.dispatch.wants((job.workload(), class.clone()), id, job.priority());
        }
    }

    /// A task may be sent from now on.
    pub(super) fn make_ready(&mut self, id: &JobId, class: &Class, number: u64) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.ready.add(class, number);
        if job.is_dispatching() {
            self.dispatch.wants((job.workload(), class.clone()), id, job.priority());
        }
    }

    /// Sends as many tasks of a queue as its window has room for. Jobs take turns, a task each.
    pub(super) fn fill(&mut self, queue: &QueueKey, now: Moment, step: &mut Step) {
        let (window, all) = (self.window(queue), self.config.window_max.max(self.config.window_min));
        while let Some(id) = self.dispatch.next(queue, window, all) {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let Some(Next { number, attempt, is_released }) = job.ready.next(&queue.1) else { continue };
            if job.ready.has(&queue.1) {
                self.dispatch.wants(queue.clone(), &id, job.priority());
            }
            job.account.sent();
            self.fly(&id, number, Flight::sent(queue.1.clone(), attempt, now));
            self.changed.push(id.clone());
            let task = TaskId { job: id, number };
            if is_released {
                step.writes.push(Write::Sent { task: task.clone() });
            }
            step.effects.push(Effect::Send { task, attempt });
        }
    }

    /// Fills the windows of all queues.
    pub(super) fn fill_all(&mut self, now: Moment, step: &mut Step) {
        for queue in self.dispatch.wanted() {
            self.fill(&queue, now, step);
        }
    }

    /// Fills the windows of the queues that a job has tasks for.
    pub(super) fn fill_for(&mut self, id: &JobId, now: Moment, step: &mut Step) {
        let Some(job) = self.jobs.get(id) else { return };
        let workload = job.workload();
        for class in job.ready.classes().cloned().collect::<Vec<_>>() {
            self.fill(&(workload, class), now, step);
        }
    }

    /// Watches tasks of a derived plan whose producer has sent all of them, as many at a time as a
    /// window holds: any of them may be lost.
    pub(super) fn watch(&mut self, id: &JobId, now: Moment) {
        while let Some(job) = self.jobs.get_mut(id).filter(|job| job.flights().len() < self.config.window_min) {
            let Some((number, class)) = job.next_to_watch() else { return };
            self.fly(id, number, Flight::sent(class, 1, now));
        }
    }

    /// The flight of a task. Where there is none, as for a task of a derived plan that is not
    /// watched yet, it begins with this attempt.
    pub(super) fn flight_or_new(&mut self, task: &TaskId, attempt: u32, now: Moment) -> Option<&mut Flight> {
        let job = self.jobs.get(&task.job)?;
        if job.flight(task.number).is_none() {
            let class = job.plan.class().or_else(|| job.ready.class_of(task.number))?.clone();
            self.fly(&task.job, task.number, Flight::sent(class, attempt, now));
        }
        self.jobs.get_mut(&task.job)?.flight_mut(task.number)
    }

    fn fly(&mut self, id: &JobId, number: u64, flight: Flight) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let queue = (job.workload(), flight.class().clone());
        if job.fly(number, flight).is_none() && takes_room(job) {
            self.dispatch.flown(&queue);
        }
    }

    /// A task has its outcome; returns the queue that it was out in.
    pub(super) fn land(&mut self, task: &TaskId) -> Option<QueueKey> {
        let job = self.jobs.get_mut(&task.job)?;
        let flight = job.answer(task.number)?;
        let queue = (job.workload(), flight.class().clone());
        if takes_room(job) {
            self.dispatch.landed(&queue);
        }
        Some(queue)
    }

    /// The flights of a job end, because it is cancelled or leaves.
    pub(super) fn land_all(&mut self, job: &Job, flights: impl IntoIterator<Item = Flight>) {
        for flight in flights.into_iter().filter(|_| takes_room(job)) {
            self.dispatch.landed(&(job.workload(), flight.class().clone()));
        }
        self.dispatch.forget(job.id());
    }

    /// Counts the flights of a job that comes from the store.
    pub(super) fn count_flights(&mut self, job: &Job) {
        for flight in job.flights().values().filter(|_| takes_room(job)) {
            self.dispatch.flown(&(job.workload(), flight.class().clone()));
        }
    }
}
