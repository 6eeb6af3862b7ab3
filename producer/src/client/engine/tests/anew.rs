//! Jobs that are opened again: their files have changed, or another producer works on them.

use super::*;

#[test]
fn where_the_tree_has_changed_the_job_is_opened_anew() {
    let mut bench = Bench::new(true);
    bench.step(Event::Tick);
    assert_eq!(bench.reply(opened(2, None)), ["opened", "plan 0"]);
    assert!(bench.step(Event::Planned(Box::new(planned(0)))).is_empty());
    let other = Planned { bytes: 1, class: Class::from_name(b"other"), ..planned(1) };
    assert!(bench.step(Event::Planned(Box::new(other.clone()))).is_empty(), "its owner has another");
    assert!(!bench.submission.wants_more());
    assert_eq!(bench.pass(Duration::ZERO), ["ask open instead of first"]);
    let Reply::Opened(anew) = opened(0, None) else { unreachable!() };
    let second = OpeningId::from_name(b"second");
    let told = bench.reply(Reply::Opened(Opened { opening: second.clone(), ..anew }));
    assert!(told[0].contains("has changed since") && told[1..] == ["opened", "plan 0"], "{told:?}");
    let published = bench.submission.step(Event::Planned(Box::new(planned(0))), bench.now);
    let [Action::Publish { place, .. }] = published.as_slice() else { panic!("{published:?}") };
    assert_eq!(*place, Place { opening: second, after: PlanHash::start() });
}

#[test]
fn a_late_status_does_not_end_a_job_that_is_to_be_opened_anew() {
    let mut bench = Bench::new(true);
    bench.step(Event::Tick);
    assert_eq!(bench.reply(opened(1, None)), ["opened", "plan 0"]);
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    let other = Planned { bytes: 1, class: Class::from_name(b"other"), ..planned(0) };
    assert!(bench.step(Event::Planned(Box::new(other))).is_empty(), "its owner has another");
    assert!(bench.reply(status(JobState::Finished, &[])).is_empty());
    assert_eq!(bench.pass(Duration::ZERO), ["ask open instead of first"]);
}

#[test]
fn each_task_says_which_plan_it_goes_on_with() {
    let mut bench = Bench::planning(true, 1);
    let mut places = Vec::new();
    for number in 1..3 {
        for action in bench.submission.step(Event::Planned(Box::new(planned(number))), bench.now) {
            let Action::Publish { place, .. } = action else { panic!("{action:?}") };
            places.push(place);
        }
    }
    assert_eq!(places, [1, 2].map(|tasks| Place { opening: opening(), after: hash(tasks) }));
}

#[test]
fn who_may_not_open_the_job_anew_is_told_that_it_is_anothers() {
    let mut bench = Bench::new(true);
    bench.step(Event::Tick);
    assert_eq!(bench.reply(opened(0, Some(0))), ["opened", "plan 0"]);
    assert!(bench.step(Event::Planned(Box::new(planned(0)))).is_empty());
    assert_eq!(bench.pass(Duration::ZERO), ["ask open instead of first"]);
    assert_eq!(bench.reply(opened(0, Some(0))), ["overtaken"]);
}

#[test]
fn whose_job_has_another_opening_compares_its_plan_with_that_one() {
    let mut bench = Bench::planning(true, 0);
    bench.plan(0);
    let Reply::Status(mut other) = status(JobState::Planning, &[]) else { unreachable!() };
    other.opening = OpeningId::from_name(b"second");
    let said = bench.reply(Reply::Status(other));
    assert!(said.len() == 1 && said[0].contains("opened again meanwhile"), "{said:?}");
    assert_eq!(bench.pass(Duration::ZERO), ["ask open"]);
}

/// A status of the job with this plan.
fn with_plan(state: JobState, plan: &PlanHash) -> Reply {
    let Reply::Status(mut status) = status(state, &[]) else { unreachable!() };
    status.plan = Some(plan.clone());
    status.counts.tasks_planned = 1;
    Reply::Status(status)
}

#[test]
fn whose_plan_is_not_the_jobs_asks_for_it_anew_and_is_told_if_that_is_not_to_be() {
    let (own, other) = (hash(1), PlanHash::from_name(b"other"));
    for (wait, plan) in [(true, &own), (false, &own), (true, &other), (false, &other)] {
        let mut bench = Bench::planning(wait, 0);
        bench.plan(0);
        // Another producer was faster; whether its plan is the same is not known yet.
        assert_eq!(bench.reply(with_plan(JobState::Finished, plan)), [""; 0]);
        bench.step(Event::PlanEnded);
        bench.step(Event::Confirmed(0));
        bench.step(Event::PlanEndConfirmed);
        let told = bench.reply(with_plan(JobState::Finished, plan));
        if *plan == own {
            assert_eq!(told, [format!("done {wait}")]);
            continue;
        }
        assert_eq!(told, [""; 0]);
        assert_eq!(bench.pass(Duration::ZERO), ["ask open instead of first"]);
        assert_eq!(bench.reply(opened(1, Some(1))), ["overtaken"]);
    }
}

/// A stream of tasks, say, whose first ones are gone.
#[test]
fn a_plan_that_cannot_be_made_again_ends_with_the_owners_store() {
    let losses: [fn() -> Reply; 2] = [
        || Reply::UnknownJob,
        || {
            let Reply::Status(mut other) = status(JobState::Planning, &[]) else { unreachable!() };
            other.opening = OpeningId::from_name(b"second");
            Reply::Status(other)
        },
    ];
    for loss in losses {
        let mut bench = Bench::new(true);
        bench.submission.config.can_plan_again = false;
        bench.step(Event::Tick);
        bench.open(0, None);
        bench.plan(0);
        assert_eq!(bench.reply(loss()), ["forgotten"]);
        assert!(!bench.submission.wants_more());
        assert!(bench.pass(Duration::from_secs(60)).is_empty());
    }
}
