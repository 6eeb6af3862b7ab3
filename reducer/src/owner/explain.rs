//! Explains the state of a job or a task in one sentence for people.

use shared::protocol::id::{Class, JobId, TaskId};
use shared::protocol::job::JobState;
use shared::system::clock::Moment;

use super::found::Counted;
use super::{Flight, Job, Owner};

/// Whether later tasks of its plan have come, and wait for the next one.
fn has_early(job: &Job) -> bool {
    job.plan.early().is_some_and(|early| early.has_tasks())
}

impl Owner {
    /// `None` if there is no such job.
    pub(super) fn explain(
        &self,
        job: &JobId,
        number: Option<u64>,
        counted: Option<Counted>,
        waits: Option<u64>,
        now: Moment,
    ) -> Option<String> {
        let job = self.jobs.get(job)?;
        Some(match number {
            Some(number) => {
                format!("task {}.{number} {}.", job.id(), self.explain_task(job, number, counted, waits, now))
            }
            None => format!("job {} {}.", job.id(), self.explain_job(job)),
        })
    }

    fn explain_job(&self, job: &Job) -> String {
        let counts = job.account.counts();
        let failed = match (counts.tasks_failed, counts.items_failed) {
            (0, 0) => String::new(),
            (0, items) => {
                format!(", and {items} items failed: its command names them, or packhorse reducer --job {}", job.id())
            }
            (tasks, items) => format!(
                ", and {items} items failed, {tasks} tasks as a whole (packhorse dead list {} says why)",
                job.id()
            ),
        };
        match job.state() {
            JobState::Cancelled => {
                let report = job.waits().map(|waits| format!(", and {waits}")).unwrap_or_default();
                format!("was cancelled when {} of {} tasks were done{report}", counts.tasks_done, counts.tasks_planned)
            }
            JobState::Finished => format!("has finished: {} of its tasks are done{failed}", counts.tasks_done),
            JobState::Running if job.is_complete() => {
                let waits = job.waits().unwrap_or_else(|| "its report is being written".to_owned());
                format!("has all its outcomes, and {waits}")
            }
            JobState::Running => self.explain_open(job),
            JobState::Planning if counts.tasks_open > 0 && !self.unserved(job).is_empty() => self.explain_open(job),
            JobState::Planning if has_early(job) => format!(
                "is being planned: later tasks of its plan have come, and wait for task {}, which has not come from \
                 its producer",
                job.plan.prefix()
            ),
            JobState::Planning => format!(
                "is being planned: {} tasks have come, {} of them are open, and its producer has not said that these \
                 are all; if the producer is gone, its command with --job {id} continues, and packhorse cancel {id} \
                 ends the job",
                counts.tasks_planned,
                counts.tasks_open,
                id = job.id()
            ),
        }
    }

    /// For a job with tasks that have no outcome.
    fn explain_open(&self, job: &Job) -> String {
        let counts = job.account.counts();
        let (open, planned) = (counts.tasks_open, counts.tasks_planned);
        let unserved = self.unserved(job);
        let waiting = |flight: &&Flight| flight.retry_at().is_some();
        let expired = job.flights().values().filter(waiting).filter(|flight| flight.expired() > 0).count();
        let failing = job.flights().values().filter(waiting).count() - expired;
        let policy = match counts.expired {
            0 => String::new(),
            messages => format!(
                "; a policy of the broker has taken {messages} messages of the job out of their queues (rabbitmqctl \
                 list_policies), and they are sent again"
            ),
        };
        let refused = job.refused().map(|text| format!("; {text}")).unwrap_or_default();
        if !unserved.is_empty() {
            return format!(
                "waits: no live consumer serves {} of {}, and {open} of {planned} tasks are open{policy}{refused}",
                unserved.join(", "),
                job.workload()
            );
        }
        let leased = job.flights().values().filter(|flight| flight.holder().is_some()).count();
        let mut parts = vec![format!("{} are out", job.flights().len() - failing - expired)];
        if leased > 0 {
            parts.push(format!("{leased} of these leased to consumers"));
        }
        if failing > 0 {
            parts.push(format!("{failing} wait for another attempt after a failure"));
        }
        if expired > 0 {
            parts.push(format!("{expired} wait to be sent again"));
        }
        format!("is running: {open} of {planned} tasks are open, {}{policy}{refused}", parts.join(", "))
    }

    fn unserved(&self, job: &Job) -> Vec<String> {
        let classes = job.spec().classes();
        let is_served = |class: &Class| self.consumers.serving(&(job.workload(), class.clone())).consumers > 0;
        classes.iter().filter(|class| !is_served(class)).map(ToString::to_string).collect()
    }

