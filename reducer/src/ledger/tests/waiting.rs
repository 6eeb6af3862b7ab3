//! What a job waits for that a user can resolve, in its status and in its explanation.

use shared::protocol::message::{Lease, LeaseBody};

use super::*;

fn explained(world: &mut World) -> String {
    explain(world, None)
}

fn explain(world: &mut World, number: Option<u64>) -> String {
    let event = Arrived::Explain { job: job(), number, reply: ReplyTo::Local(0) };
    let text = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => match &**reply {
            Reply::Explained { text } => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    world.event(event).iter().find_map(text).expect("an answer")
}

fn unreported(world: &mut World, opening: OpeningId) {
    let reason = "cannot write the report out/j.txt: disk full".to_owned();
    assert!(world.event(Event::Unreported { job: job(), opening, reason }).is_empty());
}

const WRITTEN_LATER: &str =
    "its report cannot be written: cannot write the report out/j.txt: disk full; it is tried again every 10 s";

#[test]
fn a_report_that_cannot_be_written_is_told_until_it_is() {
    let mut world = World::new();
    world.open_with(1);
    assert!(wants_report(&world.done(0)));
    assert_eq!(explained(&mut world), "job job has all its outcomes, and its report is being written.");
    unreported(&mut world, "another".parse().expect("an id"));
    assert_eq!(world.status().waits, None, "it is of another opening");
    let opening = world.opening();
    unreported(&mut world, opening.clone());
    assert_eq!((world.status().waits.as_deref(), world.status().state), (Some(WRITTEN_LATER), JobState::Running));
    assert_eq!(explained(&mut world), format!("job job has all its outcomes, and {WRITTEN_LATER}."));
    world.report();
    assert_eq!((world.status().waits, world.status().state), (None, JobState::Finished));
    unreported(&mut world, opening);
    assert_eq!(world.status().waits, None, "it was written by then");
}

#[test]
fn so_is_the_report_of_a_cancelled_job() {
    let mut world = World::new();
    world.open_with(2);
    world.done(0);
    world.event(Event::Cancel { job: job(), opening: None, reply: ReplyTo::Local(0) });
    assert_eq!(explained(&mut world), "job job was cancelled when 1 of 2 tasks were done.");
    let opening = world.opening();
    unreported(&mut world, opening);
    assert_eq!(world.status().waits.as_deref(), Some(WRITTEN_LATER));
    assert_eq!(
        explained(&mut world),
        format!("job job was cancelled when 1 of 2 tasks were done, and {WRITTEN_LATER}.")
    );
    world.report();
    assert_eq!(world.status().waits, None);
}

#[test]
fn a_task_that_waits_for_another_consumer_says_so() {
    let mut world = World::new();
    world.open_with(1);
    let first = ConsumerId::from_name(b"first");
    let mut event = world.outcome(0, 1, failed("no memory"));
    if let Arrived::Outcome { outcome, .. } = &mut event {
        outcome.consumer = Some(first.clone());
    }
    world.event(event);
    for attempt in 2..7 {
        world.pass(Duration::from_secs(60));
        let (tag, address) = (world.tag(), world.address(0, attempt));
        let (holder, host) = (first.clone(), "h1".to_owned());
        let lease = Lease {
            address,
            holder,
            host,
            is_started: false,
            redelivered: true,
            body: LeaseBody::Task(Payload::json("{}")),
        };
        world.event(Arrived::Lease { lease: Box::new(lease), tag });
    }
    let waits = world.status().waits.unwrap_or_default();
    assert!(waits.contains("wait for consumers that have not tried them, which are busy"), "{waits}");
    let text = explain(&mut world, Some(0));
    assert!(text.starts_with("task job.0 could not be done where it was tried (by first"), "{text}");
    assert!(text.contains("is offered to another consumer in "), "{text}");
    assert!(
        text.ends_with(
            "given back 5 times, as the others are busy; it failed 1 times before, the last time: no memory (on h)."
        ),
        "{text}"
    );
    world.pass(Duration::from_secs(60));
    world.presence(1, &[0]);
    let waits = world.status().waits.unwrap_or_default();
    assert!(!waits.contains("busy"), "somebody has it: {waits}");
}

#[test]
fn what_tasks_wait_for_is_told_while_they_do() {
    let mut world = World::new();
    world.open_with(3);
    assert_eq!(world.status().waits, None, "that nobody serves it stands elsewhere");
    assert_eq!(world.status().unserved, ["r"]);
    let waits = |world: &World, text: &str| {
        let found = world.status().waits.unwrap_or_default();
        assert!(found.contains(text), "{found}");
    };
    world.answer(0, 1, failed("the root r is away"));
    waits(&world, "tasks of it failed and are tried again, one of them because: the root r is away");
    world.died(1, 1, Death::Expired);
    waits(&world, "a policy of the broker takes its tasks out of their queues (rabbitmqctl list_policies)");
    let opening = world.opening();
    let unsent = |class| Event::Unsent { task: id(2), opening: opening.clone(), class };
    let (held_up, taken) = (unsent(Some(class())), unsent(None));
    world.event(held_up);
    waits(&world, "the broker has not taken tasks for r for a while: their queue is full, or the broker is blocked");
    let explained = explained(&mut world);
    assert!(explained.contains("; the broker has not taken tasks for r for a while"), "{explained}");
    world.event(taken);
    world.pass(Duration::from_secs(1));
    world.done(1);
    assert_eq!(
        world.status().waits.as_deref(),
        Some("tasks of it failed and are tried again, one of them because: the root r is away (on h)")
    );
    world.answer(0, 2, done(1));
    world.done(2);
    assert_eq!(world.status().waits, None);
}
