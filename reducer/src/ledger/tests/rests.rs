//! Tasks of which a part of the answer is known: only the rest is asked for, and only answers to
//! that rest count.

use shared::protocol::id::{RunId, hex};
use shared::protocol::message::{Part, Parts, Task};
use shared::protocol::workload::files::{Differing, ItemFailure, Times};
use shared::protocol::workload::{digest, words};

use super::*;
use crate::store::Reader;

fn file(name: &str) -> Item {
    let times = Some(Times { modified: 1, changed: 1 });
    Item { path: PathBytes(name.as_bytes().to_vec()), size: 10, times }
}

fn names(items: &[&str]) -> Files {
    let items = items.iter().map(|name| file(name)).collect();
    Files { links: Links::Skip, root: "r".to_owned(), items, strict_times: false }
}

fn digest_of(name: &str) -> String {
    format!("{:0>40}", hex(name.as_bytes()))
}

fn first() -> ConsumerId {
    ConsumerId::from_name(b"first")
}

/// Leaves the items without a result to another consumer.
fn left(results: &[Option<&str>]) -> Vec<ItemFailure> {
    let open = (0..).zip(results).filter(|(_, result)| result.is_none());
    open.map(|(item, _)| ItemFailure { elsewhere: true, ..ItemFailure::new(item, "not here") }).collect()
}

fn digests(results: &[Option<&str>]) -> Verdict {
    let digests = results.iter().map(|name| name.map(digest_of)).collect();
    let answer = digest::Answer { digests, failed: left(results), bytes: 0, differing: Differing::default() };
    Verdict::Done(Payload::of(&answer))
}

impl World {
    fn opens(&mut self, spec: &JobSpec) {
        let instead_of = self.status_of(&job()).map(|status| status.opening);
        let before = instead_of.as_ref().map_or("", OpeningId::as_str);
        let opening = OpeningId::from_name(format!("{before}x").as_bytes());
        let origin = Some(Origin::of(b"here"));
        let request = JobRequest { origin, instead_of, ..JobRequest::new(job(), spec.clone()) };
        self.hashes = BTreeMap::from([(0, PlanHash::start())]);
        self.event(Arrived::Open { request: Box::new(request), opening, reply: ReplyTo::Local(0) });
    }

    /// Plans a task with this body.
    fn plans(&mut self, number: u64, body: Payload, items: usize) -> Vec<Action> {
        let items = items as u32;
        let planned = Planned { body: Some(body), items, bytes: 10, notes: Notes::default(), ..planned(number, 1) };
        self.plan_task(planned)
    }

    /// An answer of the first consumer, while another consumer is alive.
    fn first_says(&mut self, verdict: Verdict, run: Option<(&str, u32)>) -> Vec<Action> {
        self.presence(1, &[]);
        self.says(Some(first()), verdict, run)
    }

    fn says(&mut self, consumer: Option<ConsumerId>, verdict: Verdict, run: Option<(&str, u32)>) -> Vec<Action> {
        let mut event = self.outcome(0, 1, verdict);
        if let Arrived::Outcome { outcome, .. } = &mut event {
            outcome.consumer = consumer;
            outcome.parts = run.map(|(run, count)| Parts { run: RunId::from_name(run.as_bytes()), count });
        }
        self.event(event)
    }
}

fn published(actions: &[Action]) -> Vec<&Task> {
    fn task(action: &Action) -> Option<&Task> {
        if let Action::Publish(task) = action { Some(task) } else { None }
    }
    actions.iter().filter_map(task).collect()
}

fn batch(items: &[&str]) -> Payload {
    Payload::of(&Batch { algorithm: Algorithm::Sha1, files: names(items) })
}

/// A restored backup of the store may have left other files of a task to a consumer than the store
/// has open now.
#[test]
fn an_answer_to_another_rest_is_not_taken_for_an_answer_to_this_one() {
    let mut world = World::new();
    world.opens(&spec());
    world.plans(0, batch(&["a", "b", "c", "d"]), 4);
    world.end_plan(1);
    let actions = world.first_says(digests(&[None, None, Some("c"), Some("d")]), None);
    let [task] = published(&actions)[..] else { panic!("one task") };
    assert_eq!((Batch::parse(&task.body).expect("a batch").files.items.len(), task.avoid.clone()), (2, vec![first()]));
    let plan = world.known(0).expect("it is there").plan;
    assert_eq!(task.address.plan, plan.rest(&[0, 1]));
    for (open, attempt) in [([2, 3], 2), ([2, 3], 9), ([1, 2], 2)] {
        let mut other = world.outcome(0, attempt, digests(&[Some("c"), Some("d")]));
        if let Arrived::Outcome { outcome, .. } = &mut other {
            outcome.address.plan = plan.rest(&open);
        }
        world.event(other);
    }
    assert_eq!((world.counts().tasks_done, &world.counts().dropped["another plan"]), (0, &3));
    // The attempt number does not matter: an owner that starts again counts from 1.
    assert!(wants_report(&world.says(None, digests(&[Some("a"), Some("b")]), None)));
    let answer = world.ledger().store().answer(&job(), 0).expect("it can be read").expect("an answer").expect("done");
    let answer = digest::Answer::parse(&answer, 4).expect("an answer");
    assert_eq!(answer.digests, ["a", "b", "c", "d"].map(|name| Some(digest_of(name))));
}

