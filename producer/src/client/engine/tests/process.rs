//! An owner in this process: the report begins when it is settled whether the owner's tasks hold.

use super::*;
use shared::protocol::message::PlanFailure;
use shared::protocol::path::PathBytes;

/// A status of a job of which so many items failed or changed.
fn unsettled(failed: u64, changed: u64) -> Reply {
    let Reply::Status(mut status) = status(JobState::Planning, &[]) else { unreachable!() };
    (status.counts.items_failed, status.counts.items_changed) = (failed, changed);
    Reply::Status(status)
}

/// A submission that is about to plan again, of whose job so many items failed or changed.
fn resuming(known: u64, plan_end: Option<u64>, (failed, changed): (u64, u64)) -> Bench {
    let mut bench = Bench::on(Road::Process, true);
    assert_eq!(bench.step(Event::Tick), ["ask open"]);
    assert_eq!(bench.reply(opened(known, plan_end)), ["opened", "ask status"]);
    assert_eq!(bench.reply(unsettled(failed, changed)), ["plan 0"]);
    bench
}

fn replan(bench: &mut Bench, number: u64) -> Vec<String> {
    bench.step(Event::Planned(Box::new(planned(number))))
}

#[test]
fn the_report_of_a_new_job_may_begin_with_its_plan() {
    let mut bench = Bench::on(Road::Process, true);
    bench.step(Event::Tick);
    assert_eq!(bench.reply(opened(0, None)), ["opened", "plan 0", "settled"]);
    bench.plan(0);
    bench.step(Event::Confirmed(0));
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 1"]);
}

#[test]
fn the_report_of_a_job_that_goes_on_begins_when_its_tasks_are_compared() {
    let mut bench = resuming(2, None, (0, 0));
    assert!(replan(&mut bench, 0).is_empty());
    assert!(bench.pass(Duration::from_secs(60)).is_empty(), "nothing is said of a job that may begin anew");
    assert!(replan(&mut bench, 1).is_empty());
    assert_eq!(replan(&mut bench, 2), ["settled", "publish 2"]);
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    // The plan has nothing new.
    let mut bench = resuming(1, Some(1), (0, 0));
    assert!(replan(&mut bench, 0).is_empty());
    assert_eq!(bench.step(Event::PlanEnded), ["settled"]);
    let mut bench = resuming(1, None, (0, 0));
    assert!(replan(&mut bench, 0).is_empty());
    assert_eq!(bench.step(Event::PlanEnded), ["settled", "plan end 1"]);
}

#[test]
fn the_report_of_a_job_that_has_ended_or_is_not_compared_begins_at_once() {
    let mut bench = Bench::on(Road::Process, true);
    bench.submission.config.recheck = false;
    bench.step(Event::Tick);
    assert_eq!(bench.reply(opened(2, Some(2))), ["opened", "settled"]);
    assert!(!bench.submission.wants_more());
}

/// A file was changed when it was read, and is again what it was at its planning.
#[test]
fn items_that_failed_or_changed_are_tried_again_under_a_new_opening() {
    for unsettled in [(1, 0), (0, 1)] {
        for plan_end in [None, Some(1)] {
            let mut bench = resuming(1, plan_end, unsettled);
            assert!(replan(&mut bench, 0).is_empty());
            assert!(bench.step(Event::PlanEnded).is_empty());
            assert_eq!(bench.pass(Duration::ZERO), ["ask open instead of first"]);
            let Reply::Opened(anew) = opened(0, None) else { unreachable!() };
            let told = bench.reply(Reply::Opened(Opened { opening: OpeningId::from_name(b"second"), ..anew }));
            assert!(told[0].contains("has changed since"), "{told:?}");
            assert_eq!(told[1..], ["opened", "plan 0", "settled"]);
        }
        let mut bench = resuming(1, None, unsettled);
        assert!(replan(&mut bench, 0).is_empty());
        assert!(replan(&mut bench, 1).is_empty(), "nothing is added to the old opening");
        assert_eq!(bench.pass(Duration::ZERO), ["ask open instead of first"]);
    }
}

#[test]
fn what_fails_again_in_planning_is_no_reason_for_a_new_opening() {
    let failed = vec![PlanFailure { name: PathBytes(b"d".to_vec()), reason: "no".to_owned() }];
    let task = Planned { notes: Notes { failed, ..Notes::default() }, ..planned(0) };
    let Reply::Opened(known) = opened(1, None) else { unreachable!() };
    let mut bench = Bench::on(Road::Process, true);
    bench.step(Event::Tick);
    let after = task.hash(&PlanHash::start());
    assert_eq!(bench.reply(Reply::Opened(Opened { after, ..known })), ["opened", "ask status"]);
    assert_eq!(bench.reply(unsettled(1, 0)), ["plan 0"]);
    assert!(bench.step(Event::Planned(Box::new(task))).is_empty());
    assert_eq!(bench.step(Event::PlanEnded), ["settled", "plan end 1"]);
}

/// Where the owner refuses another opening, its plan is of other directories.
#[test]
fn a_plan_that_may_not_begin_anew_is_anothers() {
    let mut bench = resuming(1, None, (0, 0));
    assert!(bench.step(Event::PlanEnded).is_empty());
    assert_eq!(bench.pass(Duration::ZERO), ["ask open instead of first"]);
    assert_eq!(bench.reply(opened(1, None)), ["overtaken"]);
}

/// A full disk, say, holds up the owner.
#[test]
fn nothing_is_lost_on_the_way_to_an_owner_in_this_process() {
    let mut bench = Bench::on(Road::Process, true);
    bench.step(Event::Tick);
    bench.reply(opened(0, None));
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 0"]);
    bench.step(Event::PlanEndConfirmed);
    for _ in 0..3 {
        bench.now += limits::PLAN_SILENCE;
        assert!(bench.reply(status(JobState::Planning, &[])).is_empty());
    }
}
