//! Jobs that are opened again because their files have changed. Answers for unchanged files are
//! taken over.

use shared::protocol::id::{RunId, hex};
use shared::protocol::message::{Part, Parts};
use shared::protocol::workload::files::Times;
use shared::protocol::workload::words;

use super::*;
use crate::store::Reader;

/// A file whose times differ for each version.
fn file(name: &str, version: i64) -> Item {
    let times = Some(Times { modified: version, changed: version });
    Item { path: PathBytes(name.as_bytes().to_vec()), size: 10, times }
}

fn files(items: &[&Item]) -> Files {
    Files {
        links: Links::Skip,
        root: "r".to_owned(),
        items: items.iter().copied().cloned().collect(),
        strict_times: false,
    }
}

fn planned_files(number: u64, items: &[&Item]) -> Planned {
    let batch = Batch { algorithm: Algorithm::Sha1, files: files(items) };
    Planned {
        body: Some(Payload::of(&batch)),
        items: items.len() as u32,
        bytes: items.len() as u64 * 10,
        notes: Notes::default(),
        ..planned(number, 1)
    }
}

/// A digest that encodes the file's name and version.
fn digest(name: &str, version: i64) -> String {
    format!("{:0>36}{version:04}", hex(name.as_bytes()))
}

fn digests(items: &[&Item]) -> Verdict {
    let of = |item: &&Item| {
        digest(&String::from_utf8_lossy(item.path.as_bytes()), item.times.map_or(0, |times| times.modified))
    };
    let digests: Vec<String> = items.iter().map(of).collect();
    Verdict::Done(Payload::of(&serde_json::json!({"digests": digests, "bytes": 10 * items.len()})))
}

fn asked(instead_of: Option<OpeningId>) -> JobRequest {
    JobRequest { origin: Some(Origin::of(b"here")), instead_of, ..JobRequest::new(job(), spec()) }
}

impl World {
    fn open_as(&mut self, request: JobRequest) -> Opened {
        let before = request.instead_of.as_ref().map_or("", OpeningId::as_str);
        let opening = OpeningId::from_name(format!("{before}x").as_bytes());
        self.hashes = BTreeMap::from([(0, PlanHash::start())]);
        opened(&self.event(Arrived::Open { request: Box::new(request), opening, reply: ReplyTo::Local(0) }))
    }

    fn plan_files(&mut self, tasks: &[&[&Item]]) -> Vec<Action> {
        let mut actions = Vec::new();
        for (number, items) in (0..).zip(tasks) {
            actions.extend(self.plan_task(planned_files(number, items)));
        }
        actions.extend(self.end_plan(tasks.len() as u64));
        actions
    }

    /// Opens the job again, with this plan.
    fn anew(&mut self, tasks: &[&[&Item]]) -> Vec<Action> {
        let instead_of = Some(self.opening());
        self.open_as(asked(instead_of));
        self.plan_files(tasks)
    }

    fn report_text(&self) -> String {
        let mut render = crate::report::Render::new(&self.path, &job(), crate::report::Format::Text).expect("a report");
        let mut text = Vec::new();
        render.write_up_to(u64::MAX, &mut text, &mut |_| {}).expect("it is written");
        String::from_utf8(text).expect("text")
    }
}

/// The names of the files that each published task asks for.
fn asked_for(actions: &[Action]) -> Vec<Vec<String>> {
    let names = |action: &Action| match action {
        Action::Publish(task) => {
            let files = Batch::parse(&task.body).expect("a batch").files;
            let name = |item: &Item| String::from_utf8_lossy(item.path.as_bytes()).into_owned();
            Some(files.items.iter().map(name).collect())
        }
        Action::Other(_) => None,
    };
    actions.iter().filter_map(names).collect()
}

fn lines(items: &[&Item]) -> String {
    let Verdict::Done(answer) = digests(items) else { unreachable!() };
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    let line = |(item, digest): (&&Item, &serde_json::Value)| {
        format!("{}  r/{}\n", digest.as_str().expect("a digest"), String::from_utf8_lossy(item.path.as_bytes()))
    };
    items.iter().zip(answer["digests"].as_array().expect("digests")).map(line).collect()
}

