//! How an outcome, a plan and a plan end change a job's account.

use shared::protocol::id::JobId;
use shared::protocol::job::JobState;
use shared::protocol::message::{Outcome, Reply, Verdict};
use shared::protocol::workload::{Workload, steps};

use super::*;

#[test]
fn the_first_outcome_counts_and_every_later_one_is_a_duplicate() {
    let mut world = World::new();
    world.open_with(2);
    assert_eq!(settled(&world.done(0)), ["ack"]);
    for _ in 0..3 {
        assert_eq!(settled(&world.done(0)), ["ack"]);
    }
    let counts = world.counts();
    assert_eq!((counts.tasks_done, counts.items_done, counts.bytes_done), (1, 1, 10));
    assert_eq!((counts.duplicates, counts.conflicts), (3, 0));
}

#[test]
fn a_duplicate_in_the_same_turn_as_the_first_is_one_too() {
    let mut world = World::new();
    world.open_with(1);
    let events = vec![world.outcome(0, 1, done(1)), world.outcome(0, 2, done(1))];
    world.turn(events);
    let counts = world.counts();
    assert_eq!((counts.tasks_done, counts.duplicates, counts.conflicts), (1, 1, 0));
}

#[test]
fn another_answer_to_an_answered_task_is_an_alarm_and_does_not_count() {
    let mut world = World::new();
    world.open_with(1);
    world.done(0);
    let other = Verdict::Done(Payload::json(format!(r#"{{"digests":["{}"],"bytes":99}}"#, "0".repeat(40))));
    world.answer(0, 1, other);
    let counts = world.counts();
    assert_eq!((counts.duplicates, counts.conflicts, counts.bytes_done), (1, 1, 10));
}

#[test]
fn the_wording_of_a_failure_is_no_other_answer() {
    let mut world = World::new();
    world.open_with(1);
    for reason in ["Permission denied", "permission denied"] {
        let failed = format!(r#"{{"digests":[null],"failed":[{{"item":0,"reason":"{reason}"}}],"bytes":0}}"#);
        world.answer(0, 1, Verdict::Done(Payload::json(failed)));
    }
    let counts = world.counts();
    assert_eq!((counts.items_failed, counts.duplicates, counts.conflicts), (1, 1, 0));
}

#[test]
fn an_outcome_of_a_task_never_sent_is_refused_with_its_reason() {
    let mut world = World::with(|config| config.window_min = 1);
    world.open_with(2);
    let refused = settled(&world.done(1));
    assert!(refused.len() == 1 && refused[0].contains("job.1, which this owner has not sent"), "{refused:?}");
    assert_eq!(world.counts().tasks_done, 0);
}

#[test]
fn a_plan_may_come_in_any_order_and_twice_and_is_sent_in_its_own() {
    let mut world = World::new();
    world.open();
    assert_eq!(sent(&world.plan(1, 1)), []);
    assert_eq!(sent(&world.plan(2, 1)), []);
    assert_eq!(settled(&world.plan(2, 1)), ["ack"]);
    assert_eq!(sent(&world.plan(0, 1)), [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(sent(&world.plan(0, 1)), []);
    assert_eq!((world.counts().tasks_planned, world.counts().items_planned), (3, 3));
}

#[test]
fn a_job_ends_when_it_is_complete_and_every_task_has_its_outcome() {
    let mut world = World::new();
    world.open();
    world.plan(0, 1);
    assert!(!wants_report(&world.done(0)), "the plan is not complete");
    // The plan end overtakes the last task of the plan.
    assert!(!wants_report(&world.end_plan(2)));
    world.plan(1, 1);
    assert!(wants_report(&world.done(1)));
    assert!(!wants_report(&world.done(1)), "asked for once");
    assert_eq!(world.status().state, JobState::Running);
    world.report();
    assert_eq!(world.status().state, JobState::Finished);
}

#[test]
fn time_alone_never_ends_a_job() {
    let mut world = World::new();
    world.open_with(1);
    for _ in 0..100 {
        assert!(!wants_report(&world.pass(Duration::from_secs(3_600))));
    }
    assert_eq!(world.counts().tasks_open, 1);
}

#[test]
fn a_job_without_tasks_is_complete_when_it_is_complete() {
    let mut world = World::new();
    world.open();
    assert!(wants_report(&world.end_plan(0)));
}

#[test]
fn a_plan_end_that_contradicts_the_plan_is_dropped_and_changes_nothing() {
    let mut world = World::new();
    world.open();
    world.plan(0, 1);
    world.plan(1, 1);
    assert_eq!(settled(&world.end_plan(1)), ["ack"]);
    assert_eq!(world.status().state, JobState::Planning);
    assert_eq!(world.counts().dropped, [("another plan".to_owned(), 1)].into());
    assert_eq!(settled(&world.end_plan(2)), ["ack"]);
    assert_eq!(settled(&world.end_plan(2)), ["ack"], "the same plan end again is harmless");
    assert_eq!(world.status().state, JobState::Running);
    assert_eq!(settled(&world.end_plan(5)), ["ack"]);
    assert_eq!(settled(&world.plan(4, 1)), ["ack"], "beyond the plan end");
    assert_eq!((world.counts().tasks_planned, world.status().state), (2, JobState::Running));
}

#[test]
fn what_failed_and_was_skipped_in_planning_is_part_of_the_account() {
    let mut world = World::new();
    world.open();
    let actions = world.plan(0, 0);
    assert_eq!(sent(&actions), [], "there is nothing to do");
    assert!(wants_report(&world.end_plan(1)));
    world.report();
    let counts = world.counts();
    assert_eq!((counts.tasks_done, counts.items_planned, counts.items_failed), (1, 1, 1));
    assert_eq!(counts.items_skipped["fifo"], 1);
}

#[test]
fn a_plan_and_a_plan_end_for_an_unknown_job_are_refused() {
    let mut world = World::new();
    let place = Place { opening: OpeningId::from_name(b"o"), after: PlanHash::start() };
    let task = Arrived::Planned { job: job(), place: place.clone(), planned: Box::new(planned(0, 1)), tag: Some(1) };
    let plan_end = Event::PlanEnd { plan_end: PlanEnd { job: job(), tasks: 1 }, place, tag: Some(2) };
    for refused in [settled(&world.event(task)), settled(&world.event(plan_end))] {
        assert!(refused.len() == 1 && refused[0].contains("does not have"), "{refused:?}");
    }
}

#[test]
fn the_same_id_with_the_same_spec_is_one_job_and_with_another_spec_refused() {
    let mut world = World::new();
    world.open();
    world.plan(0, 1);
    let again = world.open();
    assert_eq!((again.planned, again.after), (1, world.hash_before(1)));
    let spec = JobSpec::Steps(steps::Spec { caravan: job(), rider: 0, whips: 1, needs: 0 });
    let actions = world.event(opening(job(), spec));
    let refused = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => matches!(&**reply, Reply::Refused { .. }),
        _ => false,
    };
    assert!(actions.iter().any(refused), "{actions:?}");
    assert_eq!(world.counts().tasks_planned, 1);
}

#[test]
fn a_report_that_comes_again_does_not_move_the_end_of_a_job() {
    let mut world = World::new();
    world.open_with(1);
    world.done(0);
    world.report();
    let seconds = world.status().seconds;
    world.now += Duration::from_secs(60);
    world.report();
    assert_eq!(world.status().seconds, seconds);
}

/// A horse's answer to one whip.
pub(super) fn felt(world: &mut World, job: &JobId, number: u64, steps: u64) {
    let task = TaskId { job: job.clone(), number };
    let opening = world.ledger().owner().status(job, world.now).expect("the job is known").opening;
    let (plan, workload) = (PlanHash::start(), Workload::Steps);
    let address = Address { task, opening, plan, attempt: 1, owner: owner(), workload };
    let verdict = Verdict::Done(Payload::json(format!(r#"{{"steps":{steps}}}"#)));
    let outcome = Box::new(Outcome {
        address,
        consumer: None,
        host: "h".to_owned(),
        micros: 1,
        redelivered: false,
        verdict,
        parts: None,
    });
    world.event(Arrived::Outcome { outcome, tag: None });
}

#[test]
fn a_rider_may_get_off_early_but_not_before_a_whip_that_was_felt() {
    let mut world = World::new();
    let spec = steps::Spec { caravan: job(), rider: 0, whips: 10, needs: 0 };
    let rider = spec.job();
    let open = || opening(rider.clone(), JobSpec::Steps(spec.clone()));
    world.event(open());
    felt(&mut world, &rider, 0, 0);
    felt(&mut world, &rider, 2, 2);
    for (tasks, is_taken) in [(2, false), (11, false), (4, true), (4, true), (5, false)] {
        let actions = world.plan_end_of(&rider, tasks);
        assert_eq!(settled(&actions) == ["ack"], is_taken, "a plan end at {tasks}");
    }
    let counts = |world: &World| world.ledger().owner().status(&rider, world.now).expect("known").counts;
    let before = counts(&world);
    assert_eq!((before.tasks_planned, before.tasks_done, before.tasks_open, before.items_planned), (4, 2, 2, 4));
    world.restart(false);
    assert_eq!(counts(&world), before);
    felt(&mut world, &rider, 1, 1);
    felt(&mut world, &rider, 3, 3);
    assert_eq!((counts(&world).tasks_done, counts(&world).tasks_open), (4, 0));
    let opened = opened(&world.event(open()));
    assert_eq!((opened.planned, opened.plan_end), (4, Some(4)), "there is nothing left to ride");
}

#[test]
fn steps_are_summed_over_the_jobs_of_a_caravan_in_64_bits() {
    let mut world = World::new();
    let caravan = JobId::from_name(b"caravan");
    for rider in 0..2 {
        let spec = steps::Spec { caravan: caravan.clone(), rider, whips: 2, needs: 0 };
        let job = spec.job();
        let open = opening(job.clone(), JobSpec::Steps(spec));
        world.event(open);
        for number in [1, 0, 1] {
            felt(&mut world, &job, number, 3_000_000_000);
        }
    }
    let status = world.ledger().owner().status(&JobId::from_name(b"caravan-rider-1"), world.now).expect("known");
    assert_eq!(status.sum, Some(("caravan caravan".to_owned(), 12_000_000_000)));
    assert_eq!((status.counts.tasks_done, status.counts.duplicates), (2, 1));
}

#[test]
fn a_sum_is_that_of_all_its_jobs_in_memory_or_not() {
    let mut world = World::with(|config| config.ended_kept = 0);
    let caravan = JobId::from_name(b"caravan");
    for rider in 0..3 {
        let spec = steps::Spec { caravan: caravan.clone(), rider, whips: 1, needs: 0 };
        let job = spec.job();
        world.event(opening(job.clone(), JobSpec::Steps(spec)));
        felt(&mut world, &job, 0, 5);
        world.plan_end_of(&job, 1);
        let opening = world.status_of(&job).expect("known").opening;
        world.event(Event::Reported { job: job.clone(), opening, sha256: "00".to_owned() });
        assert!(world.ledger().owner().spec(&job).is_none());
        let sum = Some(("caravan caravan".to_owned(), 5 * (i64::from(rider) + 1)));
        assert_eq!(world.status_of(&job).expect("known").sum, sum);
    }
}

#[test]
fn the_first_digest_may_be_printed_before_the_plan_is_complete() {
    let mut world = World::new();
    world.open();
    assert_eq!(sent(&world.plan(0, 1)), [(0, 1)], "it is sent at once");
    let advanced = |action: &Action| matches!(action, Action::Other(Effect::Advanced { answered: 1, .. }));
    assert!(world.done(0).iter().any(advanced));
    assert_eq!(world.status().state, JobState::Planning);
}

#[test]
fn absurd_sizes_make_an_absurd_account_and_stop_nobody() {
    let mut world = World::new();
    world.open();
    for number in 0..2 {
        let mut planned = planned(number, 1);
        planned.bytes = u64::MAX;
        planned.notes.skipped = [("fifo".to_owned(), u64::MAX)].into();
        world.plan_task(planned);
        let digests = serde_json::json!({"digests": [HEX], "bytes": u64::MAX}).to_string();
        world.answer(number, 1, Verdict::Done(Payload::json(digests)));
    }
    let counts = world.counts();
    assert_eq!((counts.tasks_done, counts.bytes_planned, counts.bytes_done), (2, u64::MAX, u64::MAX));
    assert_eq!(counts.items_skipped["fifo"], u64::MAX);
    world.restart(false);
    assert_eq!(world.counts().bytes_done, u64::MAX, "the store keeps it");
}
