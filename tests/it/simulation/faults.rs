//! Faults, as a list that a seed makes before its run: so a run can be repeated with some of them
//! left out.

use std::fmt;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Something goes wrong. Numbers are taken modulo what there is to choose from then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A process dies within its next step, after so many actions of it; another takes its place.
    Crash { process: usize, actions: usize, millis: u64 },
    /// A process loses its connection within its next step, after so many actions of it. `arrives`:
    /// what was on its way gets to the broker all the same, and its confirm is lost.
    Disconnect { process: usize, which: Which, actions: usize, arrives: bool },
    /// The next confirm is lost.
    LoseConfirm,
    /// The next confirm comes twice.
    RepeatConfirm,
    /// The next deliveries are made of messages that are in their queues twice.
    Duplicate { deliveries: u32 },
    /// The next deliveries overtake those before them.
    Reorder { deliveries: u32 },
    /// The next delivery takes its time.
    Delay { millis: u64 },
    /// The next ack is lost, and its connection somewhat later.
    DropAck { millis: u64 },
    /// A queue refuses so many publishes.
    Refuse { queue: usize, publishes: u32 },
    /// The broker loses everything.
    Wipe,
    /// A queue is deleted.
    Delete { queue: usize },
    /// What waits in a queue expires.
    Expire { queue: usize },
    /// An owner dies in its next commit, and the log ends at some byte of it.
    Tear { process: usize, place: u64 },
    /// An owner dies, and its store is lost.
    LoseStore,
    /// Somebody copies the store of an owner.
    CopyStore,
    /// An owner dies, and that copy takes the place of its store.
    OldStore,
    /// A process is stopped, and goes on later.
    Pause { process: usize, millis: u64 },
    /// The clock of a process stands still.
    StopClock { process: usize, millis: u64 },
    /// The tree of a job changes: a file comes or goes.
    Touch { job: usize, file: u32 },
    /// A file of a job is written anew.
    Edit { job: usize, file: u32 },
    /// The same, while its producer is killed and started again.
    Rewalk { job: usize, file: u32 },
    /// A consumer dies some time after its next lease is confirmed.
    KillHolder { millis: u64 },
    /// The next lease is lost with the queue of its owner.
    LoseLease,
    /// Somebody who has no key puts a changed copy of a task or an outcome into its queue.
    Forge { message: usize },
    /// Somebody puts a copy of a task into the queue of other tasks.
    Stray { message: usize },
    /// Somebody closes a lane of a consumer, and opens it again.
    CloseLane { process: usize, lane: usize, millis: u64 },
    /// What is delivered to an owner's own queue takes its time from now on.
    Lag { process: usize, millis: u64 },
}

impl Fault {
    /// Whether nothing goes wrong but that a tree changes, and is walked again.
    pub fn is_of_a_tree(self) -> bool {
        matches!(self, Self::Touch { .. } | Self::Edit { .. } | Self::Rewalk { .. })
    }
}

/// Connections of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Publishing,
    Consuming,
    Both,
}

/// A fault and the step before which it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub at: u64,
    pub fault: Fault,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {:?}", self.at, self.fault)
    }
}

