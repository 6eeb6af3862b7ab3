//! The engine's interface: the events that it takes, and the writes and effects that it returns.

use shared::protocol::id::{Class, JobId, OpeningId, TaskId};
use shared::protocol::job::{JobSpec, JobStatus};
use shared::protocol::message::{
    Announcement, DeadLetter, Ended, JobRequest, Lease, Outcome, Part, Place, PlanEnd, Planned, Presence, Reply,
    Updates, Verdict,
};
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;

use super::announce::Update;
use super::found::{Cause, Check, Counted, Dead, Dependant, Known, Namesake, Standing, TakenOver};
use super::write::Write;

/// The number of a delivery that is settled after the commit.
pub type Tag = u64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyTo {
    /// To a caller in this process, by number.
    Local(u64),
    /// Over the control exchange.
    Remote { key: String, correlation: String },
}

impl ReplyTo {
    /// The routing key of a remote caller: the same for a request and its repetitions.
    pub fn remote_key(&self) -> Option<&str> {
        match self {
            Self::Local(_) => None,
            Self::Remote { key, .. } => Some(key),
        }
    }
}

/// An input of the engine, with what the store knows about it; see [`crate::ledger::Arrived`].
#[derive(Debug)]
pub enum Event {
    /// A producer opens a job.
    Open {
        request: Box<JobRequest>,
        /// The id for the opening if the job is a new one. It must be unique.
        opening: OpeningId,
        /// The latest earlier job that asked for the same and has ended.
        ended_before: Option<Ended>,
        /// Another job that its report could be mistaken for.
        namesake: Option<Namesake>,
        /// The sum of the job's label, if it has one.
        sum: i64,
        /// Receives [`shared::protocol::message::Opened`].
        reply: ReplyTo,
    },
    /// A request for a job's status.
    Status {
        job: JobId,
        reply: ReplyTo,
    },
    /// A request for the status of all jobs.
    Jobs {
        /// The latest jobs as the store has them, oldest first.
        latest: Vec<JobStatus>,
        reply: ReplyTo,
    },
    /// A request to end a job as it stands.
    Cancel {
        job: JobId,
        /// The opening to cancel; `None` for the current one.
        opening: Option<OpeningId>,
        /// Receives the job's status after that.
        reply: ReplyTo,
    },
    /// A job that has ended is to be forgotten, with its results.
    ForgetJob {
        job: JobId,
        /// The opening to forget; `None` for the current one.
        opening: Option<OpeningId>,
        /// Receives the job's last status; `None` if the time to keep it is over.
        reply: Option<ReplyTo>,
    },
    /// Somebody in this process follows an opening of a job.
    Follow {
        job: JobId,
        opening: OpeningId,
        /// Whether it hears of each task that is counted from now on: [`Effect::Counted`].
        streams: bool,
    },
    /// Somebody who follows an opening has taken the results of these tasks, and does not ask for
    /// them again.
    Taken {
        job: JobId,
        opening: OpeningId,
        numbers: Vec<u64>,
    },
    /// The workers of a job get an update.
    Update {
        job: JobId,
        opening: OpeningId,
        update: Update,
    },
    /// A consumer fetches updates of a job's workers.
    Updates {
        job: JobId,
        opening: OpeningId,
        /// As the store has them; `None` if it has no such opening.
        updates: Option<Updates>,
        /// Receives [`Reply::Updates`].
        reply: ReplyTo,
    },
    /// A message about a job that was forgotten.
    Late {
        tag: Option<Tag>,
    },
    /// A request to explain the state of a job or a task.
    Explain {
        job: JobId,
        /// The task to explain; `None` for the job.
        number: Option<u64>,
        /// The task's outcome, if it has one.
        counted: Option<Counted>,
        /// The number of tasks that it waits for, if it needs some.
        waits: Option<u64>,
        /// Receives [`Reply::Explained`].
        reply: ReplyTo,
    },
    /// A request to replay dead tasks.
    Replay {
        dead: Vec<Dead>,
        /// Receives [`Reply::Replayed`].
        reply: ReplyTo,
    },
    /// A request to drop dead tasks from the list.
    Forget {
        dead: Vec<Dead>,
        /// Receives [`Reply::Forgotten`].
        reply: ReplyTo,
    },
    Planned {
        job: JobId,
        place: Place,
        planned: Box<Planned>,
        /// What the task takes over from an earlier opening.
        kept: Option<Box<TakenOver>>,
        /// The delivery that brought it; `None` if it came from this process.
        tag: Option<Tag>,
    },
    PlanEnd {
        plan_end: PlanEnd,
        place: Place,
        tag: Option<Tag>,
    },
    /// A part of an answer. Its outcome is still to come.
    Part {
        part: Box<Part>,
        /// Its task as planned; `None` if no job of this owner has such a task.
        known: Option<Known>,
        tag: Option<Tag>,
    },
    Outcome {
        outcome: Box<Outcome>,
        /// What the outcome is to its task.
        check: Check,
        /// Its task as planned; `None` if no job of this owner has such a task.
        known: Option<Known>,
        tag: Option<Tag>,
    },
    /// A consumer takes a lease on a task, or gives the task back.
    Lease {
        lease: Box<Lease>,
        /// Its task as planned; `None` if no job of this owner has such a task.
        known: Option<Known>,
        tag: Option<Tag>,
    },
    /// A task message of this owner was dead-lettered.
    DeadLetter {
        dead_letter: DeadLetter,
        /// Its task as planned; `None` if no job of this owner has such a task.
        known: Option<Known>,
        tag: Option<Tag>,
    },
    /// A task that needs others was planned or replayed.
    Standing {
        job: JobId,
        standing: Standing,
    },
    /// These tasks wait for no other any more.
    Released {
        job: JobId,
        /// Class and number of each.
        tasks: Vec<(Class, u64)>,
    },
    /// A task has failed that these need.
    NeedFailed {
        job: JobId,
        opening: OpeningId,
        cause: Cause,
        dependants: Vec<Dependant>,
    },
    /// A task that is to be sent cannot be: every attempt would fail in the same way.
    Unsendable {
        task: TaskId,
        opening: OpeningId,
        /// Its task as planned.
        known: Option<Known>,
        reason: String,
    },
    Presence {
        presence: Box<Presence>,
        /// Of the openings whose tasks the consumer holds, those of jobs that were cancelled and are
        /// not in memory.
        cancelled: Vec<(OpeningId, JobSpec)>,
    },
    /// The state of a task queue, after [`Effect::Probe`].
    QueueState {
        workload: Workload,
        class: Class,
        /// Number of messages waiting; `None` if there is no such queue.
        ready: Option<u32>,
    },
    /// The owner's own queue was lost, with the messages in it.
    Interrupted,
    /// A job's report was written.
    Reported {
        job: JobId,
        opening: OpeningId,
        /// SHA-256 of the report's bytes, lower-case hexadecimal.
        sha256: String,
    },
    /// A job's report could not be written. The writer tries again.
    Unreported {
        job: JobId,
        opening: OpeningId,
        reason: String,
    },
    /// The broker does not accept the message of a task, or has accepted it now.
    Unsent {
        task: TaskId,
        opening: OpeningId,
        /// The class whose queue refuses it; `None` once the broker has accepted it.
        class: Option<Class>,
    },
    Tick,
    /// The last event: the driver stops after it.
    Stop,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Tasks below this number have their outcomes.
    pub answered: u64,
    /// Its report can be completed: every task has its outcome, or the job was cancelled.
    pub is_over: bool,
    /// Its receipt is committed.
    pub is_finished: bool,
}

