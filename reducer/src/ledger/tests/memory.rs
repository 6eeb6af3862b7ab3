//! Jobs that have ended and are in the store alone.

use super::*;

/// An owner that forgets a job as soon as its report is written.
fn forgetful() -> World {
    World::with(|config| config.ended_kept = 0)
}

fn in_memory(world: &World) -> bool {
    world.ledger().owner().spec(&job()).is_some()
}

fn finished(tasks: u64) -> World {
    let mut world = forgetful();
    world.open_with(tasks);
    for number in 0..tasks {
        world.done(number);
    }
    assert!(in_memory(&world), "its report is not written");
    world.report();
    assert!(!in_memory(&world));
    world
}

#[test]
fn a_finished_job_leaves_memory_and_its_account_stays() {
    let world = finished(3);
    let status = world.status();
    assert_eq!((status.state, status.counts.tasks_done), (JobState::Finished, 3));
}

#[test]
fn what_comes_late_for_a_job_in_the_store_alone_is_judged_as_ever() {
    let mut world = finished(2);
    assert_eq!(settled(&world.done(1)), ["ack"]);
    let other = Verdict::Done(Payload::json(format!(r#"{{"digests":["{}"],"bytes":99}}"#, "0".repeat(40))));
    assert_eq!(settled(&world.answer(0, 1, other)), ["ack"]);
    let counts = world.counts();
    assert_eq!((counts.tasks_done, counts.duplicates, counts.conflicts), (2, 2, 1));
    assert!(!in_memory(&world));
}

#[test]
fn a_producer_that_comes_again_is_told_of_its_finished_job() {
    let mut world = finished(2);
    let opened = opened(&world.event(open()));
    assert_eq!((opened.plan_end, opened.planned), (Some(2), 2));
}

#[test]
fn a_failed_task_is_replayed_though_its_job_was_forgotten() {
    let mut world = World::with(|config| (config.ended_kept, config.attempts_max) = (0, 1));
    world.open_with(1);
    world.answer(0, 1, failed("no memory"));
    world.report();
    assert!(!in_memory(&world));
    let replay = Arrived::Replay { filter: None, openings: None, reply: ReplyTo::Local(0) };
    assert_eq!(sent(&world.event(replay)).len(), 1);
    world.pass(Duration::from_secs(1));
    assert!(in_memory(&world), "it is open again");
    world.answer(0, 2, done(1));
    world.report();
    assert_eq!((world.status().state, in_memory(&world)), (JobState::Finished, false));
}
