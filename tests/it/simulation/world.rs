//! The world of one run: processes, their connections, the broker, and time, in one thread.
//!
//! Whatever happens stands in one queue, ordered by its moment; a run is repeated by its seed and its
//! list of faults.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use shared::protocol::topology;
use shared::system::clock::Moment;

use super::broker::{Broker, Delivered, DeliveryTag, Subscriber};
use super::faults::{Planned, Which};
use super::jobs::Jobs;
use super::mutants::Mutant;
use super::oracle::Oracle;
use super::processes::Process;
use super::role::{Alarm, Do, Input, Lane, Stage};
use super::wire::{Connection, Publish};

/// What is going to happen.
#[derive(Debug)]
pub(super) enum What {
    /// A process starts, or starts again.
    Start,
    /// A publish gets to the broker.
    Arrive { epoch: u64, number: u64, publish: Publish },
    /// Its confirm, or its refusal, gets to the publisher.
    Confirm { epoch: u64, number: u64, refused: bool },
    /// A refused publish is tried again.
    Retry { epoch: u64, number: u64 },
    /// A delivery gets to its subscriber.
    Deliver(Delivered),
    /// An ack gets to the broker.
    Ack { epoch: u64, lane: Lane, tag: DeliveryTag, is_multiple: bool },
    /// The end of a subscription gets to the broker.
    Unsubscribe { epoch: u64, lane: Lane },
    /// The broker's patience with a delivery is over.
    Expire { epoch: u64, tag: DeliveryTag },
    /// A process dies.
    Die,
    /// A connection is lost, if it is still this one.
    Lose { epoch: u64, which: Which },
    /// A connection is there again.
    Reconnect { which: Which },
    /// A queue was deleted under its subscriber, who consumes again.
    Resubscribe { epoch: u64, lane: Lane },
    /// A subscriber learns that it was interrupted.
    Interrupted { lane: Lane },
    /// An alarm goes off.
    Alarm(Alarm),
}

/// Longer than any message takes.
pub(super) const LATENCY_MAX: Duration = Duration::from_millis(60);

impl What {
    /// Whether it happens at the broker, however the process fares meanwhile.
    fn is_of_broker(&self) -> bool {
        matches!(self, Self::Arrive { .. } | Self::Ack { .. } | Self::Unsubscribe { .. } | Self::Expire { .. })
    }
}

pub(super) struct World {
    pub now: Moment,
    pub steps: u64,
    /// By moment, then in the order in which it was planned.
    pub queue: BTreeMap<(Moment, u64), (usize, u64, What)>,
    pub random: SmallRng,
    pub numbers: u64,
    pub broker: Broker,
    pub jobs: Jobs,
    pub oracle: Oracle,
    pub processes: Vec<Process>,
    /// Connections that are lost, and whose last publishes arrive all the same.
    pub ghosts: BTreeSet<u64>,
    pub armed: super::fate::Armed,
    pub watch: super::watch::Watch,
    pub mutant: Option<Mutant>,
    /// A line for each step, if somebody wants to read it.
    pub trace: Option<Vec<String>>,
    /// Follows from all that happened, in order.
    pub fingerprint: u64,
}

/// Virtual time for a run to come to its end after the last fault: several times the longest back-off
/// and silence.
const PATIENCE: Duration = Duration::from_secs(40 * 60);

impl World {
    pub fn plan(&mut self, process: usize, after: Duration, what: What) {
        self.plan_at(process, self.now + after, what);
    }

    pub fn plan_at(&mut self, process: usize, at: Moment, what: What) {
        self.numbers += 1;
        let generation = self.processes[process].generation;
        self.queue.insert((at, self.numbers), (process, generation, what));
    }

