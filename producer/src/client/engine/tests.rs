//! A submission in virtual time: lost requests, owners that lose their store, delayed plan ends.

mod anew;
mod process;
mod queue;

use std::time::Duration;

use shared::protocol::id::{Class, JobId, PlanHash};
use shared::protocol::job::{Counts, JobState};
use shared::protocol::message::Notes;
use shared::protocol::workload::steps;

use super::*;

struct Bench {
    submission: Submission,
    now: Moment,
}

impl Bench {
    fn new(wait: bool) -> Self {
        Self::on(Road::Broker, wait)
    }

    fn on(road: Road, wait: bool) -> Self {
        let submission = Submission::new(Config {
            owner: OwnerId::from_name(b"main"),
            spec: spec(),
            wait,
            recheck: true,
            broker: "amqp://b".to_owned(),
            road,
            can_plan_again: road != Road::Queue,
            look: limits::STATUS_INTERVAL,
        });
        Self { submission, now: Duration::from_secs(1_000) }
    }

    fn step(&mut self, event: Event) -> Vec<String> {
        self.submission.step(event, self.now).iter().map(name).collect()
    }

    fn reply(&mut self, reply: Reply) -> Vec<String> {
        self.step(Event::Replied(Some(reply)))
    }

    fn pass(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.step(Event::Tick)
    }

    /// A submission whose job is open, and that has planned the owner's `known` tasks again.
    fn planning(wait: bool, known: u64) -> Self {
        let mut bench = Self::new(wait);
        assert_eq!(bench.step(Event::Tick), ["ask open"]);
        bench.open(known, None);
        bench
    }

    fn open(&mut self, known: u64, plan_end: Option<u64>) {
        assert_eq!(self.reply(opened(known, plan_end)), ["opened", "plan 0"]);
        for number in 0..known {
            assert!(self.step(Event::Planned(Box::new(planned(number)))).is_empty(), "its owner has {number}");
        }
    }

    fn plan(&mut self, number: u64) {
        assert_eq!(self.step(Event::Planned(Box::new(planned(number)))), [format!("publish {number}")]);
    }
}

fn name(action: &Action) -> String {
    match action {
        Action::AskOpen { instead_of: None } => "ask open".to_owned(),
        Action::AskOpen { instead_of: Some(opening) } => format!("ask open instead of {opening}"),
        Action::AskStatus => "ask status".to_owned(),
        Action::Opened(_) => "opened".to_owned(),
        Action::StartPlan { from } => format!("plan {from}"),
        Action::Settled => "settled".to_owned(),
        Action::Publish { planned, .. } => format!("publish {}", planned.number),
        Action::EndPlan { tasks, .. } => format!("plan end {tasks}"),
        Action::Say(text) => format!("say {text}"),
        Action::Done(status) => format!("done {}", status.is_some()),
        Action::Refused(reason) => format!("refused {reason}"),
        Action::Overtaken => "overtaken".to_owned(),
        Action::Forgotten => "forgotten".to_owned(),
    }
}

fn job() -> JobId {
    JobId::from_name(b"job")
}

fn spec() -> JobSpec {
    JobSpec::Steps(steps::Spec { caravan: job(), rider: 0, whips: 1, needs: 0 })
}

fn planned(number: u64) -> Planned {
    let (class, notes) = (Class::from_name(b"any"), Notes::default());
    Planned { number, class, body: None, items: 0, bytes: 0, notes, at: None }
}

/// Hash of the plan's first tasks.
fn hash(tasks: u64) -> PlanHash {
    (0..tasks).fold(PlanHash::start(), |hash, number| planned(number).hash(&hash))
}

fn opening() -> OpeningId {
    OpeningId::from_name(b"first")
}

fn opened(planned: u64, plan_end: Option<u64>) -> Reply {
    let owner = OwnerId::from_name(b"main");
    Reply::Opened(Opened {
        job: job(),
        opening: opening(),
        owner,
        planned,
        after: hash(planned),
        plan_end,
        ended: None,
    })
}

