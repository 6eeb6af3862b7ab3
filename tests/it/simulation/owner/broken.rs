//! An owner that breaks a promise of its engine: what stands between ledger, engine and store.

use std::collections::{BTreeMap, BTreeSet};

use reducer::fold;
use reducer::ledger::{Arrived, Hooks};
use reducer::owner::{Check, Event, Owner, Step, Write};
use reducer::store::{Store, StoreError};
use shared::protocol::id::{ConsumerId, HeldTask, JobId, OpeningId};
use shared::protocol::message::{Address, Death, Presence, Verdict};
use shared::system::clock::Moment;

use crate::simulation::mutants::Mutant;

/// With no mutant it does nothing.
pub(super) struct Broken {
    pub mutant: Option<Mutant>,
    pub now: Moment,
}

impl Hooks for Broken {
    fn before_step(&mut self, owner: &Owner, event: &mut Event) {
        match self.mutant {
            Some(Mutant::NoDedupe) => count_again(owner, event),
            Some(Mutant::ConflictUnseen) => agree(event),
            Some(Mutant::NoLinks) => link(owner, event),
            Some(Mutant::AnyOpening) => self.open(owner, event),
            Some(Mutant::AnyPlan) => plan(event),
            Some(Mutant::AskNobodyElse) => close(event),
            Some(Mutant::FoldFirst) => self.fold_first(owner, event),
            Some(Mutant::ChargeExpired) => charge(event),
            Some(Mutant::IgnoreNeeds) => release(event),
            Some(Mutant::ForgetReleased | Mutant::KeepDependants) => self.forget(event),
            _ => {}
        }
    }

    fn after_step(&mut self, step: &mut Step) {
        if self.mutant == Some(Mutant::CancelUnwritten) {
            step.writes.retain(|write| !matches!(write, Write::Cancelled { .. }));
        }
    }

    fn before_accounts(&mut self, store: &mut Store) -> Result<(), StoreError> {
        if self.mutant == Some(Mutant::SplitCommit) {
            store.commit_turn()?;
            store.begin_turn()?;
        }
        Ok(())
    }
}

impl Broken {
    /// What follows from an outcome for other tasks is forgotten.
    fn forget(&self, event: &mut Event) {
        match (self.mutant, event) {
            (Some(Mutant::ForgetReleased), Event::Released { tasks, .. }) => tasks.clear(),
            (Some(Mutant::KeepDependants), Event::NeedFailed { dependants, .. }) => dependants.clear(),
            _ => {}
        }
    }

    /// Whatever opening a message is of passes for the current one.
    fn open(&self, owner: &Owner, event: &mut Event) {
        let Some((job, of)) = opening_of(event) else { return };
        if let Some(status) = owner.status(&job, self.now) {
            *of = status.opening;
        }
    }

    /// Only the first answer that has something for a total adds to it.
    fn fold_first(&self, owner: &Owner, event: &mut Event) {
        let Event::Outcome { outcome, check: Check::First(Ok(tally)), .. } = event else { return };
        if let Some(status) = owner.status(&outcome.address.task.job, self.now) {
            let has = |name: &str| status.counts.totals.get(name).is_some_and(|&total| total > 0);
            tally.totals.retain(|(name, _)| !has(name));
        }
    }
}

fn opening_of(event: &mut Event) -> Option<(JobId, &mut OpeningId)> {
    let address: &mut Address = match event {
        Event::Planned { job, place, .. } => return Some((job.clone(), &mut place.opening)),
        Event::PlanEnd { plan_end, place, .. } => return Some((plan_end.job.clone(), &mut place.opening)),
        Event::Cancel { job, opening, .. } => return opening.as_mut().map(|opening| (job.clone(), opening)),
        Event::DeadLetter { dead_letter, .. } => {
            let (opening, _) = dead_letter.of.as_mut()?;
            return Some((dead_letter.task.job.clone(), opening));
        }
        Event::Part { part, .. } => &mut part.address,
        Event::Outcome { outcome, .. } => &mut outcome.address,
        Event::Lease { lease, .. } => &mut lease.address,
        _ => return None,
    };
    Some((address.task.job.clone(), &mut address.opening))
}

/// A second answer counts as the first one does.
fn count_again(owner: &Owner, event: &mut Event) {
    let Event::Outcome { outcome, check: check @ Check::Repeat { .. }, known: Some(known), .. } = event else { return };
    if let (Verdict::Done(answer), Some(spec)) = (&outcome.verdict, owner.spec(&outcome.address.task.job)) {
        let has_parts = outcome.parts.as_ref().is_some_and(|parts| parts.count > 0);
        *check = Check::First(fold::of(spec).tally(known.items, answer, has_parts));
    }
}

/// A different second answer passes for the first one.
fn agree(event: &mut Event) {
    if let Event::Outcome { check: Check::Repeat { same }, .. } = event {
        *same = true;
    }
}

/// Whatever walk the next task is of, it follows the one before it.
fn link(owner: &Owner, event: &mut Event) {
    let (job, place, number) = match event {
        Event::Planned { job, place, planned, .. } => (&*job, place, planned.number),
        Event::PlanEnd { plan_end, place, .. } => (&plan_end.job, place, plan_end.tasks),
        _ => return,
    };
    if let Some((_, plan)) = owner.plan(job).filter(|(next, _)| *next == number) {
        place.after = plan.clone();
    }
}

/// Whatever task a message is about, it passes for the one of that number.
fn plan(event: &mut Event) {
    let (address, known) = match event {
        Event::Part { part, known, .. } => (&mut part.address, known),
        Event::Outcome { outcome, known, .. } => (&mut outcome.address, known),
        Event::Lease { lease, known, .. } => (&mut lease.address, known),
        _ => return,
    };
    if let Some(known) = known.as_ref().filter(|known| !known.is_about(&address.plan)) {
        address.plan = known.plan.clone();
    }
}

/// Items that one consumer cannot do are failed.
fn close(event: &mut Event) {
    if let Event::Outcome { check: Check::First(Ok(tally)), .. } = event {
        tally.open = 0;
    }
}

/// A task that needs others waits for none.
fn release(event: &mut Event) {
    if let Event::Standing { standing, .. } = event {
        standing.waits = 0;
    }
}

/// What a policy of the broker removed counts as an attempt.
fn charge(event: &mut Event) {
    if let Event::DeadLetter { dead_letter, .. } = event {
        dead_letter.death = Death::GivenUp;
    }
}

/// The leases that were ever taken, and who took them.
#[derive(Debug, Default)]
pub(super) struct Holders {
    heard: BTreeMap<ConsumerId, Presence>,
    leases: BTreeMap<ConsumerId, BTreeSet<HeldTask>>,
}

impl Holders {
    pub fn note(&mut self, arrived: &Arrived) {
        match arrived {
            Arrived::Presence(presence) => {
                self.heard.insert(presence.consumer.clone(), (**presence).clone());
            }
            Arrived::Lease { lease, .. } => {
                let Address { opening, task, .. } = &lease.address;
                let held = HeldTask { opening: opening.clone(), number: task.number };
                self.leases.entry(lease.holder.clone()).or_default().insert(held);
            }
            _ => {}
        }
    }

    /// What consumers would say that still hold every lease that they ever took.
    pub fn heartbeats(&self) -> Vec<Presence> {
        let heartbeat = |(holder, leases): (_, &BTreeSet<HeldTask>)| {
            let heard = self.heard.get(holder)?.clone();
            Some(Presence { holds: leases.iter().cloned().collect(), leaving: false, ..heard })
        };
        self.leases.iter().filter_map(heartbeat).collect()
    }
}