#[test]
fn what_is_as_it_was_is_taken_over_and_the_rest_is_asked_for() {
    let mut world = World::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| file(name, 1));
    world.open_as(asked(None));
    world.plan_files(&[&[&a, &b], &[&c, &d]]);
    world.answer(0, 1, digests(&[&a, &b]));
    world.answer(1, 1, digests(&[&c, &d]));
    // File b has changed, c is gone, and e is new. The tasks hold other files than before.
    let (b2, e) = (file("b", 2), file("e", 1));
    let now = [&a, &b2, &d, &e];
    let actions = world.anew(&[&now[..3], &now[3..]]);
    assert_eq!(asked_for(&actions), [vec!["b"], vec!["e"]]);
    assert_eq!((world.counts().items_kept, world.counts().items_done, world.counts().tasks_done), (2, 0, 0));
    world.restart(false);
    world.answer(0, 1, digests(&[&b2]));
    assert!(wants_report(&world.answer(1, 1, digests(&[&e]))));
    assert_eq!((world.counts().items_done, world.counts().bytes_done), (4, 40));
    assert_eq!(world.report_text(), lines(&now));
}

#[test]
fn a_task_that_is_taken_over_whole_is_not_sent_and_counts_at_once() {
    let mut world = World::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| file(name, 1));
    world.open_as(asked(None));
    world.plan_files(&[&[&a, &b], &[&c]]);
    world.answer(0, 1, digests(&[&a, &b]));
    let c2 = file("c", 2);
    let actions = world.anew(&[&[&a, &b], &[&c2]]);
    assert_eq!(asked_for(&actions), [vec!["c"]]);
    assert_eq!((world.counts().tasks_done, world.counts().items_kept, world.counts().sends), (1, 2, 1));
    world.restart(false);
    assert!(wants_report(&world.answer(1, 1, digests(&[&c2]))));
    assert_eq!(world.report_text(), lines(&[&a, &b, &c2]));
}

/// An answer for the earlier opening comes late, and so does a part of its plan.
#[test]
fn nothing_that_comes_late_for_the_opening_before_counts() {
    let mut world = World::new();
    let [a, b] = ["a", "b"].map(|name| file(name, 1));
    world.open_as(asked(None));
    world.plan_files(&[&[&a], &[&b]]);
    let late = world.outcome(0, 1, digests(&[&file("a", 9)]));
    let actions = world.anew(&[&[&a], &[&file("b", 2)]]);
    assert_eq!(asked_for(&actions), [vec!["a"], vec!["b"]]);
    world.event(late);
    assert_eq!(world.counts().tasks_done, 0);
    assert_eq!(world.counts().dropped, [("another opening".to_owned(), 1)].into());
}

/// A run is killed while it plans again, and the tree changes once more.
#[test]
fn what_two_openings_before_had_is_taken_over() {
    let mut world = World::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| file(name, 1));
    world.open_as(asked(None));
    world.plan_files(&[&[&a], &[&b], &[&c]]);
    for (number, item) in (0..).zip([&a, &b, &c]) {
        world.answer(number, 1, digests(&[item]));
    }
    let instead_of = Some(world.opening());
    world.open_as(asked(instead_of));
    world.plan_task(planned_files(0, &[&file("a", 2)]));
    world.restart(false);
    let actions = world.anew(&[&[&file("a", 3)], &[&b], &[&c]]);
    assert_eq!(asked_for(&actions), [vec!["a"]]);
    assert!(wants_report(&world.answer(0, 1, digests(&[&file("a", 3)]))));
    assert_eq!(world.report_text(), lines(&[&file("a", 3), &b, &c]));
}

#[test]
fn without_times_nothing_is_taken_over() {
    let mut world = World::new();
    let bare = Item { times: None, ..file("a", 1) };
    world.open_as(asked(None));
    world.plan_files(&[&[&bare]]);
    world.answer(0, 1, digests(&[&bare]));
    assert_eq!(asked_for(&world.anew(&[&[&bare], &[&file("b", 1)]])), [vec!["a"], vec!["b"]]);
}