/// An action outside the engine, to be done after the commit.
#[derive(Debug)]
pub enum Effect {
    Ack(Tag),
    /// Publish the delivery to the dead-letter exchange with a reason, then settle it.
    DeadLetter {
        tag: Tag,
        reason: String,
    },
    Send {
        task: TaskId,
        attempt: u32,
    },
    Reply {
        to: ReplyTo,
        reply: Box<Reply>,
    },
    /// Declare a task queue again, before the broker deletes it because nobody uses it.
    Declare {
        workload: Workload,
        class: Class,
    },
    /// Ask the broker for the state of a task queue.
    Probe {
        workload: Workload,
        class: Class,
    },
    /// How far a job is that somebody begins to follow.
    Followed {
        opening: OpeningId,
        reached: Reached,
    },
    /// The tasks below `answered` have their outcomes.
    Advanced {
        opening: OpeningId,
        answered: u64,
    },
    /// A task of a job that somebody streams has its one outcome.
    Counted {
        opening: OpeningId,
        number: u64,
        verdict: Verdict,
        host: String,
        /// Time that the work took, microseconds.
        micros: u64,
    },
    /// A part of a task of a job that somebody streams is answered. Its one outcome, which is to come,
    /// has this part as well.
    Early {
        opening: OpeningId,
        number: u64,
        answer: Payload,
        /// Time that the work on this part took, microseconds.
        micros: u64,
    },
    /// Who serves the classes of a job that somebody streams.
    Served {
        opening: OpeningId,
        consumers: u32,
        slots: u64,
    },
    /// Tell consumers of a job.
    Announce(Box<Announcement>),
    /// Tell consumers that tasks of these openings are no longer wanted.
    Recall {
        openings: Vec<OpeningId>,
    },
    /// Write the report: every task has its outcome, or the job was cancelled.
    Report {
        job: JobId,
        opening: OpeningId,
    },
    /// The job is over, and its receipt is committed.
    Finished {
        job: JobId,
        opening: OpeningId,
    },
}

/// The engine's answer to one event.
#[derive(Debug, Default)]
pub struct Step {
    /// Commit these first.
    pub writes: Vec<Write>,
    /// Do these after the commit, in this order.
    pub effects: Vec<Effect>,
}

impl Step {
    pub(super) fn ack(&mut self, tag: Option<Tag>) {
        self.effects.extend(tag.map(Effect::Ack));
    }

    pub(super) fn dead_letter(&mut self, tag: Option<Tag>, reason: impl Into<String>) {
        let reason = reason.into();
        self.effects.extend(tag.map(|tag| Effect::DeadLetter { tag, reason }));
    }

    pub(super) fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.effects.push(Effect::Reply { to, reply: Box::new(reply) });
    }
}
