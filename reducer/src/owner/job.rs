//! One job in an owner's memory: its account, and its tasks that are out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::protocol::id::{Class, ConsumerId, HeldTask, JobId, OpeningId, Origin, OwnerId, PlanHash, ReportName};
use shared::protocol::job::{Counts, JobSpec, JobState, JobStatus};
use shared::protocol::message::{Ended, JobRequest, Place, Planned};
use shared::system::clock::Moment;

use super::contiguous::Contiguous;
use super::lease::Holder;
use super::plan::Early;
use crate::fold;

/// A task that is out: sent, and without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    /// Number of the latest attempt. A resend keeps the number if no consumer can have tried the
    /// task.
    pub attempt: u32,
    /// Failures of the whole task, including refused messages of it.
    pub failures: u32,
    /// The last failure: reason and host.
    pub failed: Option<String>,
    /// How often in a row a broker policy removed the task from its queue.
    pub expired: u32,
    /// Whether no consumer can have tried it, so that the resend keeps the attempt number.
    pub untried: bool,
    /// When it was last sent, or named by the consumer that holds it.
    pub seen_at: Moment,
    /// When its queue was last seen to hold messages, one of which may be this task.
    pub queued_at: Moment,
    /// Consumers where it failed, the latest last. Others may have the files that these lack.
    pub avoid: Vec<ConsumerId>,
    /// How often in a row a consumer that the task avoids gave it back.
    pub given_back: u32,
    /// When the owner resends it, after a failure.
    pub retry_at: Option<Moment>,
    /// The consumer that holds a lease on it. A leased task is in no queue.
    pub lease: Option<Holder>,
    /// The class whose queue it is in; set when the ledger has loaded the task.
    pub class: Option<Class>,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub id: JobId,
    pub opening: OpeningId,
    pub spec: JobSpec,
    /// The report's name; `None` for the job's id.
    pub report: Option<ReportName>,
    /// For a job over files: the machine and the directories that the request came from.
    pub origin: Option<Origin>,
    /// Whether its producer gave it no id, so that a later request for the same work may continue
    /// it.
    pub is_unnamed: bool,
    /// Whether it takes over from an earlier opening that is still in the store.
    pub follows: bool,
    pub opened_at: Moment,
    pub finished_at: Option<Moment>,
    pub cancelled_at: Option<Moment>,
    pub report_sha256: Option<String>,
    pub plan_end: Option<u64>,
    pub planned: Contiguous,
    /// The hash of the plan up to its first gap.
    pub plan: PlanHash,
    /// Tasks, and the plan end, that arrived before their turn.
    pub early: Early,
    /// Tasks below this number were sent at least once or need no sending.
    pub dispatched: u64,
    pub answered: Contiguous,
    pub flights: BTreeMap<u64, Flight>,
    /// Replayed tasks that wait to be sent, with their next attempt number.
    pub replays: BTreeMap<u64, u32>,
    pub counts: Counts,
    /// Whether this process has requested the report.
    pub reporting: bool,
    /// Tasks that the broker has not accepted for a while, with the class of their queue.
    pub unsent: BTreeMap<u64, Class>,
    /// Why the last try to write the report failed, while the report is still due.
    pub unreported: Option<String>,
    /// Whether the owner sends its tasks; see [`super::Config::dispatches_on_open`].
    pub dispatching: bool,
}

impl Job {
    pub fn new(request: JobRequest, opening: OpeningId, now: Moment) -> Self {
        let JobRequest { job: id, spec, report, origin, resume: is_unnamed, instead_of } = request;
        let mut job = Self {
            id,
            opening,
            spec,
            report,
            origin,
            is_unnamed,
            follows: instead_of.is_some(),
            opened_at: now,
            finished_at: None,
            cancelled_at: None,
            report_sha256: None,
            plan_end: None,
            planned: Contiguous::default(),
            plan: PlanHash::start(),
            early: Early::default(),
            dispatched: 0,
            answered: Contiguous::default(),
            flights: BTreeMap::new(),
            replays: BTreeMap::new(),
            counts: Counts::default(),
            reporting: false,
            unsent: BTreeMap::new(),
            unreported: None,
            dispatching: true,
        };
        if let Some(derived) = fold::of(&job.spec).derived() {
            let tasks = derived.tasks();
            job.planned = Contiguous::up_to(tasks);
            job.counts.tasks_planned = tasks;
            job.counts.tasks_open = tasks;
            job.counts.items_planned = tasks;
        }
        job
    }

