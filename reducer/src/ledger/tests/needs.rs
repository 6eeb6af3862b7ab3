//! Tasks that need others.

use shared::protocol::limits::{self, MESSAGE_BYTES_MAX};
use shared::protocol::message::{Notes, ReportOf};
use shared::protocol::workload::steps::{self, Whip};

use super::*;

/// A job of steps whose tasks need others.
struct Steps {
    world: World,
    job: JobId,
    hash: PlanHash,
}

fn job_spec() -> steps::Spec {
    steps::Spec { caravan: job(), rider: 0, whips: 100, needs: 1 }
}

impl Steps {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(configure: fn(&mut Config)) -> Self {
        let (mut world, spec) = (World::with(configure), job_spec());
        let job = spec.job();
        world.event(super::opening(job.clone(), JobSpec::Steps(spec)));
        Self { world, job, hash: PlanHash::start() }
    }

    fn status(&self) -> JobStatus {
        self.world.ledger().owner().status(&self.job, self.world.now).expect("it is known")
    }

    fn plan(&mut self, number: u64, needs: &[u64]) -> Vec<Sent> {
        self.plan_body(number, needs, Payload::of(&Whip { intensity: number }))
    }

    fn plan_body(&mut self, number: u64, needs: &[u64], body: Payload) -> Vec<Sent> {
        let notes = Notes { needs: needs.to_vec(), ..Notes::default() };
        let planned = Planned { number, class: steps::class(), body: Some(body), items: 1, bytes: 0, notes, at: None };
        let place = Place { opening: self.status().opening, after: self.hash.clone() };
        self.hash = planned.hash(&self.hash);
        let job = self.job.clone();
        sent(&self.world.event(Arrived::Planned { job, place, planned: Box::new(planned), tag: None }))
    }

    fn end(&mut self, tasks: u64) -> Vec<Action> {
        let place = Place { opening: self.status().opening, after: self.hash.clone() };
        let plan_end = PlanEnd { job: self.job.clone(), tasks };
        self.world.event(Event::PlanEnd { plan_end, place, tag: None })
    }

    fn says(&mut self, number: u64, verdict: Verdict) -> Vec<Action> {
        let task = TaskId { job: self.job.clone(), number };
        let plan = self.world.ledger().known(&task).expect("it can be read").expect("it is planned").plan;
        let (opening, owner, workload) = (self.status().opening, owner(), Workload::Steps);
        let address = Address { task, opening, plan, attempt: 1, owner, workload };
        let (host, consumer) = ("h".to_owned(), None);
        let outcome = Outcome { address, consumer, host, micros: 1, redelivered: false, verdict, parts: None };
        self.world.event(Arrived::Outcome { outcome: Box::new(outcome), tag: None })
    }

    fn takes(&mut self, number: u64, steps: u64) -> Vec<Action> {
        self.says(number, Verdict::Done(Payload::of(&steps::Answer { steps })))
    }

    fn failures(&self) -> Vec<String> {
        let opening = self.world.ledger().owner().status(&self.job, self.world.now).expect("the job is known").opening;
        let (path, of) = (&self.world.path, ReportOf::Failures);
        let chunk = crate::report::chunk(path, &self.job, &opening, of, Default::default(), 1 << 20);
        let text = shared::protocol::path::from_base64(&chunk.expect("a report").text_base64).expect("base64");
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let reason = |line| serde_json::from_slice::<serde_json::Value>(line).expect("JSON")["reason"].clone();
        lines.map(|line| reason(line).as_str().expect("text").to_owned()).collect()
    }
}

/// The intensities that were sent, by number of task.
fn bodies(actions: &[Action]) -> Vec<(u64, u64)> {
    let body = |action: &Action| match action {
        Action::Publish(task) => Some((task.address.task.number, Whip::parse(&task.body).expect("a whip").intensity)),
        Action::Other(_) => None,
    };
    actions.iter().filter_map(body).collect()
}

fn broken() -> Verdict {
    Verdict::Permanent(Failure { reason: "it cannot".to_owned(), stderr: String::new() })
}

#[test]
fn a_task_goes_out_when_all_that_it_needs_is_answered_with_a_body_made_of_the_answers() {
    let mut steps = Steps::new();
    assert_eq!((steps.plan(0, &[]), steps.plan(1, &[]), steps.plan(2, &[0, 1])), (vec![(0, 1)], vec![(1, 1)], vec![]));
    assert_eq!(steps.plan(3, &[2]), []);
    steps.end(4);
    assert_eq!(bodies(&steps.takes(1, 10)), []);
    assert_eq!(bodies(&steps.takes(0, 20)), [(2, 2 + 10 + 20)]);
    assert_eq!(bodies(&steps.takes(0, 20)), [], "a repeat releases nothing");
    assert_eq!(bodies(&steps.takes(2, 32)), [(3, 3 + 32)]);
    assert!(wants_report(&steps.takes(3, 35)));
    assert_eq!((steps.status().counts.tasks_done, steps.status().counts.sends), (4, 4));
}

