//! What an owner is told, and what it answers: the engine's whole vocabulary.

use shared::protocol::id::{Class, JobId, OpeningId, TaskId};
use shared::protocol::message::{
    DeadLetter, JobRequest, Lease, Outcome, Part, Place, PlanEnd, Planned, Presence, Reply,
};
use shared::protocol::workload::Workload;

use super::found::{Check, Counted, Dead, Known, TakenOver};
use super::write::Write;

/// A delivery that is settled after the commit.
pub type Tag = u64;

/// Where a reply goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyTo {
    /// To a caller in this process.
    Local(u64),
    /// Over the control exchange.
    Remote {
        /// The routing key.
        key: String,
        /// The request's id.
        correlation: String,
    },
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// Someone wants a job.
    Open {
        /// The job.
        request: Box<JobRequest>,
        /// The opening that it gets if it is a new one: of nobody else.
        opening: OpeningId,
        /// Who waits for [`shared::protocol::message::Opened`].
        reply: ReplyTo,
    },
    /// Someone asks how a job stands.
    Status {
        /// The job.
        job: JobId,
        /// Who asks.
        reply: ReplyTo,
    },
    /// Someone asks how all jobs stand.
    Jobs {
        /// Who asks.
        reply: ReplyTo,
    },
    /// Someone wants a job to end as it stands.
    Cancel {
        /// The job.
        job: JobId,
        /// Which opening of it; whichever it has, if `None`.
        opening: Option<OpeningId>,
        /// Who waits for how it stands then.
        reply: ReplyTo,
    },
    /// Someone asks why a job or a task is as it is.
    Explain {
        /// The job.
        job: JobId,
        /// One of its tasks, if it is about that.
        number: Option<u64>,
        /// What the ledger found of that task.
        counted: Option<Counted>,
        /// Who waits for [`Reply::Explained`].
        reply: ReplyTo,
    },
    /// Someone wants dead tasks back at work.
    Replay {
        /// Which.
        filter: Option<String>,
        /// Of which openings; of whichever, if `None`.
        openings: Option<Vec<OpeningId>>,
        /// What the ledger found.
        dead: Vec<Dead>,
        /// Who waits for [`Reply::Replayed`].
        reply: ReplyTo,
    },
    /// Someone has seen enough of dead tasks.
    Forget {
        /// Which.
        filter: Option<String>,
        /// Of which openings; of whichever, if `None`.
        openings: Option<Vec<OpeningId>>,
        /// What the ledger found.
        dead: Vec<Dead>,
        /// Who waits for [`Reply::Forgotten`].
        reply: ReplyTo,
    },
    /// A task of a plan.
    Planned {
        /// The job.
        job: JobId,
        /// Where in the plan.
        place: Place,
        /// The task.
        planned: Box<Planned>,
        /// What the ledger found that it takes over.
        kept: Option<Box<TakenOver>>,
        /// The delivery that brought it, if it came over a transport.
        tag: Option<Tag>,
    },
    /// The end of a plan.
    PlanEnd {
        /// The plan end.
        plan_end: PlanEnd,
        /// Where the plan ends.
        place: Place,
        /// The delivery that brought it.
        tag: Option<Tag>,
    },
    /// A part of an answer that is still to come.
    Part {
        /// The part.
        part: Box<Part>,
        /// Its task, as planned.
        known: Option<Known>,
        /// The delivery that brought it.
        tag: Option<Tag>,
    },
    /// An answer.
    Outcome {
        /// The outcome.
        outcome: Box<Outcome>,
        /// What the ledger says of it.
        check: Check,
        /// Its task, as planned.
        known: Option<Known>,
        /// The delivery that brought it.
        tag: Option<Tag>,
    },
    /// A consumer takes a task over from the broker, or gives it back.
    Lease {
        /// The lease.
        lease: Box<Lease>,
        /// Its task, as planned.
        known: Option<Known>,
        /// The delivery that brought it.
        tag: Option<Tag>,
    },
    /// One of this owner's tasks came back dead.
    DeadLetter {
        /// What is known of it.
        dead_letter: DeadLetter,
        /// Its task, as planned.
        known: Option<Known>,
        /// The delivery that brought it.
        tag: Option<Tag>,
    },
    /// A consumer's heartbeat.
    Presence(Box<Presence>),
    /// How a task queue stands, after [`Effect::Probe`].
    QueueState {
        /// Its workload.
        workload: Workload,
        /// Its class.
        class: Class,
        /// Messages that wait in it; `None` when there is no such queue.
        ready: Option<u32>,
    },
    /// The owner's own queue was lost with what it held.
    Interrupted,
    /// A job's report is written.
    Reported {
        /// The job.
        job: JobId,
        /// Which opening of it.
        opening: OpeningId,
        /// SHA-256 of its bytes, lower-case hexadecimal.
        sha256: String,
    },
    /// A job's report could not be written; whoever writes it tries again.
    Unreported {
        /// The job.
        job: JobId,
        /// Which opening of it.
        opening: OpeningId,
        /// Why, for people.
        reason: String,
    },
    /// A task that was sent waits for the broker to take it, or does so no more.
    Unsent {
        /// Which.
        task: TaskId,
        /// Which opening of its job.
        opening: OpeningId,
        /// Whose queue does not take it; `None` if it has.
        class: Option<Class>,
    },
    /// Time passes.
    Tick,
    /// The last event: the driver takes no more.
    Stop,
}

/// What is to be done after the commit.
#[derive(Debug)]
pub enum Effect {
    /// Settle a delivery.
    Ack(Tag),
    /// Publish the delivery to the dead-letter exchange with a reason, then settle it.
    DeadLetter {
        /// The delivery.
        tag: Tag,
        /// Why.
        reason: String,
    },
    /// Publish a task.
    Send {
        /// Which.
        task: TaskId,
        /// Which try.
        attempt: u32,
    },
    /// Answer someone.
    Reply {
        /// Whom.
        to: ReplyTo,
        /// What.
        reply: Box<Reply>,
    },
    /// Find out how a task queue stands.
    Probe {
        /// Its workload.
        workload: Workload,
        /// Its class.
        class: Class,
    },
    /// The tasks below `answered` have their outcomes.
    Advanced {
        /// The opening.
        opening: OpeningId,
        /// How far.
        answered: u64,
    },
    /// Tell consumers that tasks of these openings are not wanted any more.
    Recall {
        /// The openings.
        openings: Vec<OpeningId>,
    },
    /// Every task has its outcome, or none will come any more: write the report.
    Report {
        /// The job.
        job: JobId,
        /// Which opening of it.
        opening: OpeningId,
    },
    /// The job is over and its receipt committed.
    Finished {
        /// The job.
        job: JobId,
        /// Which opening of it.
        opening: OpeningId,
    },
}

/// What an engine answers to one event.
#[derive(Debug, Default)]
pub struct Step {
    /// To be committed.
    pub writes: Vec<Write>,
    /// To be done after that, in this order.
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
