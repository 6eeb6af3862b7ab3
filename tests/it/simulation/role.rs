//! What a role of the simulation hears and does: the seam between engines and the world.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use shared::protocol::id::{Class, JobId, OpeningId};
use shared::protocol::job::JobStatus;
use shared::protocol::message::Message;
use shared::protocol::topology::{Binding, Queue, Topology};
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

use super::broker::DeliveryTag;
use super::jobs::Jobs;
use super::mutants::Mutant;
use super::oracle::Oracle;

/// A subscription of a role.
pub(super) type Lane = usize;

/// Something reaches a role.
#[derive(Debug)]
pub(super) enum Input {
    /// A delivery of a subscription.
    Delivery { lane: Lane, tag: DeliveryTag, key: Rc<str>, message: Rc<Message>, returns: u32 },
    /// A subscription was lost and is there again.
    Interrupted { lane: Lane },
    /// What was published under this token is confirmed.
    Confirmed(u64),
    /// A time that the role has set has come.
    Alarm(Alarm),
    /// How a task queue stands.
    Looked { workload: Workload, class: Class, ready: Option<u32> },
}

/// What a role has set an alarm for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Time passes.
    Tick,
    /// Events have gathered: the owner's next turn.
    Turn,
    /// A report is written.
    Report(JobId),
    /// Work on a delivery goes on.
    Work(DeliveryTag),
    /// The plan has its next task.
    Plan,
    /// Time passes for a command's client.
    Look,
    /// A question has waited for its answer for long enough.
    Patience(String),
    /// Somebody closes a lane of a consumer, for so many milliseconds.
    CloseLane { lane: usize, millis: u64 },
    /// Somebody opens it again.
    OpenLane(usize),
}

/// What a role does. The world does one after the other, and faults happen between any two.
#[derive(Debug)]
pub(super) enum Do {
    /// Makes sure that these exist, now and after each reconnection.
    Declare(Topology),
    /// Consumes.
    Subscribe { lane: Lane, queue: Queue, bindings: Vec<Binding>, prefetch: u16 },
    /// Consumes no more. What is not acked goes back to its queue.
    Unsubscribe { lane: Lane },
    /// Publishes until it is confirmed, and then tells the token.
    Publish { to: (&'static str, String), message: Message, token: u64 },
    /// Publishes what may be refused or lost.
    Hint { to: (&'static str, String), message: Message },
    /// Settles a delivery.
    Ack(DeliveryTag),
    /// Sets an alarm.
    After(Duration, Alarm),
    /// Finds out how a task queue stands.
    Look { workload: Workload, class: Class },
    /// The process has done what it was started for.
    Exit,
    /// The process dies.
    Die,
}

/// What a role may use while it takes a step.
pub(super) struct Stage<'a> {
    /// As this process's clock has it.
    pub now: Moment,
    /// Latencies, and whatever else is no fault.
    pub random: &'a mut SmallRng,
    pub jobs: &'a mut Jobs,
    pub oracle: &'a mut Oracle,
    /// How long the broker waits for an ack, if it may matter here.
    pub ack_timeout: Option<Duration>,
    /// The engines' invariant that this run breaks, if any.
    pub mutant: Option<Mutant>,
    /// The store's next write is torn, at a place that this number chooses.
    pub tear: &'a mut Option<u64>,
    /// No two are equal.
    pub numbers: &'a mut u64,
}

impl Stage<'_> {
    /// A number that nobody else has.
    pub fn number(&mut self) -> u64 {
        *self.numbers += 1;
        *self.numbers
    }

    /// An opening that no other job has: as random as a run may be that its seed repeats.
    pub fn opening(&mut self) -> OpeningId {
        OpeningId::from_name(format!("opening-{}", self.number()).as_bytes())
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.random.random_range(from..=to))
    }

    pub fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// A message as it is taken: as it came, unless whoever takes it trusts everybody.
    pub fn trusted<'a>(&self, message: &'a Message) -> Cow<'a, Message> {
        if message.untrusted.is_some() && self.breaks(Mutant::TrustAll) {
            return Cow::Owned(Message { untrusted: None, ..message.clone() });
        }
        Cow::Borrowed(message)
    }
}

/// A running process: an engine with its driver.
pub(super) trait Role {
    fn start(&mut self, stage: &mut Stage) -> Vec<Do>;

    fn step(&mut self, input: Input, stage: &mut Stage) -> Vec<Do>;

    /// Whether it works on tasks of a job.
    fn works_on(&self, _job: &JobId) -> bool {
        false
    }

    /// How the jobs stand that it owns.
    fn status(&self, _job: &JobId, _now: Moment) -> Option<JobStatus> {
        None
    }
}