    pub fn is_derived(&self) -> bool {
        fold::of(&self.spec).derived().is_some()
    }

    /// Whether this task was sent: by the owner, or, for a derived plan, by its producer.
    pub fn may_be_out(&self, number: u64) -> bool {
        if self.is_derived() { number < self.planned.prefix() } else { number < self.dispatched }
    }

    /// Whether a task with this place may come next in the plan.
    pub fn follows(&self, place: &Place) -> bool {
        place.after == self.plan
    }

    /// A task of this job, as its holder names it in a heartbeat.
    pub fn held(&self, number: u64) -> HeldTask {
        HeldTask { opening: self.opening.clone(), number }
    }

    pub fn take(&mut self, planned: &Planned) {
        self.planned.insert(planned.number);
        self.plan = planned.hash(&self.plan);
        let failed = planned.notes.failed.len() as u64;
        let counts = &mut self.counts;
        counts.tasks_planned += 1;
        counts.items_planned += u64::from(planned.items) + failed;
        counts.items_failed += failed;
        // Sizes are untrusted input: saturate instead of overflowing.
        counts.bytes_planned = counts.bytes_planned.saturating_add(planned.bytes);
        for (kind, count) in &planned.notes.skipped {
            let skipped = counts.items_skipped.entry(kind.clone()).or_default();
            *skipped = skipped.saturating_add(*count);
        }
        if planned.body.is_some() {
            counts.tasks_open += 1;
        } else {
            counts.tasks_done += 1;
            self.answered.insert(planned.number);
        }
    }

    /// Marks a task as answered and ends its flight.
    pub fn answer(&mut self, number: u64) {
        self.answered.insert(number);
        self.flights.remove(&number);
        self.replays.remove(&number);
        if self.is_derived() {
            self.dispatched = self.dispatched.max(self.answered.end());
        }
        self.counts.tasks_open -= 1;
    }

    /// The next task to send and its attempt number, if the window has room.
    pub fn next_to_send(&mut self, window: usize, now: Moment) -> Option<(u64, u32)> {
        if self.flights.len() < window
            && let Some((number, attempt)) = self.replays.pop_first()
        {
            self.flights.insert(number, Flight { attempt, ..Flight::sent(now) });
            self.counts.sends += 1;
            return Some((number, attempt));
        }
        while self.dispatched < self.planned.prefix() && self.answered.contains(self.dispatched) {
            self.dispatched += 1;
        }
        let may = !self.is_derived() && self.flights.len() < window && self.dispatched < self.planned.prefix();
        may.then(|| {
            let number = self.dispatched;
            self.dispatched += 1;
            self.flights.insert(number, Flight::sent(now));
            self.counts.sends += 1;
            (number, 1)
        })
    }

    /// Ends the plan at `tasks`; `false` if that contradicts the tasks known so far. A derived plan
    /// may end before its spec says so, as when a rider gets off, but not before a task with an
    /// answer.
    pub fn end_plan(&mut self, tasks: u64) -> bool {
        let end = if self.is_derived() { self.answered.end() } else { self.planned.end() };
        let beyond = self.is_derived() && tasks > self.planned.end();
        if self.plan_end.is_some_and(|plan_end| plan_end != tasks) || end > tasks || beyond {
            return false;
        }
        if self.is_derived() {
            let cut = self.planned.end() - tasks;
            self.planned = Contiguous::up_to(tasks);
            self.counts.tasks_planned -= cut;
            self.counts.items_planned -= cut;
            self.counts.tasks_open -= cut;
        }
        self.plan_end = Some(tasks);
        true
    }