fn status(state: JobState, unserved: &[&str]) -> Reply {
    Reply::Status(Box::new(JobStatus {
        schema: 1,
        job: job(),
        opening: opening(),
        owner: OwnerId::from_name(b"main"),
        workload: spec().workload(),
        state,
        counts: Counts { tasks_planned: 1, tasks_open: 1, ..Counts::default() },
        consumers: 0,
        unserved: unserved.iter().map(ToString::to_string).collect(),
        waits: None,
        plan: None,
        seconds: 1.0,
        report_sha256: None,
        sum: None,
    }))
}

#[test]
fn a_job_is_opened_planned_sealed_and_waited_for() {
    let mut bench = Bench::planning(true, 0);
    bench.plan(0);
    bench.plan(1);
    assert!(bench.step(Event::Confirmed(0)).is_empty());
    assert!(bench.step(Event::Confirmed(1)).is_empty());
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 2"]);
    assert!(bench.step(Event::PlanEndConfirmed).is_empty());
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    assert!(bench.reply(status(JobState::Running, &[])).is_empty());
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    assert_eq!(bench.reply(status(JobState::Finished, &[])), ["done true"]);
    assert!(bench.pass(Duration::from_secs(60)).is_empty());
}

#[test]
fn the_plan_end_waits_for_every_confirm() {
    let mut bench = Bench::planning(true, 5);
    for number in 5..8 {
        bench.plan(number);
    }
    assert!(bench.step(Event::PlanEnded).is_empty());
    assert!(bench.step(Event::Confirmed(7)).is_empty());
    assert!(bench.step(Event::Confirmed(5)).is_empty());
    assert_eq!(bench.step(Event::Confirmed(6)), ["plan end 8"]);
    assert!(bench.step(Event::Confirmed(6)).is_empty(), "ended once");
}

#[test]
fn no_more_is_planned_than_the_window_takes() {
    let mut bench = Bench::planning(true, 0);
    for number in 0..limits::PLAN_WINDOW as u64 {
        assert!(bench.submission.wants_more());
        bench.plan(number);
    }
    assert!(!bench.submission.wants_more());
    // An unconfirmed task 0 limits how far the others may get ahead of it.
    bench.step(Event::Confirmed(3));
    assert!(!bench.submission.wants_more());
    bench.step(Event::Confirmed(0));
    assert!(bench.submission.wants_more());
}

#[test]
fn a_lost_question_is_asked_again_and_the_absent_owner_named_once() {
    let mut bench = Bench::new(true);
    assert_eq!(bench.step(Event::Tick), ["ask open"]);
    assert!(bench.pass(Duration::from_secs(1)).is_empty(), "one question at a time");
    let said = bench.step(Event::Replied(None));
    assert!(said.len() == 1 && said[0].contains("packhorse reducer --broker amqp://b"), "{said:?}");
    for _ in 0..3 {
        assert_eq!(bench.pass(Duration::from_secs(1)), ["ask open"]);
        assert!(bench.step(Event::Replied(None)).is_empty());
    }
    assert_eq!(bench.pass(Duration::from_secs(1)), ["ask open"]);
    bench.open(0, None);
}

#[test]
fn a_late_reply_to_a_question_asked_twice_starts_no_second_plan() {
    let mut bench = Bench::planning(true, 0);
    bench.plan(0);
    assert!(bench.reply(opened(0, None)).is_empty());
    bench.step(Event::Confirmed(0));
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 1"]);
}

#[test]
fn an_owner_that_does_not_know_the_job_any_more_gets_it_again() {
    let mut bench = Bench::planning(true, 0);
    bench.plan(0);
    bench.step(Event::Confirmed(0));
    bench.step(Event::PlanEnded);
    bench.step(Event::PlanEndConfirmed);
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    let said = bench.reply(Reply::UnknownJob);
    assert!(said.len() == 1 && said[0].contains("submitting it again"), "{said:?}");
    assert_eq!(bench.pass(Duration::ZERO), ["ask open"]);
    bench.open(0, None);
    bench.plan(0);
    bench.step(Event::Confirmed(0));
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 1"]);
}

