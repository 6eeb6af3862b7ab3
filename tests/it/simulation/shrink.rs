//! Cutting a failing schedule down to the faults that it needs.

use reducer::mutant::Mutant as Engine;

use super::mutants::Mutant;
use super::schedule::Schedule;

/// What failed, with the shortest schedule that still fails.
pub(super) fn explain(schedule: &Schedule, mutant: Option<Mutant>) -> String {
    let all = schedule.run(mutant);
    let Some(failure) = all.failure else {
        return schedule.line("it failed once, and not again: something in it is not deterministic");
    };
    let fails = |kept: &[usize]| schedule.with(kept).run(mutant).failure.is_some();
    let kept = smallest((0..all.faults.len()).collect(), fails);
    let short = schedule.with(&kept);
    let run = short.run(mutant);
    let faults: Vec<String> = run.faults.iter().map(|fault| format!("  {fault}")).collect();
    let short_failure = run.failure.unwrap_or_default();
    format!(
        "{}\nwith {} of its {} faults: {}\n{}",
        schedule.line(&failure),
        kept.len(),
        all.faults.len(),
        short.line(&short_failure),
        faults.join("\n")
    )
}

/// Delta debugging (Zeller): leaves out ever smaller runs of the list, as long as it still fails.
pub(super) fn smallest(mut list: Vec<usize>, fails: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut pieces = 2;
    while !list.is_empty() {
        let size = list.len().div_ceil(pieces);
        let without = |at: usize| [&list[..at], &list[(at + size).min(list.len())..]].concat();
        let shorter = (0..list.len()).step_by(size).map(without).find(|shorter| fails(shorter));
        match shorter {
            Some(shorter) => {
                list = shorter;
                pieces = (pieces - 1).max(2);
            }
            None if size == 1 => break,
            None => pieces = (pieces * 2).min(list.len()),
        }
    }
    list
}

#[test]
fn only_what_the_failure_needs_is_left() {
    let needs = |list: &[usize]| [3, 17, 18].iter().all(|needed| list.contains(needed));
    assert_eq!(smallest((0..24).collect(), needs), [3, 17, 18]);
    assert_eq!(smallest((0..24).collect(), |_| true), [0_usize; 0]);
    assert_eq!(smallest((0..5).collect(), |list| list.len() >= 2).len(), 2);
}

#[test]
fn a_failing_schedule_is_cut_down_and_its_line_repeats_it() {
    // Who forgets what was out is noticed only when it is killed.
    let mutant = Some(Mutant::Engine(Engine::ForgetFlights));
    let fails = |schedule: &Schedule| schedule.run(mutant).failure.is_some();
    let schedule = (0..).map(Schedule::new).find(fails).expect("one of them is killed");
    let said = explain(&schedule, mutant);
    let line = said.lines().nth(1).expect("the shorter one");
    let (_, replay) = line.rsplit_once("tests/soak replay ").expect("how to see it again");
    let short: Schedule = replay.parse().expect("a schedule");
    let run = short.run(mutant);
    assert!(line.contains(&run.failure.expect("it fails again")), "{said}");
    assert!((1..schedule.run(mutant).faults.len()).contains(&run.faults.len()), "{said}");
    assert!(!fails(&schedule.with(&[])), "without faults nobody is killed");
}