    /// Starts watching the unanswered tasks of a derived plan that is complete: its producer has
    /// sent all of them by then.
    pub fn watch_derived(&mut self, now: Moment) {
        if let (true, Some(tasks)) = (self.is_derived(), self.plan_end) {
            self.dispatched = tasks;
            self.counts.sends = tasks;
            // A derived plan has one class.
            let class = self.spec.classes().into_iter().next();
            for number in self.answered.prefix()..tasks {
                if !self.answered.contains(number) {
                    self.flights.entry(number).or_insert_with(|| Flight { class: class.clone(), ..Flight::sent(now) });
                }
            }
        }
    }

    /// Whether the job has this spec and report name, whatever its id.
    pub fn is_same(&self, spec: &JobSpec, report: Option<&ReportName>) -> bool {
        self.spec == *spec && self.report.as_ref() == report
    }

    pub fn report_name(&self) -> &str {
        self.report.as_ref().map_or(self.id.as_str(), ReportName::as_str)
    }

    pub fn ended(&self) -> Option<Ended> {
        let at = self.cancelled_at.or(self.finished_at)?.as_secs_f64();
        Some(Ended { job: self.id.clone(), state: self.state(), at })
    }

    /// Neither finished nor cancelled.
    pub fn is_open(&self) -> bool {
        self.finished_at.is_none() && self.cancelled_at.is_none()
    }

    /// Whether every task of the complete plan has its outcome.
    pub fn is_complete(&self) -> bool {
        self.plan_end.is_some_and(|tasks| self.planned.prefix() >= tasks && self.answered.prefix() >= tasks)
    }

    pub fn state(&self) -> JobState {
        JobState::of(self.plan_end.is_some(), self.finished_at.is_some(), self.cancelled_at.is_some())
    }

    /// The classes of unleased flights that no consumer has named for `silence`. The state of their
    /// queues tells whether these tasks are lost.
    pub fn silent(&self, now: Moment, silence: Duration) -> BTreeSet<Class> {
        let silent = |flight: &&Flight| flight.lease.is_none() && flight.is_silent(now, silence);
        self.flights.values().filter(silent).filter_map(|flight| flight.class.clone()).collect()
    }

    pub fn status(&self, owner: &OwnerId, now: Moment, live: impl Fn(&Class) -> u32) -> JobStatus {
        let classes = self.spec.classes();
        let unserved = match self.state() {
            state if state.is_over() => Vec::new(),
            _ => classes.iter().filter(|class| live(class) == 0).map(ToString::to_string).collect(),
        };
        JobStatus {
            schema: 1,
            job: self.id.clone(),
            opening: self.opening.clone(),
            owner: owner.clone(),
            workload: self.spec.workload(),
            state: self.state(),
            counts: self.counts.clone(),
            consumers: classes.iter().map(live).max().unwrap_or(0),
            unserved,
            waits: self.waits(),
            seconds: self.cancelled_at.or(self.finished_at).unwrap_or(now).saturating_sub(self.opened_at).as_secs_f64(),
            plan: (self.plan_end.is_some() && !self.is_derived()).then(|| self.plan.clone()),
            report_sha256: self.report_sha256.clone(),
            sum: None,
        }
    }
}

impl Flight {
    pub fn sent(now: Moment) -> Self {
        Self {
            attempt: 1,
            failures: 0,
            failed: None,
            expired: 0,
            untried: false,
            avoid: Vec::new(),
            given_back: 0,
            seen_at: now,
            queued_at: now,
            retry_at: None,
            lease: None,
            class: None,
        }
    }

    /// Whether, for `silence`, no consumer named the task and its queue was not seen to hold
    /// messages.
    pub fn is_silent(&self, now: Moment, silence: Duration) -> bool {
        self.retry_at.is_none() && now.saturating_sub(self.seen_at.max(self.queued_at)) >= silence
    }
}