#[test]
fn who_could_not_do_it_is_not_asked_again_after_a_restart() {
    let mut world = World::new();
    world.opens(&spec());
    world.plans(0, batch(&["a", "b"]), 2);
    world.first_says(digests(&[None, Some("b")]), None);
    // No consumer has sent a heartbeat yet.
    let actions = world.restart(true);
    let [task] = published(&actions)[..] else { panic!("one task") };
    assert_eq!(task.avoid, [first()]);
    // No other consumer has come for long, so the first one may be asked again.
    world.pass(shared::protocol::limits::HEARTBEAT * 6);
    let actions = world.event(Event::Interrupted);
    let [task] = published(&actions)[..] else { panic!("one task") };
    assert_eq!(task.avoid, []);
}

#[test]
fn a_file_that_had_changed_is_read_again_and_a_copy_without_times_stays_one() {
    let mut world = World::new();
    world.opens(&spec());
    world.plans(0, batch(&["a", "b", "c"]), 3);
    let differing = Differing { untimed: vec![0], changed: vec![1] };
    let digests = ["a", "b", "c"].map(|name| Some(digest_of(name))).into();
    let answer = digest::Answer { digests, failed: Vec::new(), bytes: 30, differing };
    let verdict = |answer: &digest::Answer| Verdict::Done(Payload::of(answer));
    world.answer(0, 1, verdict(&answer));
    assert_eq!((world.counts().items_untimed, world.counts().items_changed), (1, 1));
    world.opens(&spec());
    let actions = world.plans(0, batch(&["a", "b", "c"]), 3);
    let [task] = published(&actions)[..] else { panic!("one task") };
    assert_eq!(Batch::parse(&task.body).expect("a batch").files, names(&["b"]));
    world.end_plan(1);
    let differing = Differing { untimed: vec![0], changed: Vec::new() };
    let rest = digest::Answer { digests: vec![Some(digest_of("B"))], failed: Vec::new(), bytes: 10, differing };
    assert!(wants_report(&world.answer(0, 1, verdict(&rest))));
    let counts = world.counts();
    assert_eq!((counts.items_kept, counts.items_untimed, counts.items_changed), (2, 2, 0));
}

/// Word frequencies come in parts, from each consumer that had some of the files.
#[test]
fn the_words_of_a_task_that_two_have_done_are_taken_over_whole() {
    let JobSpec::Digest(Spec { files: selection, .. }) = spec() else { panic!("a spec of files") };
    let manner = words::Manner { frequencies: true, ..words::Manner::default() };
    let spec = JobSpec::Words(words::Spec { manner, files: selection });
    let body = |items: &[&str]| Payload::of(&words::Batch { manner, files: names(items) });
    let said = |results: &[Option<&str>]| {
        let (mut check, counts) = (words::Check::default(), words::Counts { words: 1, ..words::Counts::default() });
        results.iter().flatten().for_each(|word| check.add(word.as_bytes(), 1));
        let counts = results.iter().map(|result| result.map(|_| counts)).collect();
        let answer = words::Answer { counts, failed: left(results), check, differing: Differing::default() };
        Verdict::Done(Payload::of(&answer))
    };
    let part = |world: &mut World, run: &str, words: &[&str]| {
        for (number, word) in (0..).zip(words) {
            let (address, run) = (world.address(0, 1), RunId::from_name(run.as_bytes()));
            let part =
                Part { address, run, number, item: None, body: Payload::bytes(format!("1\t{word}\n").into_bytes()) };
            world.event(Arrived::Part { part: Box::new(part), tag: None });
        }
    };
    let found = |world: &World| {
        let reader = Reader::open(&world.path).expect("the store can be read");
        let (mut found, mut after) = (Vec::new(), None);
        while let Some((place, body)) = reader.next_part(&job(), after.as_ref()).expect("a part") {
            found.push(String::from_utf8_lossy(&body).trim_end().rsplit('\t').next().expect("it").to_owned());
            after = Some(place);
        }
        found.sort();
        found
    };
    let mut world = World::new();
    world.opens(&spec);
    world.plans(0, body(&["a", "b", "c"]), 3);
    part(&mut world, "one", &["a"]);
    world.first_says(said(&[Some("a"), None, None]), Some(("one", 1)));
    // The second consumer has only one of the two open files.
    part(&mut world, "two", &["b"]);
    world.says(None, said(&[Some("b"), None]), Some(("two", 1)));
    assert_eq!((world.counts().tasks_done, found(&world)), (1, vec!["a".to_owned(), "b".to_owned()]));
    // After another opening, the missing file is asked for again, and another consumer has it.
    world.opens(&spec);
    let actions = world.plans(0, body(&["a", "b", "c"]), 3);
    assert_eq!(words::Batch::parse(&published(&actions)[0].body).expect("a batch").files, names(&["c"]));
    let actions = world.first_says(said(&[None]), None);
    assert_eq!(published(&actions).len(), 1, "another one is asked");
    part(&mut world, "three", &["c", "cc"]);
    world.says(None, said(&[Some("c")]), Some(("three", 2)));
    assert_eq!(found(&world), ["a", "b", "c", "cc"]);
    // Two more openings take all of it over.
    for _ in 0..2 {
        world.opens(&spec);
        assert_eq!(published(&world.plans(0, body(&["a", "b", "c"]), 3)).len(), 0);
        world.plans(1, body(&["d"]), 1);
        world.end_plan(2);
        for _ in 0..4 {
            world.pass(Duration::from_millis(250));
        }
        assert_eq!(found(&world), ["a", "b", "c", "cc"]);
    }
}
