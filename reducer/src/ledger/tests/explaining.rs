//! Explanations of jobs and tasks: each state has its sentence.

use shared::protocol::limits::HEARTBEAT;
use shared::protocol::message::{Lease, LeaseBody};

use super::*;

fn explain(world: &mut World, number: Option<u64>) -> String {
    let event = Arrived::Explain { job: job(), number, reply: ReplyTo::Local(0) };
    let explained = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => match &**reply {
            Reply::Explained { text } => Some(text.clone()),
            Reply::UnknownJob => Some("unknown".to_owned()),
            _ => None,
        },
        _ => None,
    };
    world.event(event).iter().find_map(explained).expect("an answer")
}

#[track_caller]
fn says(world: &mut World, number: Option<u64>, text: &str) {
    let found = explain(world, number);
    assert!(found.contains(text), "{found}");
}

fn narrow(config: &mut Config) {
    (config.window_min, config.window_per_slot, config.attempts_max) = (2, 0, 2);
}

#[test]
fn a_job_says_what_it_waits_for() {
    let mut world = World::with(narrow);
    assert_eq!(explain(&mut world, None), "unknown");
    world.open();
    says(&mut world, None, "job job is being planned: 0 tasks have come");
    world.plan(0, 2);
    says(&mut world, None, "job job waits: no live consumer serves r of digest, and 1 of 1 tasks are open.");
    world.presence(1, &[]);
    world.plan(2, 1);
    says(&mut world, None, "is being planned: later tasks of its plan have come, and wait for task 1,");
    world.end_plan(3);
    world.plan(1, 1);
    says(&mut world, None, "job job is running: 3 of 3 tasks are open, 2 are out.");
    world.answer(0, 1, failed("no memory"));
    says(&mut world, None, "1 are out, 1 wait for another attempt after a failure");
    world.died(1, 1, Death::Expired);
    says(
        &mut world,
        None,
        "0 are out, 1 wait for another attempt after a failure, 1 wait to be sent again; a policy of",
    );
    says(&mut world, None, "has taken 1 messages of the job out of their queues (rabbitmqctl list_policies)");
    says(
        &mut world,
        Some(1),
        "was taken out of its queue by a policy of the broker (rabbitmqctl list_policies), 1 times",
    );
    world.pass(Duration::from_secs(1));
    says(&mut world, Some(1), "a policy of the broker took it out of its queue 1 times before");
    world.answer(0, 2, failed("no memory"));
    world.done(1);
    world.done(2);
    says(&mut world, None, "has all its outcomes, and its report is being written");
    world.report();
    says(&mut world, None, "2 of its tasks are done, and 2 items failed, 1 tasks as a whole (packhorse dead list job");
}

#[test]
fn a_task_says_where_it_is() {
    let mut world = World::with(narrow);
    world.open();
    for number in [0, 1, 2] {
        world.plan(number, 1);
    }
    world.plan(3, 0);
    world.plan(5, 1);
    // SQLite has no integer this large; the owner must survive the question.
    says(&mut world, Some(u64::MAX), "is not planned yet");
    says(&mut world, Some(4), "task job.4 is missing: its producer has not sent it, and has sent later ones.");
    says(&mut world, Some(9), "is not planned yet");
    says(&mut world, Some(3), "had nothing to do");
    says(&mut world, Some(2), "waits for its turn: 2 tasks of the job are out, of 2 at a time");
    says(&mut world, Some(0), "waits: no live consumer serves r of digest");
    world.presence(1, &[0]);
    says(&mut world, Some(0), "is held by consumer c on h, last heard of 0 s ago: attempt 1");
    says(&mut world, Some(1), "waits in the queue of r, or one of its 1 consumers has just taken it: attempt 1");
    world.pass(HEARTBEAT * 2);
    says(&mut world, Some(1), "is sent again if its queue is empty");
    world.answer(0, 1, failed("no memory"));
    says(&mut world, Some(0), "failed 1 times of 2 and is sent again in 0.");
    says(&mut world, Some(0), "the last time: no memory (on h)");
    world.pass(Duration::from_secs(1));
    world.presence(1, &[0]);
    says(&mut world, Some(0), "attempt 2; it failed 1 times before, the last time: no memory");
    world.answer(0, 2, failed("no disk"));
    says(&mut world, Some(0), "failed for the last time: attempt 2, on h: no disk (packhorse dead show job.0");
    world.done(1);
    says(&mut world, Some(1), "task job.1 is done: attempt 1, on h.");
    world.plan(4, 1);
    world.plan(5, 1);
    world.end_plan(6);
    says(&mut world, Some(6), "does not exist: the job has 6 tasks");
    world.event(Event::Cancel { job: job(), opening: None, reply: ReplyTo::Local(0) });
    says(&mut world, Some(2), "was cancelled with its job");
    says(&mut world, None, "was cancelled when 2 of 6 tasks were done");
}

#[test]
fn a_leased_task_names_its_holder() {
    let mut world = World::new();
    world.open_with(1);
    let address = world.address(0, 1);
    let (holder, host) = (ConsumerId::from_name(b"c7"), "node-07".to_owned());
    let lease = Box::new(Lease {
        address,
        holder,
        host,
        is_started: true,
        redelivered: false,
        body: LeaseBody::Task(Payload::json("{}")),
    });
    world.event(Arrived::Lease { lease, tag: None });
    world.pass(HEARTBEAT);
    says(&mut world, Some(0), "task job.0 is leased to consumer c7 on node-07, last heard of 10 s ago.");
}
