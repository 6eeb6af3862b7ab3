//! Dead tasks: what the store keeps of them, and how a replay changes a job's account.

use shared::protocol::message::{DeadState, DeadTask};

use super::*;
use crate::store::Reader;

/// A job of three tasks of two items: task 1 failed for the last time, the others are done.
fn one_dead() -> World {
    let mut world = World::with(|config| config.attempts_max = 2);
    world.open();
    for number in 0..3 {
        world.plan(number, 2);
    }
    world.end_plan(3);
    world.answer(0, 1, done(2));
    world.answer(2, 1, done(2));
    die(&mut world, 1);
    world.report();
    world
}

fn die(world: &mut World, first: u32) {
    for attempt in first..first + 2 {
        let verdict =
            Verdict::Failed(Failure { reason: "no memory".to_owned(), stderr: "Killed\nlast words".to_owned() });
        world.answer(1, attempt, verdict);
        world.pass(Duration::from_secs(60));
    }
}

fn replay(world: &mut World, filter: Option<&str>) -> (Vec<Action>, (u64, u64)) {
    let filter = filter.map(str::to_owned);
    let actions = world.event(Arrived::Replay { filter, openings: None, reply: ReplyTo::Local(0) });
    let replied = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => match &**reply {
            Reply::Replayed { tasks, kept } => Some((*tasks, *kept)),
            _ => None,
        },
        _ => None,
    };
    let answer = actions.iter().find_map(replied).expect("an answer");
    (actions, answer)
}

fn reader(world: &World) -> Reader {
    Reader::open(&world.path).expect("it can be read")
}

/// A replay request may be repeated after another job has taken the name.
#[test]
fn a_replay_of_other_openings_replays_nothing() {
    let mut world = one_dead();
    let known = world.opening();
    let event = |openings| Arrived::Replay { filter: None, openings: Some(openings), reply: ReplyTo::Local(0) };
    let replied = |actions: &[Action]| format!("{actions:?}").contains("Replayed { tasks: 1");
    assert!(!replied(&world.event(event(vec!["another".parse().expect("an id")]))));
    assert!(replied(&world.event(event(vec![known]))));
}