#[test]
fn a_need_that_is_answered_before_the_task_is_planned_is_no_wait() {
    let mut steps = Steps::new();
    steps.plan(0, &[]);
    steps.takes(0, 7);
    assert_eq!(steps.plan(1, &[0]), [(1, 1)]);
}

#[test]
fn what_waits_and_what_was_released_survives_a_restart() {
    let mut steps = Steps::with(|config| config.window_min = 1);
    steps.plan(0, &[]);
    steps.plan(1, &[0]);
    steps.plan(2, &[0]);
    steps.plan(3, &[1, 2]);
    steps.end(4);
    steps.world.restart(false);
    // One of the two is sent, the other waits for its turn.
    assert_eq!(bodies(&steps.takes(0, 5)), [(1, 6)]);
    assert_eq!(sent(&steps.world.restart(true)), [(1, 2)], "what was out is out again, and the window is full");
    assert_eq!(bodies(&steps.takes(1, 6)), [(2, 7)]);
    steps.world.restart(false);
    assert_eq!(bodies(&steps.takes(2, 7)), [(3, 3 + 6 + 7)]);
    assert!(wants_report(&steps.takes(3, 16)));
}

#[test]
fn what_needs_a_failed_task_fails_with_its_cause_however_long_the_chain() {
    let mut steps = Steps::new();
    steps.plan(0, &[]);
    (1..50).for_each(|number| drop(steps.plan(number, &[number - 1])));
    steps.plan(50, &[]);
    steps.end(51);
    steps.takes(50, 50);
    let mut actions = steps.says(0, broken());
    while steps.world.ledger().has_more() {
        actions.extend(steps.world.turn(Vec::new()));
    }
    assert!(wants_report(&actions));
    let counts = steps.status().counts;
    assert_eq!((counts.tasks_done, counts.tasks_failed, counts.items_failed, counts.sends), (1, 50, 50, 2));
    let failures = steps.failures();
    assert!(failures[0].starts_with("it cannot (given up after attempt 1"), "{failures:?}");
    let reason = format!("it needs task {}.0, which failed: it cannot", steps.job);
    assert!(failures[1..].iter().all(|failure| *failure == reason), "{failures:?}");
}

#[test]
fn a_failure_that_was_not_passed_on_before_a_restart_is_passed_on_after_it() {
    let mut steps = Steps::new();
    steps.plan(0, &[]);
    (1..9).for_each(|number| drop(steps.plan(number, &[number - 1])));
    steps.end(9);
    steps.says(0, broken());
    assert!(steps.world.ledger().has_more(), "a turn passes on some of it only");
    let mut actions = steps.world.restart(false);
    while steps.world.ledger().has_more() {
        actions.extend(steps.world.turn(Vec::new()));
    }
    assert!(wants_report(&actions));
    assert_eq!(steps.status().counts.tasks_failed, 9);
}

#[test]
fn replayed_tasks_wait_for_the_replayed_ones_that_they_need() {
    let mut steps = Steps::new();
    steps.plan(0, &[]);
    steps.plan(1, &[0]);
    steps.end(2);
    steps.says(0, broken());
    while steps.world.ledger().has_more() {
        steps.world.turn(Vec::new());
    }
    let (job, opening, sha256) = (steps.job.clone(), steps.status().opening, "00".to_owned());
    steps.world.event(Event::Reported { job, opening, sha256 });
    let replay = |filter: Option<String>| Arrived::Replay { filter, openings: None, reply: ReplyTo::Local(0) };
    // Alone it fails again, as what it needs is still failed.
    let alone = format!("{}.1", steps.job);
    assert_eq!(sent(&steps.world.event(replay(Some(alone)))), []);
    assert_eq!(steps.status().counts.tasks_failed, 2);
    let (job, opening, sha256) = (steps.job.clone(), steps.status().opening, "00".to_owned());
    steps.world.event(Event::Reported { job, opening, sha256 });
    assert_eq!(sent(&steps.world.event(replay(None))), [(0, 2)]);
    assert_eq!(bodies(&steps.takes(0, 4)), [(1, 5)]);
    assert!(wants_report(&steps.takes(1, 5)));
    assert_eq!(steps.status().counts.tasks_done, 2);
}

