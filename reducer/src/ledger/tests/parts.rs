//! Outcomes whose answers come in parts.

use shared::protocol::id::RunId;
use shared::protocol::message::{Part, Parts};
use shared::protocol::workload::words;

use super::*;
use crate::store::Reader;

impl World {
    fn part(&mut self, run: &str, number: u32, item: Option<u32>) -> Vec<Action> {
        let part = self.make_part(run, number, item);
        let tag = self.tag();
        self.event(Arrived::Part { part: Box::new(part), tag })
    }

    fn make_part(&self, run: &str, number: u32, item: Option<u32>) -> Part {
        let address = self.address(0, 1);
        let body = Payload::bytes(format!("{run} {number}").into_bytes());
        Part { address, run: RunId::from_name(run.as_bytes()), number, item, body }
    }

    /// An outcome of task 0 with `count` parts.
    fn whole(&mut self, attempt: u32, run: &str, count: u32) -> Vec<Action> {
        self.whole_as(done(1), attempt, run, count)
    }

    fn whole_as(&mut self, verdict: Verdict, attempt: u32, run: &str, count: u32) -> Vec<Action> {
        let mut event = self.outcome(0, attempt, verdict);
        if let Arrived::Outcome { outcome, .. } = &mut event {
            outcome.parts = Some(Parts { run: RunId::from_name(run.as_bytes()), count });
        }
        self.event(event)
    }

    fn parts(&self) -> Vec<String> {
        let reader = Reader::open(&self.path).expect("the store can be read");
        let (mut parts, mut next) = (Vec::new(), None);
        while let Some((place, body)) = reader.next_part(&job(), next.as_ref()).expect("a part") {
            parts.push(String::from_utf8_lossy(&body).into_owned());
            next = Some(place);
        }
        parts
    }
}

#[test]
fn parts_count_with_their_outcome_and_not_before() {
    let mut world = World::new();
    world.open_with(1);
    for number in [0, 1, 1, 0] {
        assert_eq!(settled(&world.part("a", number, None)), ["ack"]);
    }
    assert_eq!((world.parts(), world.counts().tasks_done), (Vec::new(), 0));
    world.whole(1, "a", 2);
    assert_eq!((world.parts(), world.counts().tasks_done), (vec!["a 0".to_owned(), "a 1".to_owned()], 1));
}

#[test]
fn an_outcome_without_all_its_parts_is_a_failed_attempt() {
    let mut world = World::new();
    world.open_with(1);
    world.part("a", 1, None);
    // A part of another run does not replace the missing part.
    world.part("b", 0, None);
    assert_eq!(settled(&world.whole(1, "a", 2)), ["ack"]);
    assert_eq!((world.counts().tasks_done, world.counts().tasks_failed), (0, 0));
    assert_eq!(sent(&world.pass(Duration::from_secs(1))), [(0, 2)]);
    world.part("c", 0, None);
    world.whole(2, "c", 1);
    assert_eq!((world.parts(), world.counts().tasks_done), (vec!["c 0".to_owned()], 1));
}

#[test]
fn of_two_runs_the_first_whole_one_counts() {
    let mut world = World::new();
    world.open_with(1);
    for (run, number) in [("a", 0), ("b", 0), ("b", 1), ("a", 1)] {
        world.part(run, number, None);
    }
    world.whole(1, "b", 2);
    world.whole(1, "a", 2);
    assert_eq!(settled(&world.part("late", 0, None)), ["ack"]);
    assert_eq!(world.parts(), ["b 0", "b 1"]);
    assert_eq!((world.counts().tasks_done, world.counts().duplicates, world.counts().conflicts), (1, 1, 0));
}

#[test]
fn of_a_task_that_was_given_up_no_part_stays() {
    let mut world = World::with(|config| config.attempts_max = 1);
    world.open_with(1);
    world.part("a", 0, None);
    world.answer(0, 1, failed("no memory"));
    world.report();
    world.event(Arrived::Replay { filter: None, openings: None, reply: ReplyTo::Local(0) });
    world.whole(2, "a", 1);
    assert_eq!((world.parts(), world.counts().tasks_done), (Vec::new(), 0), "what it counted on is gone");
}