    /// Runs to the end: whether everything is as it must be shows in the oracle.
    pub fn run(&mut self, faults: &[Planned], steps: u64) {
        for process in 0..self.processes.len() {
            let wait = Duration::from_millis(self.random.random_range(0..50));
            self.plan(process, wait, What::Start);
        }
        let (mut next, mut calm_since) = (0, None);
        while self.oracle.complaint().is_none() {
            while let Some(planned) = faults.get(next).filter(|planned| planned.at <= self.steps) {
                self.note(|| format!("!! {:?}", planned.fault));
                self.strike(planned.fault);
                next += 1;
            }
            let is_calm = next == faults.len() && self.steps >= steps;
            if is_calm && calm_since.is_none() {
                calm_since = Some(self.now);
                self.calm();
            }
            if is_calm && self.steps.is_multiple_of(16) && self.is_over(calm_since.unwrap_or_default()) {
                break;
            }
            if calm_since.is_some_and(|since| self.now > since + PATIENCE) {
                return self.complain_of_no_end();
            }
            let Some((at, (process, generation, what))) = self.queue.pop_first() else {
                return self.oracle.complain("nothing happens any more");
            };
            self.now = at.0;
            self.happen(process, generation, what);
        }
        self.check_end(faults.len());
    }

    fn happen(&mut self, process: usize, generation: u64, what: What) {
        let is_of_broker = what.is_of_broker();
        if !is_of_broker && self.processes[process].generation != generation {
            return;
        }
        let until = self.processes[process].paused_until;
        if !is_of_broker && self.now < until {
            return self.plan_at(process, until, what);
        }
        self.steps += 1;
        let text = || format!("{:?}", (process, &what));
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let kind = std::mem::discriminant(&what);
        let line = format!("{} {process} {kind:?}", self.now.as_micros());
        self.fingerprint = line.bytes().fold(self.fingerprint, hash);
        if self.trace.is_some() {
            let line = text();
            self.note(|| line);
        }
        match what {
            What::Start => self.start(process),
            What::Arrive { epoch, number, publish } => self.arrive(process, epoch, number, &publish),
            What::Confirm { epoch, number, refused } => self.confirm(process, epoch, number, refused),
            What::Retry { epoch, number } => self.send(process, epoch, number),
            What::Deliver(delivered) => self.deliver(process, delivered),
            What::Ack { epoch, lane, tag, is_multiple } => {
                for tag in self.broker.acked(Subscriber { process, epoch, lane }, tag, is_multiple) {
                    if let Some(message) = self.broker.unacked((process, epoch), tag) {
                        self.check_ack(process, tag, &message);
                    }
                    self.broker.ack((process, epoch), tag);
                }
                self.give();
            }
            What::Unsubscribe { epoch, lane } => self.end_subscription(process, epoch, lane),
            What::Expire { epoch, tag } => {
                // It closes the channel, and all that was delivered over it goes back.
                if self.broker.unacked((process, epoch), tag).is_some() {
                    self.disconnect(process, Which::Consuming, false);
                }
            }
            What::Die => self.crash(process, Duration::from_millis(500)),
            What::Lose { epoch, which } => {
                let wire = &self.processes[process].wire;
                if [wire.publishing.epoch, wire.consuming.epoch].contains(&epoch) {
                    self.disconnect(process, which, false);
                }
            }
            What::Reconnect { which } => self.reconnect(process, which),
            What::Resubscribe { epoch, lane } => {
                if self.processes[process].wire.consuming.epoch == epoch {
                    self.subscribe(process, lane);
                    self.tell(process, Input::Interrupted { lane });
                }
            }
            What::Interrupted { lane } => self.tell(process, Input::Interrupted { lane }),
            What::Alarm(alarm) => self.tell(process, Input::Alarm(alarm)),
        }
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>6} {:>12.3} s  {}", self.steps, self.now.as_secs_f64(), line()));
        }
    }

    pub fn latency(&mut self) -> Duration {
        let max = LATENCY_MAX.as_micros() as u64;
        let micros = if self.random.random_bool(0.9) { 200..3_000 } else { 3_000..max };
        Duration::from_micros(self.random.random_range(micros))
    }

    fn start(&mut self, process: usize) {
        if self.processes[process].role.is_some() {
            return;
        }
        let epochs = [self.fresh(), self.fresh()];
        let seed = self.random.random();
        let now = self.now;
        let started = &mut self.processes[process];
        started.start(seed);
        for (connection, epoch) in [&mut started.wire.publishing, &mut started.wire.consuming].into_iter().zip(epochs) {
            *connection = Connection { epoch, is_up: true, last: now };
        }
        self.step(process, None);
    }

    pub fn fresh(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Tells a process something, and does what it wants then.
    pub fn tell(&mut self, process: usize, input: Input) {
        self.step(process, Some(input));
    }

    fn step(&mut self, process: usize, input: Option<Input>) {
        let Some(mut role) = self.processes[process].role.take() else { return };
        let now = self.processes[process].clock(self.now);
        let mut stage = Stage {
            now,
            random: &mut self.random,
            jobs: &mut self.jobs,
            oracle: &mut self.oracle,
            ack_timeout: self.broker.policy.ack_timeout,
            mutant: self.mutant,
            tear: &mut self.processes[process].tear,
            numbers: &mut self.numbers,
        };
        let actions = match input {
            None => role.start(&mut stage),
            Some(input) => role.step(input, &mut stage),
        };
        self.processes[process].role = Some(role);
        self.perform(process, actions);
    }

    /// One after the other; a fault that waits for this process happens between two of them.
    fn perform(&mut self, process: usize, actions: Vec<Do>) {
        let generation = self.processes[process].generation;
        let (crash, loss) = (self.processes[process].crash.take(), self.processes[process].loss.take());
        let count = actions.len();
        for (index, action) in actions.into_iter().enumerate() {
            if let Some((_, millis)) = crash.filter(|(at, _)| *at == index) {
                self.send_acks(process);
                return self.crash(process, Duration::from_millis(millis));
            }
            if let Some((_, which, arrives)) = loss.filter(|(at, ..)| *at == index) {
                self.disconnect(process, which, arrives);
            }
            self.act(process, action);
            if self.processes[process].generation != generation {
                return;
            }
        }
        self.send_acks(process);
        if let Some((_, which, arrives)) = loss.filter(|(at, ..)| *at >= count) {
            self.disconnect(process, which, arrives);
        }
        if let Some((_, millis)) = crash.filter(|(at, _)| *at >= count) {
            self.crash(process, Duration::from_millis(millis));
        }
    }

    fn act(&mut self, process: usize, action: Do) {
        match action {
            Do::Declare(topology) => {
                self.processes[process].wire.remember(&topology);
                if self.processes[process].wire.publishing.is_up {
                    self.declare(process, &topology);
                }
            }
            Do::Subscribe { lane, queue, bindings, prefetch } => {
                let wire = &mut self.processes[process].wire;
                wire.subscriptions.insert(lane, (queue, bindings, prefetch));
                if wire.consuming.is_up {
                    self.subscribe(process, lane);
                }
            }
            Do::Unsubscribe { lane } => self.unsubscribe(process, lane),
            Do::Publish { to: (exchange, key), message, token } => {
                let (message, token) = (Rc::new(message), Some(token));
                self.publish(process, Publish { exchange, key, message, token, failures: 0 });
            }
            Do::Hint { to: (exchange, key), message } => {
                let (message, token) = (Rc::new(message), None);
                self.publish(process, Publish { exchange, key, message, token, failures: 0 });
            }
            Do::Ack(tag) => self.ack(process, tag),
            Do::After(wait, alarm) => self.plan(process, wait, What::Alarm(alarm)),
            Do::Look { workload, class } => {
                let (queue, _) = topology::tasks(workload, &class);
                let ready = self.broker.ready(&queue.name);
                if self.processes[process].wire.publishing.is_up {
                    self.tell(process, Input::Looked { workload, class, ready });
                }
            }
            Do::Exit => self.exit(process),
            Do::Die => self.crash(process, Duration::from_millis(200)),
        }
    }
}

/// A world with its processes.
pub(super) fn seeded(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}
