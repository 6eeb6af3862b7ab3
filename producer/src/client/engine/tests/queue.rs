//! Derived plans, such as a rider's: their tasks go straight to their queue.

use super::*;

/// A submission of a derived plan whose owner has answers up to `first`.
fn riding(first: u64) -> Bench {
    let mut bench = Bench::on(Road::Queue, true);
    assert_eq!(bench.step(Event::Tick), ["ask open"]);
    assert_eq!(bench.reply(opened(first, None)), ["opened".to_owned(), format!("plan {first}")]);
    bench
}

fn ended(mut bench: Bench) -> Bench {
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 3"]);
    assert!(bench.step(Event::PlanEndConfirmed).is_empty());
    bench
}

#[test]
fn tasks_are_sent_one_at_a_time_from_the_first_one_without_an_answer() {
    let mut bench = riding(3);
    for number in 3..6 {
        assert!(bench.submission.wants_more());
        let sent = bench.submission.step(Event::Planned(Box::new(planned(number))), bench.now);
        let [Action::Publish { planned, place }] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!(planned.number, number);
        assert_eq!(*place, Place { opening: opening(), after: PlanHash::start() }, "it has no chain of hashes");
        assert!(!bench.submission.wants_more(), "the queue has not taken task {number}");
        assert!(bench.step(Event::Confirmed(number)).is_empty());
    }
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 6"]);
}

/// Somebody who gives the cues has had enough, while a task waits for room in the queue.
#[test]
fn a_plan_may_end_before_its_spec_says_so_and_not_before_its_last_task_is_confirmed() {
    let mut bench = riding(0);
    bench.plan(0);
    assert!(bench.step(Event::PlanEnded).is_empty());
    assert_eq!(bench.step(Event::Confirmed(0)), ["plan end 1"]);
}

#[test]
fn who_continues_a_plan_that_has_ended_only_waits() {
    for planned in [1, 3] {
        let mut bench = Bench::on(Road::Queue, true);
        bench.step(Event::Tick);
        assert_eq!(bench.reply(opened(planned, Some(3))), ["opened"]);
        assert!(!bench.submission.wants_more());
        assert_eq!(bench.pass(LAST_LOOKS), ["ask status"]);
        assert_eq!(bench.reply(status(JobState::Finished, &[])), ["done true"]);
    }
}

#[test]
fn its_status_is_asked_for_more_often_when_all_is_sent() {
    let mut bench = riding(3);
    assert!(bench.pass(LAST_LOOKS).is_empty());
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    bench.reply(status(JobState::Planning, &[]));
    let mut bench = ended(bench);
    assert_eq!(bench.pass(LAST_LOOKS), ["ask status"]);
}

#[test]
fn only_the_plan_end_is_sent_again_and_nobody_is_told() {
    let mut bench = ended(riding(3));
    assert!(bench.reply(status(JobState::Planning, &[])).is_empty());
    bench.now += limits::PLAN_SILENCE;
    assert_eq!(bench.reply(status(JobState::Planning, &[])), ["plan end 3"]);
    assert!(bench.step(Event::PlanEndConfirmed).is_empty());
    assert!(bench.reply(status(JobState::Planning, &[])).is_empty(), "it is on its way");
    assert!(bench.reply(status(JobState::Running, &[])).is_empty());
    bench.now += limits::PLAN_SILENCE;
    assert!(bench.reply(status(JobState::Running, &[])).is_empty(), "its owner has it");
}

#[test]
fn a_job_that_is_finished_or_cancelled_is_sent_no_further() {
    let mut bench = riding(0);
    bench.plan(0);
    assert_eq!(bench.reply(status(JobState::Finished, &[])), ["done true"]);
    let mut bench = riding(0);
    let Reply::Status(mut cancelled) = status(JobState::Cancelled, &[]) else { unreachable!() };
    cancelled.report_sha256 = Some("00".to_owned());
    assert_eq!(bench.reply(Reply::Status(cancelled)), ["done true"]);
    assert!(!bench.submission.wants_more());
}

#[test]
fn an_owner_that_does_not_know_the_job_any_more_ends_it() {
    let mut bench = riding(0);
    assert_eq!(bench.reply(Reply::UnknownJob), ["forgotten"]);
    let mut bench = riding(0);
    let Reply::Status(mut other) = status(JobState::Running, &[]) else { unreachable!() };
    other.opening = OpeningId::from_name(b"second");
    assert!(!bench.submission.is_current(&other));
    assert_eq!(bench.reply(Reply::Status(other)), ["forgotten"]);
}

#[test]
fn an_owner_is_missed_at_once_before_the_opening_and_after_a_restart_would_be_over_later() {
    let mut bench = Bench::on(Road::Queue, true);
    bench.step(Event::Tick);
    let said = bench.step(Event::Replied(None));
    assert!(said.len() == 1 && said[0].contains("no reducer \"main\" answers"), "{said:?}");
    bench.step(Event::Tick);
    bench.reply(opened(0, None));
    assert!(bench.step(Event::Replied(None)).is_empty());
    bench.now += limits::NO_CONSUMER_NOTICE / 2;
    assert!(bench.step(Event::Replied(None)).is_empty());
    assert!(bench.reply(status(JobState::Planning, &[])).is_empty(), "it is there again");
    assert!(bench.step(Event::Replied(None)).is_empty());
    bench.now += limits::NO_CONSUMER_NOTICE;
    assert_eq!(bench.step(Event::Replied(None)).len(), 1);
    bench.now += limits::NO_CONSUMER_NOTICE;
    assert!(bench.step(Event::Replied(None)).is_empty(), "said once");
}

/// It came when the plan had ended, and then its owner's store was replaced by one from before that.
#[test]
fn who_found_the_plan_ended_sends_the_rest_if_the_owner_forgets_that() {
    let mut bench = Bench::on(Road::Queue, true);
    bench.step(Event::Tick);
    assert_eq!(bench.reply(opened(3, Some(3))), ["opened"]);
    assert!(bench.reply(status(JobState::Planning, &[])).is_empty());
    bench.now += limits::PLAN_SILENCE;
    assert_eq!(bench.reply(status(JobState::Planning, &[])).len(), 1, "it says so");
    assert_eq!(bench.pass(Duration::ZERO), ["ask open"]);
    assert_eq!(bench.reply(opened(2, None)), ["opened", "plan 2"]);
}