#[test]
fn parts_of_an_item_that_failed_do_not_count() {
    let mut world = World::new();
    world.open();
    world.plan(0, 2);
    world.end_plan(1);
    for (number, item) in [(0, Some(0)), (1, Some(1)), (2, None)] {
        world.part("a", number, item);
    }
    let failed = r#"{"item":0,"reason":"changed while it was read"}"#;
    let answer = format!(r#"{{"digests":[null,"{HEX}"],"failed":[{failed}],"bytes":10}}"#);
    world.whole_as(Verdict::Done(Payload::json(answer)), 1, "a", 3);
    assert_eq!(world.parts(), ["a 1", "a 2"]);
}

#[test]
fn parts_survive_a_restart_before_their_outcome() {
    let mut world = World::new();
    world.open_with(1);
    world.part("a", 0, None);
    world.restart(false);
    // Deliveries that were not acked come again.
    world.part("a", 0, None);
    world.part("a", 1, None);
    world.whole(1, "a", 2);
    assert_eq!((world.parts(), world.counts().tasks_done), (vec!["a 0".to_owned(), "a 1".to_owned()], 1));
}

#[test]
fn a_part_of_a_task_never_sent_is_refused_with_its_reason() {
    let mut world = World::with(|config| config.window_min = 1);
    world.open_with(2);
    let mut part = world.make_part("a", 0, None);
    part.address.task = id(1);
    let actions = world.event(Arrived::Part { part: Box::new(part), tag: Some(8) });
    assert_eq!(settled(&actions), ["a part for task job.1, which this owner has not sent"]);
}

/// An answer for a file that has the word "a" three times, in any number of parts.
fn counted() -> Verdict {
    let mut check = words::Check::default();
    check.add(b"a", 3);
    let counts = words::Counts { lines: 1, words: 3, characters: 6, bytes: 6 };
    let answer = words::Answer { counts: vec![Some(counts)], failed: Vec::new(), check, differing: Default::default() };
    Verdict::Done(Payload::of(&answer))
}

#[test]
fn a_part_that_cannot_be_read_is_refused_and_so_is_the_answer_that_needs_it() {
    let mut world = World::new();
    let JobSpec::Digest(Spec { files, .. }) = spec() else { panic!("a spec of files") };
    let manner = words::Manner { frequencies: true, ..words::Manner::default() };
    let spec = JobSpec::Words(words::Spec { manner, files });
    world.event(opening(job(), spec));
    world.plan(0, 1);
    world.end_plan(1);
    let part = |world: &mut World, run: &str, body: &'static [u8]| {
        let tag = world.tag();
        let part = Part { body: Payload::bytes(body), ..world.make_part(run, 0, None) };
        settled(&world.event(Arrived::Part { part: Box::new(part), tag }))
    };
    let refused = part(&mut world, "a", b"three\ta\n");
    assert_eq!(refused, ["a part for task job.0 that cannot be read: body: a line of a part is not COUNT, tab, WORD"]);
    let refused = part(&mut world, "a", b"1\ta\n2\ta\n");
    assert!(refused[0].ends_with("the words of a part are not in byte order, each once"), "{refused:?}");
    world.whole_as(counted(), 1, "a", 1);
    assert_eq!((world.parts().len(), world.counts().tasks_done), (0, 0));
    assert_eq!(sent(&world.pass(Duration::from_secs(1))), [(0, 2)]);
    // The answer does not count without any part either.
    world.whole_as(counted(), 2, "a", 0);
    assert_eq!(world.counts().tasks_done, 0);
    assert_eq!(sent(&world.pass(Duration::from_secs(10))), [(0, 3)]);
    assert_eq!(part(&mut world, "b", b"3\ta\n"), ["ack"]);
    world.whole_as(counted(), 3, "b", 1);
    assert_eq!((world.parts(), world.counts().tasks_done), (vec!["3\ta\n".to_owned()], 1));
}