/// The plan was published, and the owner lost it before the broker's confirms arrived.
#[test]
fn what_was_confirmed_before_it_began_again_confirms_nothing_now() {
    let mut bench = Bench::planning(true, 0);
    bench.plan(0);
    bench.step(Event::PlanEnded);
    bench.pass(limits::STATUS_INTERVAL);
    bench.reply(Reply::UnknownJob);
    assert!(bench.step(Event::Confirmed(0)).is_empty());
    assert!(bench.step(Event::PlanEndConfirmed).is_empty());
    assert_eq!(bench.pass(Duration::ZERO), ["ask open"], "its plan had not ended: nothing was opened");
    bench.open(0, None);
}

#[test]
fn a_plan_that_its_owner_has_is_made_again_and_then_waited_for() {
    for (wait, expected) in [(false, ["done false"].as_slice()), (true, &[])] {
        let mut bench = Bench::new(wait);
        bench.step(Event::Tick);
        bench.open(3, Some(3));
        assert_eq!(bench.step(Event::PlanEnded), expected);
    }
    let mut bench = Bench::new(true);
    bench.step(Event::Tick);
    bench.open(3, Some(3));
    bench.step(Event::PlanEnded);
    assert!(!bench.submission.wants_more());
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
}

#[test]
fn a_plan_that_is_not_to_be_made_again_is_only_waited_for() {
    for (wait, expected) in [(false, ["opened", "done false"].as_slice()), (true, &["opened"])] {
        let mut bench = Bench::new(wait);
        bench.submission.config.recheck = false;
        bench.step(Event::Tick);
        assert_eq!(bench.reply(opened(2, Some(2))), expected);
        assert!(!bench.submission.wants_more());
    }
}

#[test]
fn without_waiting_it_is_over_when_the_plan_end_is_confirmed() {
    let mut bench = Bench::planning(false, 0);
    bench.plan(0);
    assert_eq!(bench.pass(Duration::from_secs(60)), ["ask status"], "someone may have cancelled the job");
    assert!(bench.reply(status(JobState::Planning, &["any"])).is_empty());
    assert!(bench.step(Event::PlanEnded).is_empty());
    assert_eq!(bench.step(Event::Confirmed(0)), ["plan end 1"]);
    assert!(bench.step(Event::PlanEndConfirmed).is_empty(), "the broker has it, and may lose it");
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    assert!(bench.reply(status(JobState::Planning, &[])).is_empty());
    assert_eq!(bench.pass(limits::STATUS_INTERVAL), ["ask status"]);
    assert_eq!(bench.reply(status(JobState::Running, &["any"])), ["done false"]);
    assert!(bench.pass(Duration::from_secs(60)).is_empty());
}

#[test]
fn who_does_not_wait_sends_again_what_its_owner_never_got() {
    let mut bench = Bench::planning(false, 0);
    bench.plan(0);
    bench.step(Event::PlanEnded);
    bench.step(Event::Confirmed(0));
    bench.step(Event::PlanEndConfirmed);
    bench.pass(limits::STATUS_INTERVAL);
    assert!(bench.reply(status(JobState::Planning, &[])).is_empty());
    assert_eq!(bench.pass(limits::PLAN_SILENCE), ["ask status"]);
    let said = bench.reply(status(JobState::Planning, &[]));
    assert!(said.len() == 1 && said[0].contains("planning it again"), "{said:?}");
    assert_eq!(bench.pass(Duration::ZERO), ["ask open"]);
}