/// Some faults of some kinds: few kinds at a time reach further than all of them at once.
/// `changing`: trees change and stores are lost. `long`: some tasks are leased.
pub(super) fn plan(random: &mut SmallRng, steps: u64, changing: bool, long: bool) -> Vec<Planned> {
    let kinds: Vec<u32> = (0..if changing { 18 } else { 14 }).collect();
    let few = random.random_range(1..=6);
    let chosen: Vec<u32> = kinds.sample(random, few).copied().collect();
    let count = random.random_range(0..=24);
    let mut planned: Vec<Planned> = (0..count)
        .map(|_| {
            let at = random.random_range(0..steps);
            let kind = chosen.choose(random).copied().unwrap_or(0);
            Planned { at, fault: fault(random, kind) }
        })
        .collect();
    if changing {
        changes(random, &mut planned);
    }
    if long {
        for _ in 0..random.random_range(0..=2) {
            let (at, millis) = (random.random_range(0..steps), random.random_range(0..60_000));
            planned.push(Planned { at, fault: Fault::KillHolder { millis } });
        }
        if random.random_bool(0.2) {
            planned.push(Planned { at: random.random_range(0..steps), fault: Fault::LoseLease });
        }
    }
    if random.random_bool(0.1) {
        for _ in 0..random.random_range(1..=3) {
            let at = random.random_range(0..steps);
            planned.push(Planned { at, fault: Fault::Forge { message: random.random_range(0..64) } });
        }
    }
    if random.random_bool(0.1) {
        for _ in 0..random.random_range(1..=3) {
            let at = random.random_range(0..steps);
            planned.push(Planned { at, fault: Fault::Stray { message: random.random_range(0..64) } });
        }
    }
    if random.random_bool(0.3) {
        for _ in 0..random.random_range(1..=6) {
            let (at, millis) = (random.random_range(0..steps), random.random_range(0..10_000));
            let (process, lane) = (random.random_range(0..64), random.random_range(0..64));
            planned.push(Planned { at, fault: Fault::CloseLane { process, lane, millis } });
        }
    }
    if !changing && random.random_bool(0.3) {
        // A consumer that dies after some parts of an answer leaves a run that is not whole.
        for _ in 0..random.random_range(1..=4) {
            let (at, process, actions) =
                (random.random_range(0..steps), random.random_range(0..64), random.random_range(1..6));
            planned.push(Planned { at, fault: Fault::Crash { process, actions, millis: 500 } });
        }
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

/// Trees that change while they are walked, and stores of another time.
fn changes(random: &mut SmallRng, planned: &mut Vec<Planned>) {
    // Just while it is walked, and somebody has to begin again.
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(20..200);
        let (job, file, millis) = (at as usize, random.random_range(0..96), random.random_range(200..5_000));
        planned.push(Planned { at, fault: Fault::Lag { process: job, millis } });
        planned.push(Planned { at, fault: Fault::Edit { job, file } });
        let at = at + random.random_range(0..60);
        planned.push(Planned { at, fault: Fault::Rewalk { job, file } });
    }
    if random.random_bool(0.8) {
        let at = random.random_range(20..150);
        planned.push(Planned { at, fault: Fault::CopyStore });
        let later = at + random.random_range(5..100);
        // What a consumer holds then is answered when another plan has taken its place.
        planned
            .push(Planned { at: later, fault: Fault::Pause { process: 1, millis: random.random_range(500..5_000) } });
        planned.push(Planned { at: later, fault: Fault::OldStore });
        // Several files, so that one of them is in a task that the copy does not have.
        for _ in 0..random.random_range(0..=6) {
            let (job, file) = (at as usize, random.random_range(0..96));
            planned.push(Planned { at: later, fault: Fault::Edit { job, file } });
        }
        let (job, file) = (at as usize, random.random_range(0..96));
        planned.push(Planned { at: later, fault: Fault::Rewalk { job, file } });
    }
}

fn fault(random: &mut SmallRng, kind: u32) -> Fault {
    let process = random.random_range(0..64);
    let actions = random.random_range(0..6);
    let millis = [50, 500, 5_000, 30_000].choose(random).copied().unwrap_or(50) * random.random_range(1..=2);
    let few = random.random_range(1..=4);
    match kind {
        0 | 1 => Fault::Crash { process, actions, millis },
        2 | 3 => {
            let which = [Which::Publishing, Which::Consuming, Which::Both].choose(random).copied();
            let which = which.unwrap_or(Which::Both);
            Fault::Disconnect { process, which, actions, arrives: random.random_bool(0.5) }
        }
        4 => Fault::LoseConfirm,
        5 if random.random_bool(0.5) => Fault::RepeatConfirm,
        5 => Fault::Duplicate { deliveries: few },
        6 => Fault::Reorder { deliveries: few },
        7 => Fault::Delay { millis },
        8 => Fault::DropAck { millis },
        9 if random.random_bool(0.5) => Fault::Expire { queue: process },
        9 => Fault::Refuse { queue: process, publishes: few },
        10 => Fault::Wipe,
        11 => Fault::Delete { queue: process },
        12 => Fault::Tear { process, place: random.random_range(0..u64::MAX) },
        13 if random.random_bool(0.5) => Fault::Pause { process, millis },
        13 => Fault::StopClock { process, millis },
        14 => Fault::Touch { job: process, file: random.random_range(0..96) },
        15 => Fault::Edit { job: process, file: random.random_range(0..96) },
        16 => Fault::LoseStore,
        _ => Fault::OldStore,
    }
}
