//! Which job a request gets: a new one, an unfinished one, or one that has ended.

use super::*;
use crate::store::Reader;

fn request(id: &str, resume: bool, report: Option<&str>) -> JobRequest {
    let report = report.map(|name| name.parse().expect("a name"));
    let origin = Some(Origin::of(b"here"));
    JobRequest { origin, resume, report, ..JobRequest::new(JobId::from_name(id.as_bytes()), spec()) }
}

impl World {
    fn ask(&mut self, request: JobRequest) -> Opened {
        self.now += Duration::from_secs(1);
        opened(&self.event(asked(request)))
    }

    fn end(&mut self, job: &JobId) {
        self.plan_end_of(job, 0);
        let opening = self.ledger().owner().status(job, self.now).expect("the job is known").opening;
        self.event(Event::Reported { job: job.clone(), opening, sha256: "00".to_owned() });
    }

    fn report_name(&self, job: &str) -> Option<String> {
        let reader = Reader::open(&self.path).expect("the store can be read");
        reader.report_name(&JobId::from_name(job.as_bytes())).expect("the store can be read")
    }
}

/// Each new job gets an opening of its own.
fn asked(request: JobRequest) -> Arrived {
    let before = request.instead_of.as_ref().map_or("", |opening| opening.as_str());
    let opening = OpeningId::from_name(format!("{before}{}-1", request.job).as_bytes());
    Arrived::Open { request: Box::new(request), opening, reply: ReplyTo::Local(0) }
}

fn told(opened: &Opened) -> (&str, Option<&str>) {
    (opened.job.as_str(), opened.ended.as_ref().map(|ended| ended.job.as_str()))
}

#[test]
fn without_an_id_of_its_own_a_request_goes_on_with_what_has_not_ended_and_begins_anew_after_what_has() {
    let mut world = World::new();
    assert_eq!(told(&world.ask(request("a", true, None))), ("a", None));
    assert_eq!(told(&world.ask(request("b", true, None))), ("a", None), "it goes on");
    assert_eq!(told(&world.ask(request("a", true, None))), ("a", None), "the same question again");
    world.end(&JobId::from_name(b"a"));
    let ended_at = world.now.as_secs_f64();
    let anew = world.ask(request("b", true, None));
    assert_eq!((told(&anew), anew.ended.as_ref().map(|ended| ended.at)), (("b", Some("a")), Some(ended_at)));
    world.restart(true);
    assert_eq!(told(&world.ask(request("c", true, None))), ("b", Some("a")), "after a restart as well");
    let old = world.ask(request("a", false, None));
    assert_eq!((told(&old), old.ended.as_ref().map(|ended| ended.state)), (("a", Some("a")), Some(JobState::Finished)));
}

#[test]
fn what_is_cancelled_or_left_behind_by_a_later_job_does_not_go_on() {
    let mut world = World::new();
    world.ask(request("left", true, None));
    // Once this job has ended, the next request without an id opens a new job.
    world.end(&JobId::from_name(b"left"));
    world.ask(request("later", true, None));
    world.event(Event::Cancel { job: JobId::from_name(b"later"), opening: None, reply: ReplyTo::Local(0) });
    let anew = world.ask(request("new", true, None));
    assert_eq!(
        (told(&anew), anew.ended.as_ref().map(|ended| ended.state)),
        (("new", Some("later")), Some(JobState::Cancelled))
    );
    let other = JobRequest { spec: JobSpec::Steps(spec_of_rider()), ..request("other", true, None) };
    assert_eq!(told(&world.ask(other)), ("other", None), "it asks for something else");
    assert_eq!(told(&world.ask(request("named", true, Some("n")))), ("named", None), "its report goes elsewhere");
}

/// A job whose report was given a name writes it under the job's own id once a later job of that
/// name is done.
#[test]
fn no_report_is_named_as_another_job_that_may_write_one_there() {
    let mut world = World::new();
    world.ask(request("n1", false, Some("photos")));
    world.ask(request("n2", false, Some("photos")));
    let refused = |world: &mut World, id, report| {
        let request = Box::new(request(id, false, report));
        let opening = OpeningId::from_name(b"n");
        let reply = world.event(Arrived::Open { request, opening, reply: ReplyTo::Local(0) });
        reply.iter().any(|action| {
            matches!(action, Action::Other(Effect::Reply { reply, .. })
            if matches!(&**reply, Reply::Refused { reason } if reason.contains("another --")))
        })
    };
    assert!(refused(&mut world, "n3", Some("n1")));
    assert!(refused(&mut world, "photos", None) && refused(&mut world, "photos", Some("photos")));
    world.ask(request("n4", false, None));
    assert!(refused(&mut world, "n5", Some("n4")));
    assert!(!refused(&mut world, "n6", Some("n6")));
}

/// Directories may have the same path on two machines, or follow each other at one path.
#[test]
fn what_comes_from_elsewhere_is_another_job_however_it_is_spelt() {
    let mut world = World::new();
    world.ask(request("here", true, None));
    let elsewhere = |id| JobRequest { origin: Some(Origin::of(b"elsewhere")), ..request(id, true, None) };
    assert_eq!(world.ask(elsewhere("there")).job.as_str(), "there");
    world.restart(true);
    assert_eq!(world.ask(elsewhere("there-2")).job.as_str(), "there", "it goes on with its own");
    assert_eq!(world.ask(request("here-2", true, None)).job.as_str(), "here");
    world.ask(request("by-its-id", false, None));
    assert_eq!(world.ask(request("here-3", true, None)).job.as_str(), "here", "a job with an id of its own is apart");
}

