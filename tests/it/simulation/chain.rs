//! Jobs of steps whose tasks need others: what each comes to.

use rand::RngExt;
use rand::rngs::SmallRng;
use shared::protocol::id::JobId;
use shared::protocol::message::{Notes, Planned};
use shared::protocol::payload::Payload;
use shared::protocol::workload::steps::{Spec, Whip, class};

/// A chain; in every other one there is a task that nobody can do.
pub(super) fn spec(random: &mut SmallRng) -> Spec {
    Spec {
        caravan: JobId::from_name(b"chain"),
        rider: random.random_range(0..2),
        whips: random.random_range(2..16),
        needs: random.random_range(1..4),
    }
}

pub(super) fn planned(spec: &Spec, number: u64) -> Option<Planned> {
    let needs = (number.saturating_sub(spec.needs)..number).collect();
    let body = Some(Payload::of(&Whip { intensity: number }));
    let notes = Notes { needs, ..Notes::default() };
    let whole = Planned { number, class: class(), body, items: 1, bytes: 0, notes, at: None };
    (number < spec.whips).then_some(whole)
}

/// Whether every attempt at the task fails.
pub(super) fn is_hopeless(spec: &Spec, number: u64) -> bool {
    spec.needs > 0 && spec.rider == 1 && number == spec.whips / 2
}

/// Whether the task cannot be done: it is hopeless, or needs such a one, directly or not.
pub(super) fn must_fail(spec: &Spec, number: u64) -> bool {
    // Each needs the one before it.
    (0..=number).any(|before| is_hopeless(spec, before))
}

/// The steps of a task: its own, and those of the tasks that it needs.
pub(super) fn steps_of(spec: &Spec, number: u64) -> u64 {
    let mut steps: Vec<u64> = Vec::new();
    for number in 0..=number {
        let needed = number.saturating_sub(spec.needs)..number;
        steps.push(number + needed.map(|need| steps[need as usize]).sum::<u64>());
    }
    steps[number as usize]
}