    fn explain_task(
        &self,
        job: &Job,
        number: u64,
        counted: Option<Counted>,
        waits: Option<u64>,
        now: Moment,
    ) -> String {
        if let Some(Counted { failed, attempts, host, is_dead }) = counted {
            let Some(reason) = failed else { return format!("is done: attempt {attempts}, on {host}") };
            let id = TaskId { job: job.id().clone(), number };
            let more = match (is_dead, job.ending.is_cancelled()) {
                (false, _) => "it was dropped from the dead tasks, and stays failed".to_owned(),
                (true, true) => format!("packhorse dead show {id} has more; its job is cancelled"),
                (true, false) => {
                    format!("packhorse dead show {id} has more, packhorse dead replay {id} tries it again")
                }
            };
            return format!("failed for the last time: attempt {attempts}, on {host}: {reason} ({more})");
        }
        if !job.plan.contains(number) {
            return match job.plan.end() {
                Some(tasks) if number >= tasks => format!("does not exist: the job has {tasks} tasks"),
                _ if number == job.plan.prefix() && has_early(job) => {
                    "is missing: its producer has not sent it, and has sent later ones".to_owned()
                }
                _ => "is not planned yet, as far as its producer has said".to_owned(),
            };
        }
        if job.answered().contains(number) {
            return "had nothing to do: it only lists what planning skipped or could not read".to_owned();
        }
        if job.ending.is_cancelled() {
            return "was cancelled with its job".to_owned();
        }
        if let Some(flight) = job.flight(number) {
            return self.explain_flight(job, number, flight, now);
        }
        if let Some(waits @ 1..) = waits {
            return format!("waits for {waits} tasks that it needs");
        }
        match job.ready.class_of(number) {
            Some(class) => format!(
                "waits for its turn: {} tasks of the job are out, of {} at a time",
                job.flights().len(),
                self.window(&(job.workload(), class.clone()))
            ),
            None => "has no outcome yet; its producer sends it by itself".to_owned(),
        }
    }

    /// The consumers that the task avoids, as far as this process knows them.
    fn tried_by(&self, flight: &Flight) -> String {
        let tried: Vec<String> = flight.avoids().iter().map(|consumer| self.consumers.name(consumer)).collect();
        if tried.is_empty() { String::new() } else { format!(" (by {})", tried.join(", ")) }
    }

    /// `wait` is the time until the resend, in seconds; `before` describes earlier failures.
    fn explain_retry(&self, flight: &Flight, wait: f64, before: &str) -> String {
        if flight.expired() > 0 {
            return format!(
                "was taken out of its queue by a policy of the broker (rabbitmqctl list_policies), {} times in a \
                 row, and is sent again in {wait:.1} s{before}",
                flight.expired()
            );
        }
        if flight.given_back() > 0 {
            return format!(
                "could not be done where it was tried{}, and is offered to another consumer in {wait:.1} s: it was \
                 given back {} times, as the others are busy{before}",
                self.tried_by(flight),
                flight.given_back()
            );
        }
        let reason = flight.failed().unwrap_or("no reason given");
        format!(
            "failed {} times of {} and is sent again in {wait:.1} s; the last time: {reason}",
            flight.failures(),
            self.config.attempts_max
        )
    }

    fn explain_flight(&self, job: &Job, number: u64, flight: &Flight, now: Moment) -> String {
        let ago = |moment: Moment| format!("{:.0} s ago", now.saturating_sub(moment).as_secs_f64());
        let mut before = match flight.failed() {
            Some(reason) => format!("; it failed {} times before, the last time: {reason}", flight.failures()),
            None => String::new(),
        };
        if let Some(due) = flight.retry_at() {
            return self.explain_retry(flight, due.saturating_sub(now).as_secs_f64(), &before);
        }
        if flight.given_back() > 0 {
            before.push_str(&format!(
                "; it waits for another consumer than those that tried it{}",
                self.tried_by(flight)
            ));
        }
        if flight.expired() > 0 {
            before.push_str(&format!(
                "; a policy of the broker took it out of its queue {} times before (rabbitmqctl list_policies)",
                flight.expired()
            ));
        }
        if let Some(holder) = flight.holder() {
            return format!(
                "is leased to consumer {} on {}, last heard of {}{before}",
                holder.consumer,
                holder.host,
                ago(flight.seen_at())
            );
        }
        if let Some((presence, heard)) = self.consumers.holder(&job.held(number)) {
            return format!(
                "is held by consumer {} on {}, last heard of {}: attempt {}{before}",
                presence.consumer,
                presence.host,
                ago(heard),
                flight.attempt()
            );
        }
        let (class, attempt) = (flight.class(), flight.attempt());
        match self.consumers.serving(&(job.workload(), class.clone())).consumers {
            0 => format!("waits: no live consumer serves {class} of {}{before}", job.workload()),
            _ if flight.is_silent(now, self.config.heartbeat * 2) => format!(
                "was last sent, or named by a consumer, {}: attempt {attempt} is sent again if its queue \
                 is empty{before}",
                ago(flight.seen_at())
            ),
            consumers => format!(
                "waits in the queue of {class}, or one of its {consumers} consumers has just taken it: attempt \
                 {attempt}, sent or named {}{before}",
                ago(flight.seen_at())
            ),
        }
    }
}