#[test]
fn a_body_that_cannot_be_made_or_fits_no_message_fails_its_task_alone() {
    let mut steps = Steps::new();
    steps.plan(0, &[]);
    steps.plan_body(1, &[0], Payload::json("nonsense"));
    let long = format!(r#"{{"intensity":1{}}}"#, " ".repeat(MESSAGE_BYTES_MAX));
    steps.plan_body(2, &[], Payload::json(long));
    steps.plan(3, &[0]);
    steps.end(4);
    assert_eq!(bodies(&steps.takes(0, 1)), [(3, 4)]);
    assert!(steps.world.ledger().has_more());
    steps.world.turn(Vec::new());
    assert_eq!(steps.status().counts.tasks_failed, 1);
    let counted =
        steps.world.event(Arrived::Explain { job: steps.job.clone(), number: Some(1), reply: ReplyTo::Local(0) });
    let told = format!("{counted:?}");
    assert!(told.contains("its body cannot be made of the answers that it needs"), "{told}");
    assert_eq!(bodies(&steps.takes(3, 4)), []);
}

#[test]
fn needs_that_no_honest_producer_sends_are_refused() {
    let mut steps = Steps::new();
    steps.plan(0, &[]);
    for needs in [vec![1], vec![2], vec![0, 0], (0..=limits::NEEDS_MAX as u64).collect()] {
        let notes = Notes { needs, ..Notes::default() };
        let body = Some(Payload::of(&Whip { intensity: 1 }));
        let planned = Planned { number: 1, class: steps::class(), body, items: 1, bytes: 0, notes, at: None };
        let place = Place { opening: steps.status().opening, after: steps.hash.clone() };
        let (job, tag) = (steps.job.clone(), steps.world.tag());
        let settled = settled(&steps.world.event(Arrived::Planned { job, place, planned: Box::new(planned), tag }));
        assert!(settled[0].contains("cannot be planned"), "{settled:?}");
    }
    assert_eq!(steps.status().counts.tasks_planned, 1);
}

#[test]
fn a_permanent_failure_is_not_tried_again() {
    let mut world = World::new();
    world.open_with(1);
    assert!(wants_report(&world.answer(0, 1, broken())));
    assert_eq!(world.counts().tasks_failed, 1);
}

#[test]
fn a_task_that_waits_says_for_how_many() {
    let mut steps = Steps::new();
    steps.plan(0, &[]);
    steps.plan(1, &[]);
    steps.plan(2, &[0, 1]);
    let explain = Arrived::Explain { job: steps.job.clone(), number: Some(2), reply: ReplyTo::Local(0) };
    let told = format!("{:?}", steps.world.event(explain));
    assert!(told.contains("waits for 2 tasks that it needs"), "{told}");
}

/// Jobs that share a queue take turns, and those of a higher priority go first.
#[test]
fn jobs_share_a_window_by_priority_and_in_turns() {
    let mut world = World::with(|config| config.window_min = 2);
    let names = ["low", "a", "b", "high"];
    let job = |name: &str| JobId::from_name(name.as_bytes());
    let mut out = Vec::new();
    let ids = |actions: &[Action]| {
        let id = |action: &Action| match action {
            Action::Publish(task) => Some(task.address.task.to_string()),
            Action::Other(_) => None,
        };
        actions.iter().filter_map(id).collect::<Vec<_>>()
    };
    for name in names {
        let priority = match name {
            "low" => -1,
            "high" => 1,
            _ => 0,
        };
        let request = JobRequest { priority, ..JobRequest::new(job(name), spec()) };
        let opening = OpeningId::from_name(name.as_bytes());
        world.event(Arrived::Open { request: Box::new(request), opening, reply: ReplyTo::Local(0) });
        let opening = world.opening_of(name);
        let mut hash = PlanHash::start();
        for number in 0..3 {
            let planned = planned(number, 1);
            let place = Place { opening: opening.clone(), after: hash.clone() };
            hash = planned.hash(&hash);
            let planned = Box::new(planned);
            out.extend(ids(&world.event(Arrived::Planned { job: job(name), place, planned, tag: None })));
        }
    }
    assert_eq!(out, ["low.0", "low.1"], "they were there first");
    let mut at = 0;
    while at < out.len() {
        let task: TaskId = out[at].parse().expect("an id");
        let known = world.ledger().known(&task).expect("it can be read").expect("it is planned");
        let opening = world.opening_of(task.job.as_str());
        let address =
            Address { task, opening, plan: known.plan, attempt: 1, owner: owner(), workload: Workload::Digest };
        let (host, verdict) = ("h".to_owned(), done(1));
        let outcome = Outcome { address, consumer: None, host, micros: 1, redelivered: false, verdict, parts: None };
        out.extend(ids(&world.event(Arrived::Outcome { outcome: Box::new(outcome), tag: None })));
        at += 1;
    }
    let after: Vec<&str> = out[2..].iter().map(String::as_str).collect();
    let turns = ["high.0", "high.1", "high.2", "a.0", "b.0", "a.1", "b.1", "a.2", "b.2", "low.2"];
    assert_eq!(after, turns);
}
