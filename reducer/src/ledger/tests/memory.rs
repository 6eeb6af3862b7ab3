//! Jobs that have ended and are in the store alone.

use shared::protocol::limits;
use shared::protocol::workload::steps;

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

/// Ticks until nothing of a forgotten job is left.
fn swept(world: &mut World) -> u64 {
    for _ in 0..50 {
        world.pass(limits::OWNER_TICK);
    }
    let reader = rusqlite::Connection::open(&world.path).expect("a database");
    let rows = |table: &str| -> u64 {
        reader.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count")
    };
    ["jobs", "tasks", "outcomes", "parts", "dead", "dead_letters", "sums"].map(rows).iter().sum()
}

/// Opens the job anew, with an empty plan.
fn open_again(world: &mut World, instead_of: Option<OpeningId>) {
    let request = Box::new(JobRequest { instead_of, ..JobRequest::new(job(), spec()) });
    world.event(Arrived::Open { request, opening: OpeningId::from_name(b"second"), reply: ReplyTo::Local(0) });
    world.hashes.retain(|&number, _| number == 0);
}

fn forget(world: &mut World) -> Vec<Action> {
    world.event(Event::ForgetJob { job: job(), opening: None, reply: Some(ReplyTo::Local(0)) })
}

fn refusal(actions: &[Action]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        Action::Other(Effect::Reply { reply, .. }) => match &**reply {
            Reply::Refused { reason } => Some(reason.as_str()),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_forgotten_job_leaves_the_store_and_what_comes_late_is_acked() {
    let mut world = finished(200);
    let (late, refused) = (world.outcome(7, 2, done(1)), world.outcome(8, 2, failed("too late")));
    let plan = Arrived::Planned {
        job: job(),
        place: world.place(world.hash_before(3)),
        planned: Box::new(planned(3, 1)),
        tag: world.tag(),
    };
    assert_eq!(refusal(&forget(&mut world)), None);
    assert!(world.status_of(&job()).is_none());
    assert_eq!(swept(&mut world), 0);
    for message in [late, refused, plan] {
        assert_eq!(settled(&world.event(message)), ["ack"]);
    }
    world.restart(false);
    assert!(world.status_of(&job()).is_none());
}

#[test]
fn a_job_of_a_forgotten_name_is_a_new_one_that_old_answers_do_not_reach() {
    let mut world = finished(2);
    let late = world.outcome(0, 1, done(1));
    forget(&mut world);
    open_again(&mut world, None);
    (0..2).for_each(|number| drop(world.plan(number, 1)));
    world.end_plan(2);
    assert_eq!(settled(&world.event(late)), ["ack"]);
    assert_eq!((world.counts().tasks_done, world.counts().tasks_open), (0, 2));
    swept(&mut world);
    world.done(0);
    world.done(1);
    world.report();
    assert_eq!(world.status().state, JobState::Finished);
}

#[test]
fn only_a_job_that_has_ended_is_forgotten() {
    let mut world = World::new();
    world.open_with(1);
    assert!(refusal(&forget(&mut world)).is_some_and(|reason| reason.contains("has not ended")));
    world.done(0);
    assert!(refusal(&forget(&mut world)).is_some_and(|reason| reason.contains("report is not written")));
    world.report();
    let others = [(world.opening_of("other"), "opened again"), (OpeningId::from_name(b"s-o"), "in another store")];
    for (other, reason) in others {
        let (opening, reply) = (Some(other), Some(ReplyTo::Local(0)));
        let actions = world.event(Event::ForgetJob { job: job(), opening, reply });
        assert!(refusal(&actions).is_some_and(|told| told.contains(reason)), "{reason}");
    }
    assert_eq!((refusal(&forget(&mut world)), world.status_of(&job()).is_none()), (None, true));
}

#[test]
fn jobs_are_kept_for_a_while_after_their_reports_and_then_forgotten() {
    let mut world = World::with(|config| config.keep = Some(Duration::from_secs(3_600)));
    world.open_with(3);
    world.pass(Duration::from_secs(7_200));
    (0..3).for_each(|number| drop(world.done(number)));
    world.pass(Duration::from_secs(7_200));
    assert!(world.status_of(&job()).is_some(), "its report is not written");
    world.report();
    world.pass(Duration::from_secs(3_599));
    assert!(world.status_of(&job()).is_some());
    world.pass(Duration::from_secs(2));
    assert!(world.status_of(&job()).is_none());
    assert_eq!(swept(&mut world), 0);
}

#[test]
fn the_earlier_openings_of_a_forgotten_job_go_with_it() {
    let mut world = finished(100);
    let instead_of = Some(world.opening());
    open_again(&mut world, instead_of);
    world.plan(0, 1);
    world.end_plan(1);
    world.report();
    assert_eq!(refusal(&forget(&mut world)), None);
    assert_eq!(swept(&mut world), 0);
}

/// Bounds what a service holds that has finished many jobs: nothing grows with their number but
/// the list of openings that it may hear of late.
#[test]
fn neither_memory_nor_store_grows_with_the_jobs_that_were_forgotten() {
    let mut world = World::with(|config| (config.keep, config.ended_kept) = (Some(Duration::from_secs(60)), 8));
    let mut held = Vec::new();
    for number in 0..3_000 {
        let caravan = JobId::from_name(format!("caravan-{}", number / 3).as_bytes());
        let spec = steps::Spec { caravan, rider: number % 3, whips: 0, needs: 0 };
        let id = spec.job();
        world.event(opening(id.clone(), JobSpec::Steps(spec)));
        world.plan_end_of(&id, 0);
        let opening = world.status_of(&id).expect("it is known").opening;
        world.event(Event::Reported { job: id, opening, sha256: "00".to_owned() });
        world.pass(limits::OWNER_TICK);
        if number % 1_000 == 999 {
            let reader = rusqlite::Connection::open(&world.path).expect("a database");
            let rows: u64 = reader
                .query_row("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM sums)", [], |row| row.get(0))
                .expect("a count");
            held.push((world.ledger().owner().in_memory(), rows));
        }
    }
    assert_eq!(held, [held[0]; 3]);
    assert!(held[0].0 == 8 && held[0].1 < 500, "{held:?}");
}
