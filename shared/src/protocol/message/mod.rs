//! Every message: an envelope of AMQP properties around a body.
//!
//! The envelope ([`Message`]) is the same on both transports. Metadata is in its properties and
//! headers, so that any AMQP client can read it. The bodies of tasks, answers and parts are bytes with
//! a content type; all others are JSON (docs/PROTOCOL.md lists them all).

mod announcement;
mod cancel;
mod dead;
mod dead_letter;
mod envelope;
mod headers;
mod lease;
mod outcome;
mod part;
mod plan;
mod request;
mod session;
mod task;

pub use announcement::{Announcement, Update, Updates};
pub use cancel::Cancel;
pub use dead::{DeadDetail, DeadState, DeadTask, Returned};
pub use dead_letter::{DeadLetter, Death, FIRST_DEATH_REASON};
pub use envelope::{Message, SEALED};
pub use headers::{Header, HeaderValue, Headers};
pub use lease::{Lease, LeaseBody};
pub use outcome::{Failure, Outcome, Verdict};
pub use part::{Part, Parts};
pub use plan::{Notes, Place, PlanEnd, PlanFailure, Planned};
pub use request::{
    Ended, JobRequest, LaneState, Opened, Presence, Reply, ReportChunk, ReportOf, ReportPlace, Request, RootState,
    Trouble,
};
pub use session::Session;
pub use task::{Address, Task};

/// The `type` property of every message.
pub mod kind {
    /// Owner to consumers: work to do.
    pub const TASK: &str = "task";
    /// Consumer to owner: the answer to a task.
    pub const OUTCOME: &str = "outcome";
    /// Consumer to owner: a part of an answer, before the outcome.
    pub const PART: &str = "part";
    /// Consumer to owner: a task that the consumer holds without its delivery.
    pub const LEASE: &str = "lease";
    /// Producer to owner: one task of the plan.
    pub const PLANNED: &str = "planned";
    /// Producer to owner: the plan is complete.
    pub const PLAN_END: &str = "plan_end";
    /// Anyone to owners, over the control exchange.
    pub const REQUEST: &str = "request";
    /// Owner to the sender of a request.
    pub const REPLY: &str = "reply";
    /// Owner to consumers: jobs that were cancelled.
    pub const CANCEL: &str = "cancel";
    /// Owner to consumers: a job that needs workers of its own kind.
    pub const ANNOUNCEMENT: &str = "announcement";
    /// Consumer to owners: a heartbeat, with the tasks that the consumer holds.
    pub const PRESENCE: &str = "presence";
}