#[test]
fn what_was_taken_over_from_leaves_the_store() {
    let mut world = World::new();
    let all: Vec<Item> = (0..200).map(|number| file(&format!("{number:03}"), 1)).collect();
    let all: Vec<&Item> = all.iter().collect();
    let tasks: Vec<&[&Item]> = all.chunks(1).collect();
    world.open_as(asked(None));
    world.plan_files(&tasks);
    for (number, items) in (0..).zip(&tasks) {
        world.answer(number, 1, digests(items));
    }
    world.anew(&tasks[1..]);
    let rows = |world: &World| {
        let store = rusqlite::Connection::open(&world.path).expect("the store");
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            store.query_row(&sql, [], |row| row.get::<_, u64>(0)).expect("a count")
        };
        [count("jobs"), count("tasks"), count("outcomes")]
    };
    assert_eq!(rows(&world), [2, 399, 399]);
    for _ in 0..8 {
        world.pass(Duration::from_millis(250));
    }
    assert_eq!(rows(&world), [1, 199, 199]);
    assert_eq!(world.counts().items_kept, 199);
}

/// Word frequencies are known only for all files of a task together.
#[test]
fn the_words_of_a_task_are_taken_over_with_their_parts_if_all_its_files_are_as_they_were() {
    let JobSpec::Digest(Spec { files: selection, .. }) = spec() else { panic!("a spec of files") };
    let manner = words::Manner { frequencies: true, ..words::Manner::default() };
    let words_spec = JobSpec::Words(words::Spec { manner, files: selection });
    let request = |instead_of| JobRequest { spec: words_spec.clone(), ..asked(instead_of) };
    let task = |number, items: &[&Item]| {
        let batch = words::Batch { manner, files: files(items) };
        Planned { body: Some(Payload::of(&batch)), ..planned_files(number, items) }
    };
    let [a, b, c] = ["a", "b", "c"].map(|name| file(name, 1));
    let mut world = World::new();
    world.open_as(request(None));
    world.plan_task(task(0, &[&a, &b]));
    world.plan_task(task(1, &[&c]));
    world.end_plan(2);
    let mut check = words::Check::default();
    check.add(b"x", 2);
    let counts = words::Counts { lines: 1, words: 1, characters: 2, bytes: 2 };
    let answer =
        words::Answer { counts: vec![Some(counts); 2], failed: Vec::new(), check, differing: Default::default() };
    let run = RunId::from_name(b"run");
    let address = world.address(0, 1);
    let part = Part { address, run: run.clone(), number: 0, item: None, body: Payload::bytes(&b"2\tx\n"[..]) };
    world.event(Arrived::Part { part: Box::new(part), tag: None });
    let mut outcome = world.outcome(0, 1, Verdict::Done(Payload::of(&answer)));
    if let Arrived::Outcome { outcome, .. } = &mut outcome {
        outcome.parts = Some(Parts { run, count: 1 });
    }
    world.event(outcome);
    assert_eq!(world.counts().tasks_done, 1);
    let instead_of = Some(world.opening());
    world.open_as(request(instead_of));
    assert_eq!(sent(&world.plan_task(task(0, &[&a, &b]))), []);
    assert_eq!(sent(&world.plan_task(task(1, &[&file("c", 2)]))), [(1, 1)]);
    world.end_plan(2);
    for _ in 0..4 {
        world.pass(Duration::from_millis(250));
    }
    let none = words::Answer {
        counts: vec![Some(counts)],
        failed: Vec::new(),
        check: words::Check::default(),
        differing: Default::default(),
    };
    world.answer(1, 1, Verdict::Done(Payload::of(&none)));
    let reader = Reader::open(&world.path).expect("the store can be read");
    let (_, body) = reader.next_part(&job(), None).expect("it can be read").expect("a part");
    assert_eq!(&body[..], b"2\tx\n");
}
