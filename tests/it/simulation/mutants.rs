//! Invariants broken on purpose, one at a time: the simulation has to notice each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use reducer::mutant::Mutant as Engine;

use super::schedule::Schedule;

/// What a run gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A consumer acks a task when its outcome is published, not when it is confirmed.
    AckBeforeConfirm,
    /// A consumer acks a task when it comes.
    AckOnDelivery,
    /// An owner acks what it has not committed.
    AckBeforeCommit,
    /// An ack of several deliveries is also of one that is still held.
    AckAcross,
    /// What a turn wants to happen happens although its commit fails.
    EffectsBeforeCommit,
    /// A task is never sent again.
    NeverResend,
    /// Nobody looks what became of silent tasks.
    NeverProbe,
    /// A plan is complete when it is published, not when it is confirmed.
    PlanEndBeforeConfirm,
    /// Parts of different runs count together.
    MixRuns,
    /// A refused publish passes for a confirmed one.
    RefusedIsConfirmed,
    /// What was not confirmed when a connection was lost is not published again.
    NeverRepublish,
    /// Queues that are gone are not declared again.
    NeverRedeclare,
    /// A consumer acks a task when its lease is published, not when it is confirmed.
    AckBeforeLease,
    /// A consumer never asks for more time.
    NeverLease,
    /// A consumer asks for more time when the broker has already lost patience.
    LeaseLate,
    /// A consumer does a task that came from the queue of other tasks.
    AnyQueue,
    /// A closed lane goes on starting its tasks.
    StartWhenClosed,
    /// A closed lane's subscription ends while its tasks run without a lease.
    UnsubscribeAtOnce,
    /// More tasks run in a lane than it has slots.
    MoreThanSlots,
    /// More tasks run in a consumer than it has cores.
    MoreThanCores,
    /// A consumer works on suspects as on all others.
    NeverIsolate,
    /// A file that cannot be read fails its task.
    BadItemFailsAll,
    /// A consumer takes whatever it finds for what was planned.
    CompareNothing,
    /// What does not open is acted on.
    TrustAll,
    /// Every outcome of a task counts, not only the first.
    NoDedupe,
    /// A different second answer passes for the first one.
    ConflictUnseen,
    /// A job ends when all tasks planned so far are answered, before its plan end has come.
    EndWithoutPlanEnd,
    /// An outcome and its job's account are committed in two transactions.
    SplitCommit,
    /// An owner accepts tasks that another walk over the tree planned.
    NoLinks,
    /// Messages of another opening of the job are accepted.
    AnyOpening,
    /// Messages about another task with the same number are accepted.
    AnyPlan,
    /// Items that one consumer cannot do are not offered to another.
    AskNobodyElse,
    /// Leases never lapse.
    LeaseForEver,
    /// A cancellation is confirmed without being written to the store.
    CancelUnwritten,
    /// Only the first answer that has something for a total adds to it.
    FoldFirst,
    /// All planned tasks are sent at once.
    NoWindow,
    /// A message that a broker policy removed from its queue counts as an attempt.
    ChargeExpired,
    /// A task goes out before those that it needs are answered.
    IgnoreNeeds,
    /// An owner forgets which tasks wait for others no more.
    ForgetReleased,
    /// What needs a failed task does not fail.
    KeepDependants,
    /// The engine itself is broken.
    Engine(Engine),
}

/// All of them.
const ALL: [Mutant; 45] = [
    Mutant::AckBeforeConfirm,
    Mutant::AckOnDelivery,
    Mutant::AckBeforeCommit,
    Mutant::AckAcross,
    Mutant::EffectsBeforeCommit,
    Mutant::NeverResend,
    Mutant::NeverProbe,
    Mutant::PlanEndBeforeConfirm,
    Mutant::MixRuns,
    Mutant::RefusedIsConfirmed,
    Mutant::NeverRepublish,
    Mutant::NeverRedeclare,
    Mutant::AckBeforeLease,
    Mutant::NeverLease,
    Mutant::LeaseLate,
    Mutant::AnyQueue,
    Mutant::StartWhenClosed,
    Mutant::UnsubscribeAtOnce,
    Mutant::MoreThanSlots,
    Mutant::MoreThanCores,
    Mutant::NeverIsolate,
    Mutant::BadItemFailsAll,
    Mutant::CompareNothing,
    Mutant::TrustAll,
    Mutant::NoDedupe,
    Mutant::ConflictUnseen,
    Mutant::EndWithoutPlanEnd,
    Mutant::SplitCommit,
    Mutant::NoLinks,
    Mutant::AnyOpening,
    Mutant::AnyPlan,
    Mutant::AskNobodyElse,
    Mutant::LeaseForEver,
    Mutant::CancelUnwritten,
    Mutant::FoldFirst,
    Mutant::NoWindow,
    Mutant::ChargeExpired,
    Mutant::IgnoreNeeds,
    Mutant::ForgetReleased,
    Mutant::KeepDependants,
    Mutant::Engine(Engine::ForgetFlights),
    Mutant::Engine(Engine::KeepChanged),
    Mutant::Engine(Engine::CountLate),
    Mutant::Engine(Engine::ForgetOpen),
    Mutant::Engine(Engine::RefuseLate),
];

/// Seeds within which each is to be noticed.
const SEEDS: u64 = 200;

/// The first seed whose run notices it, and what it says.
fn caught(mutant: Mutant) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| Schedule::new(seed).run(Some(mutant)).failure.map(|failure| (seed, failure)))
}

#[test]
fn every_broken_invariant_is_noticed() {
    let next = AtomicUsize::new(0);
    let survived = Mutex::new(Vec::new());
    let run = || {
        while let Some(&mutant) = ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            match caught(mutant) {
                Some((seed, failure)) => println!("{mutant:?}: seed {seed}: {failure}"),
                None => survived.lock().expect("nobody panics with it").push(mutant),
            }
        }
    };
    std::thread::scope(|scope| (0..super::threads()).for_each(|_| drop(scope.spawn(run))));
    let survived = survived.into_inner().expect("nobody panics with it");
    assert!(survived.is_empty(), "within {SEEDS} seeds nobody noticed {survived:?}");
}