#[test]
fn no_report_takes_the_name_of_another_jobs() {
    let mut world = World::new();
    let is_refused = |world: &mut World, request: JobRequest| {
        let actions = world.event(asked(request));
        let refused = |action: &Action| match action {
            Action::Other(Effect::Reply { reply, .. }) => {
                matches!(&**reply, Reply::Refused { reason } if reason.contains("or may get a report named"))
            }
            _ => false,
        };
        actions.iter().any(refused)
    };
    world.ask(request("plain", false, None));
    world.ask(request("named", false, Some("nightly")));
    assert!(is_refused(&mut world, request("other", false, Some("plain"))));
    assert!(is_refused(&mut world, request("nightly", false, None)));
    assert!(!is_refused(&mut world, request("next", false, Some("nightly"))), "the latest of a series replaces it");
}

fn spec_of_rider() -> shared::protocol::workload::steps::Spec {
    shared::protocol::workload::steps::Spec { caravan: job(), rider: 0, whips: 1, needs: 0 }
}

#[test]
fn a_job_keeps_the_name_of_its_report_and_another_name_is_refused() {
    let mut world = World::new();
    world.ask(request("a", false, Some("nightly")));
    world.restart(true);
    assert_eq!(told(&world.ask(request("a", false, Some("nightly")))), ("a", None));
    let again = request("a", false, Some("daily"));
    let actions = world.event(asked(again));
    let is_refused = |action: &Action| match action {
        Action::Other(Effect::Reply { reply, .. }) => {
            matches!(&**reply, Reply::Refused { reason } if reason.contains("its report is called nightly"))
        }
        _ => false,
    };
    assert!(actions.iter().any(is_refused), "{actions:?}");
}

#[test]
fn of_one_name_the_report_of_the_latest_job_that_is_done_stays() {
    let mut world = World::new();
    for id in ["first", "second", "third"] {
        world.ask(request(id, false, Some("nightly")));
    }
    world.ask(request("plain", false, None));
    let names = |world: &World| ["first", "second", "third", "plain"].map(|job| world.report_name(job));
    let nightly = Some("nightly".to_owned());
    assert_eq!(names(&world), [nightly.clone(), nightly.clone(), nightly.clone(), None]);
    world.end(&JobId::from_name(b"second"));
    assert_eq!(names(&world), [None, nightly.clone(), nightly.clone(), None], "the first came too late");
    world.event(Event::Cancel { job: JobId::from_name(b"third"), opening: None, reply: ReplyTo::Local(0) });
    assert_eq!(names(&world), [None, nightly, None, None], "what was cancelled replaces nothing");
}

/// The job's files have changed since it was planned.
#[test]
fn a_job_is_opened_anew_in_place_of_the_opening_that_is_named_and_of_no_other() {
    let mut world = World::new();
    let first = world.ask(request("a", false, None)).opening;
    world.plan_end_of(&JobId::from_name(b"a"), 0);
    let anew = |opening: &OpeningId| JobRequest { instead_of: Some(opening.clone()), ..request("a", false, None) };
    let elsewhere = JobRequest { origin: Some(Origin::of(b"elsewhere")), ..anew(&first) };
    assert_eq!(world.ask(elsewhere).opening, first, "it may be of another tree");
    let unknown = JobRequest { origin: None, ..anew(&first) };
    assert_eq!(world.ask(unknown).opening, first);
    let second = world.ask(anew(&first));
    assert!(second.opening != first && second.plan_end.is_none() && second.ended.is_none(), "{second:?}");
    assert_eq!(world.ask(anew(&first)).opening, second.opening, "the question comes again");
    world.restart(false);
    assert_eq!(world.ask(request("a", false, None)).opening, second.opening);
    // A late report of the first opening must not count for the second.
    let late = Event::Reported { job: JobId::from_name(b"a"), opening: first, sha256: "00".to_owned() };
    world.event(late);
    let status = world.ledger().owner().status(&JobId::from_name(b"a"), world.now).expect("it is known");
    assert_eq!(status.state, JobState::Planning);
}

/// One turn may send a task and then replace the job by another opening of it.
#[test]
fn a_task_that_is_to_be_sent_goes_with_its_opening() {
    let mut world = World::with(|config| config.window_min = 1);
    world.ask(request("job", false, None));
    world.plan(0, 1);
    let instead_of = Some(world.opening());
    let next = Arrived::Planned {
        job: job(),
        place: world.place(world.hash_before(1)),
        planned: Box::new(planned(1, 1)),
        tag: None,
    };
    let opening = OpeningId::from_name(b"second");
    let again = Box::new(JobRequest { instead_of, ..request("job", false, None) });
    let answered = world.outcome(0, 1, done(1));
    let replaced = Arrived::Open { request: again, opening, reply: ReplyTo::Local(0) };
    let actions = world.turn(vec![next, answered, replaced]);
    assert!(sent(&actions).is_empty() && world.opening() == world.opening_of("second"));
}