#[test]
fn a_cancelled_job_is_planned_no_further_and_its_account_waited_for() {
    for wait in [true, false] {
        let mut bench = Bench::planning(wait, 0);
        bench.plan(0);
        bench.pass(limits::STATUS_INTERVAL);
        let mut cancelled = status(JobState::Cancelled, &[]);
        assert!(bench.reply(cancelled.clone()).is_empty(), "its report is not written");
        assert!(!bench.submission.wants_more());
        assert!(bench.step(Event::Confirmed(0)).is_empty());
        // A cancelled job counts no part of its plan as lost, however long the report takes.
        assert_eq!(bench.pass(limits::PLAN_SILENCE * 2), ["ask status"]);
        assert!(bench.reply(cancelled.clone()).is_empty());
        assert_eq!(bench.pass(limits::PLAN_SILENCE * 2), ["ask status"]);
        if let Reply::Status(status) = &mut cancelled {
            status.report_sha256 = Some("00".to_owned());
        }
        assert_eq!(bench.reply(cancelled), ["done true"]);
        assert!(bench.pass(Duration::from_secs(60)).is_empty());
    }
}

#[test]
fn a_refusal_ends_it() {
    let mut bench = Bench::new(true);
    bench.step(Event::Tick);
    assert_eq!(bench.reply(Reply::Refused { reason: "no".to_owned() }), ["refused no"]);
    assert!(bench.pass(Duration::from_secs(60)).is_empty());
}

#[test]
fn a_class_that_nobody_serves_is_named_once_after_five_seconds() {
    let mut bench = Bench::planning(true, 0);
    let mut said = Vec::new();
    for _ in 0..40 {
        bench.pass(limits::STATUS_INTERVAL);
        let now = bench.now;
        let texts = bench.reply(status(JobState::Running, &["any"]));
        said.extend(texts.into_iter().map(|text| (now, text)));
    }
    let [(at, text)] = said.as_slice() else { panic!("{said:?}") };
    assert!(*at >= Duration::from_secs(1_005), "{at:?}");
    assert!(text.contains("packhorse consumer --broker amqp://b --workload steps"), "{text}");
}

/// The broker confirmed the whole plan, and then lost the owner's queue.
#[test]
fn a_plan_that_was_lost_on_its_way_is_planned_again_from_where_the_owner_stands() {
    let mut bench = Bench::planning(true, 0);
    bench.plan(0);
    bench.plan(1);
    bench.step(Event::Confirmed(0));
    bench.step(Event::Confirmed(1));
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 2"]);
    bench.step(Event::PlanEndConfirmed);
    for _ in 0..2 {
        assert_eq!(bench.pass(limits::PLAN_SILENCE / 2), ["ask status"]);
        assert!(bench.reply(status(JobState::Planning, &[])).is_empty());
    }
    assert_eq!(bench.pass(limits::PLAN_SILENCE / 2), ["ask status"]);
    let said = bench.reply(status(JobState::Planning, &[]));
    assert!(said[0].starts_with("say a part of the plan was lost"), "{said:?}");
    assert_eq!(bench.pass(Duration::ZERO), ["ask open"]);
    bench.open(1, None);
    bench.plan(1);
    bench.step(Event::Confirmed(1));
    assert_eq!(bench.step(Event::PlanEnded), ["plan end 2"]);
}

fn waiting_for(state: JobState, waits: &str) -> Reply {
    let Reply::Status(status) = status(state, &[]) else { unreachable!("a status") };
    Reply::Status(Box::new(JobStatus { waits: Some(waits.to_owned()), ..*status }))
}

/// Only this notice tells the producer's user of a full disk on the reducer's machine.
#[test]
fn what_its_job_waits_for_is_said_once_also_after_it_was_cancelled() {
    for state in [JobState::Running, JobState::Cancelled] {
        let mut bench = Bench::planning(true, 0);
        assert_eq!(bench.step(Event::PlanEnded), ["plan end 0"]);
        assert!(bench.step(Event::PlanEndConfirmed).is_empty());
        bench.pass(limits::STATUS_INTERVAL);
        assert!(bench.reply(waiting_for(state, "disk full")).is_empty());
        bench.pass(limits::NO_CONSUMER_NOTICE);
        assert_eq!(bench.reply(waiting_for(state, "disk full")), ["say job job waits: disk full"]);
        bench.pass(limits::NO_CONSUMER_NOTICE);
        assert!(bench.reply(waiting_for(state, "disk full")).is_empty());
    }
}