// Reasons quote names, so a filter that names a job must not match tasks of other jobs.
/// The listed dead tasks, and the number of those left out.
fn listed(world: &World, filter: Option<&str>) -> (Vec<DeadTask>, u64) {
    match reader(world).dead(filter).expect("a list") {
        Reply::Dead { tasks, more, .. } => (tasks, more),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_filter_that_names_a_job_is_no_part_of_a_reason() {
    let mut world = one_dead();
    let count = |world: &World, filter| listed(world, Some(filter)).0.len();
    let found = ["job", "job.1", "job.0", "job.17", "memory", "o memory", "none"].map(|filter| count(&world, filter));
    assert_eq!(found, [1, 1, 0, 0, 1, 1, 0]);
    // This job's id is a part of that reason.
    let memory = JobId::from_name(b"memory");
    world.event(opening(memory, spec()));
    assert_eq!(["memory", "memory.1", "o memory"].map(|filter| count(&world, filter)), [0, 0, 1]);
}

#[test]
fn a_dead_task_is_kept_with_all_that_is_known_of_it() {
    let mut world = one_dead();
    world.dead_letter(0, 1);
    let (dead, more) = listed(&world, None);
    assert_eq!((dead.len(), more), (1, 0), "a dead letter that comes home after the end is none");
    let detail = reader(&world).dead_task(&id(1)).expect("read").expect("it is dead");
    assert_eq!(detail.dead, dead[0]);
    assert_eq!((dead[0].state, dead[0].items, dead[0].attempts), (DeadState::Failed, 2, 2));
    assert_eq!((dead[0].host.as_str(), dead[0].reason.as_str()), ("h", "no memory"));
    assert_eq!(detail.stderr, "Killed\nlast words");
    assert_eq!(detail.names, ["r/1-0", "r/1-1"]);
    assert!(reader(&world).dead_task(&id(0)).expect("read").is_none());
}

#[test]
fn a_dead_letter_that_came_home_is_listed_while_its_task_is_tried_again() {
    let mut world = World::new();
    world.open_with(2);
    world.dead_letter(1, 1);
    let (dead, _) = listed(&world, None);
    assert_eq!((dead.len(), dead[0].state, dead[0].host.as_str()), (1, DeadState::Returned, "h"));
    let detail = reader(&world).dead_task(&id(1)).expect("read").expect("it is listed");
    assert_eq!(detail.returned.len(), 1);
    assert_eq!(replay(&mut world, None).1, (0, 0), "it is at work anyway");
    world.done(1);
    assert_eq!(listed(&world, None), (Vec::new(), 0), "now it is done");
}

#[test]
fn filters_are_jobs_tasks_and_parts_of_reasons() {
    let world = one_dead();
    for (filter, count) in [("job", 1), ("job.1", 1), ("memory", 1), ("job.2", 0), ("jo", 0), ("%", 0), ("", 1)] {
        assert_eq!(listed(&world, Some(filter)).0.len(), count, "{filter:?}");
    }
}

#[test]
fn a_replayed_task_is_open_again_and_so_is_its_job_with_an_exact_account() {
    for restart in [false, true] {
        let mut world = one_dead();
        assert_eq!(world.status().state, JobState::Finished);
        let (actions, answer) = replay(&mut world, Some("no memory"));
        assert_eq!((sent(&actions), answer), (vec![(1, 3)], (1, 0)));
        let counts = world.counts();
        assert_eq!((counts.tasks_open, counts.tasks_failed, counts.items_failed, counts.replays), (1, 0, 0, 1));
        assert_eq!((world.status().state, world.status().report_sha256), (JobState::Running, None));
        assert_eq!(listed(&world, None).0.len(), 0);
        assert_eq!(replay(&mut world, None).1, (0, 0), "twice is once");
        if restart {
            assert_eq!(sent(&world.restart(true)), [(1, 2)]);
        }
        assert!(wants_report(&world.answer(1, 3, done(2))));
        world.report();
        let counts = world.counts();
        assert_eq!((counts.tasks_done, counts.items_done, counts.tasks_failed), (3, 6, 0));
        assert_eq!(world.status().state, JobState::Finished);
    }
}

#[test]
fn a_replayed_task_may_die_again() {
    let mut world = one_dead();
    replay(&mut world, None);
    die(&mut world, 3);
    let counts = world.counts();
    assert_eq!((counts.tasks_failed, counts.items_failed, counts.tasks_done), (1, 2, 2));
    assert_eq!(listed(&world, None).0[0].attempts, 4);
}

#[test]
fn replays_keep_to_the_window() {
    let mut world = World::with(|config| {
        (config.attempts_max, config.window_min, config.window_per_slot) = (1, 2, 0);
    });
    world.open_with(5);
    for number in 0..5 {
        world.answer(number, 1, failed("no"));
    }
    world.report();
    assert_eq!(sent(&replay(&mut world, None).0), [(0, 2), (1, 2)]);
    assert_eq!(sent(&world.answer(0, 2, done(1))), [(2, 2)]);
}

#[test]
fn cancelled_jobs_and_reports_under_way_keep_their_dead() {
    let mut world = World::with(|config| config.attempts_max = 1);
    world.open_with(2);
    world.answer(0, 1, failed("no"));
    world.event(Event::Cancel { job: job(), opening: None, reply: ReplyTo::Local(0) });
    assert_eq!(replay(&mut world, None).1, (0, 1));

    let mut world = World::with(|config| config.attempts_max = 1);
    world.open_with(1);
    assert!(wants_report(&world.answer(0, 1, failed("no"))));
    assert_eq!(replay(&mut world, None).1, (0, 1), "its report is being written");
    world.report();
    assert_eq!(replay(&mut world, None).1, (1, 0));
}

#[test]
fn what_is_forgotten_stays_failed_and_is_listed_no_more() {
    let mut world = one_dead();
    world.event(Arrived::Forget { filter: None, openings: None, reply: ReplyTo::Local(0) });
    assert_eq!(listed(&world, None).0.len(), 0);
    assert_eq!((world.counts().tasks_failed, world.status().state), (1, JobState::Finished));
    assert_eq!(replay(&mut world, None).1, (0, 0));
}
