//! Stale messages: their job's store is older than the messages in the broker, or the messages were
//! kept and sent again.

use super::*;

fn dropped(world: &World) -> Vec<(String, u64)> {
    world.counts().dropped.into_iter().collect()
}

impl World {
    /// An opening with this random part in the store.
    pub(super) fn opening_of(&self, random: &str) -> OpeningId {
        OpeningId::in_store(self.ledger().store().id(), &OpeningId::from_name(random.as_bytes()))
    }

    /// The same job in another store, or after it was opened again. Messages about the first one
    /// are stale for it.
    fn begun_again() -> Self {
        let mut other = World::new();
        let (opening, request) = (OpeningId::from_name(b"again"), Box::new(JobRequest::new(job(), spec())));
        other.event(Arrived::Open { request, opening, reply: ReplyTo::Local(0) });
        other
    }
}

#[test]
fn an_answer_of_another_opening_is_dropped_and_counted() {
    let mut first = World::new();
    first.open_with(1);
    let late = first.outcome(0, 1, done(1));
    let mut again = World::begun_again();
    again.plan(0, 1);
    again.end_plan(1);
    assert_eq!(settled(&again.event(late)), ["ack"]);
    assert_eq!((again.counts().tasks_done, dropped(&again)), (0, vec![("another store".to_owned(), 1)]));
    again.restart(false);
    assert_eq!(dropped(&again), [("another store".to_owned(), 1)], "it is in the store");
}

/// A copy of the store from before the task was planned continues with another task of that number.
#[test]
fn an_answer_to_a_task_that_the_store_has_planned_otherwise_is_dropped_and_counted() {
    let mut world = World::new();
    world.open();
    let copy = world.path.with_file_name("copy.sqlite");
    rusqlite::Connection::open(&world.path)
        .and_then(|store| store.execute("VACUUM INTO ?", [copy.display().to_string()]))
        .expect("a copy");
    world.plan(0, 1);
    world.end_plan(1);
    let late = world.outcome(0, 1, done(1));
    world.ledger = None;
    world.path = copy;
    world.hashes = BTreeMap::from([(0, PlanHash::start())]);
    world.start(false);
    let other = Planned { bytes: 77, class: Class::from_name(b"r2"), ..planned(0, 1) };
    world.plan_task(other);
    world.end_plan(1);
    assert_eq!(settled(&world.event(late)), ["ack"]);
    assert_eq!((world.counts().tasks_done, dropped(&world)), (0, vec![("another plan".to_owned(), 1)]));
    assert!(wants_report(&world.done(0)), "its own answer counts");
}

#[test]
fn plans_and_their_ends_of_another_opening_are_dropped_and_counted() {
    let mut first = World::new();
    first.open();
    let place = first.place(PlanHash::start());
    let mut again = World::begun_again();
    let planned = Box::new(planned(0, 1));
    let task = Arrived::Planned { job: job(), place: place.clone(), planned, tag: Some(1) };
    assert_eq!(settled(&again.event(task)), ["ack"]);
    let end = Event::PlanEnd { plan_end: PlanEnd { job: job(), tasks: 0 }, place, tag: Some(2) };
    assert_eq!(settled(&again.event(end)), ["ack"]);
    assert_eq!((again.status().state, again.counts().tasks_planned), (JobState::Planning, 0));
    assert_eq!(dropped(&again), [("another store".to_owned(), 2)]);
}

#[test]
fn a_cancellation_of_another_opening_is_refused() {
    let mut world = World::new();
    world.open_with(1);
    let others = [(world.opening_of("another"), "opened again"), (OpeningId::from_name(b"s-o"), "in another store")];
    for (other, why) in others {
        let actions = world.event(Event::Cancel { job: job(), opening: Some(other), reply: ReplyTo::Local(0) });
        let refused = actions.iter().any(|action| match action {
            Action::Other(Effect::Reply { reply, .. }) => {
                matches!(&**reply, Reply::Refused { reason } if reason.contains(why))
            }
            _ => false,
        });
        assert!(refused, "{actions:?}");
    }
    assert_eq!(world.status().state, JobState::Running);
    let own = Some(world.opening());
    world.event(Event::Cancel { job: job(), opening: own, reply: ReplyTo::Local(0) });
    assert_eq!(world.status().state, JobState::Cancelled);
}

#[test]
fn what_is_held_of_another_opening_keeps_no_task_from_being_sent_again() {
    let mut world = World::new();
    world.open_with(1);
    for _ in 0..3 {
        let held = HeldTask { opening: OpeningId::from_name(b"anothers"), number: 0 };
        world.event(Arrived::Presence(Box::new(Presence {
            consumer: ConsumerId::from_name(b"c"),
            host: "h".to_owned(),
            version: "0".to_owned(),
            lanes: vec![lane(Workload::Digest, 1)],
            holds: vec![held],
            heartbeat_millis: 10_000,
            leaving: false,
            roots: Vec::new(),
            troubles: Vec::new(),
        })));
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(sent(&world.queue_state(Some(0))), [(0, 2)]);
}

#[test]
fn a_dead_letter_of_another_opening_says_nothing_about_a_task() {
    let mut first = World::new();
    first.open_with(1);
    let mut again = World::begun_again();
    again.plan(0, 1);
    let dead_letter = DeadLetter {
        death: Death::Refused,
        task: id(0),
        of: Some((first.opening(), first.address(0, 1).plan)),
        reason: "no".to_owned(),
        host: None,
        attempt: Some(1),
    };
    again.event(Arrived::DeadLetter { dead_letter, tag: None });
    assert_eq!(sent(&again.pass(Duration::from_secs(60))), []);
    assert_eq!((again.counts().dead_letters, dropped(&again)), (0, vec![("another store".to_owned(), 1)]));
}

#[test]
fn what_is_still_out_at_the_end_is_counted() {
    let mut world = World::new();
    world.open_with(1);
    world.answer(0, 1, failed("no memory"));
    assert_eq!(sent(&world.pass(Duration::from_secs(1))), [(0, 2)]);
    assert_eq!((world.counts().sends, world.counts().returns), (2, 1));
    world.event(Event::Interrupted);
    world.answer(0, 2, done(1));
    world.report();
    assert_eq!((world.counts().sends, world.counts().returns), (3, 2), "one copy may still be worked on");
}
