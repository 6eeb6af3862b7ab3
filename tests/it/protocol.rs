//! The examples in docs/PROTOCOL.md are what the code sends, byte for byte.
//!
//! A changed message fails here and prints the example as it has to be.

mod announced;
mod sealed;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared::protocol::id::{Class, HeldTask, JobId, OpeningId, OwnerId, PlanHash, RunId, TaskId};
use shared::protocol::job::{Counts, JobSpec, JobState, JobStatus};
use shared::protocol::message::{
    Address, Cancel, DeadDetail, DeadLetter, DeadState, DeadTask, Ended, Failure, HeaderValue, JobRequest, LaneState,
    Lease, LeaseBody, Message, Notes, Opened, Outcome, Part, Parts, Place, PlanEnd, PlanFailure, Planned, Presence,
    Reply, ReportChunk, ReportOf, ReportPlace, Request, Returned, RootState, Session, Task, Verdict, kind,
};
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::protocol::workload::digest::{Algorithm, Batch, Spec};
use shared::protocol::workload::files::{Files, Item, ItemFailure, Links, Root, Selection, Start, Times};
use shared::protocol::workload::steps::{Answer, Whip};
use shared::protocol::workload::words::{self, Manner, Mode};

use announced::{announcement, pool, updates};

const DIGEST: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

#[test]
fn examples_are_what_the_code_sends() {
    let page = include_str!("../../docs/PROTOCOL.md");
    let examples = [tasks(), word_messages(), plans(), requests(), replies(), dead(), heartbeats()].concat();
    let missing: Vec<String> = examples.into_iter().filter(|example| !page.contains(example.as_str())).collect();
    assert!(missing.is_empty(), "docs/PROTOCOL.md lacks:\n\n{}", missing.join("\n\n"));
}

fn task_of_photos() -> Task {
    let body = Payload::of(&batch());
    Task {
        address: address(Workload::Digest, "photos-2026", 0),
        class: Class::from_name(b"photos"),
        planned_at: Some(1_767_225_600_250_000_000),
        avoid: Vec::new(),
        body,
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn job() -> JobId {
    "photos-2026".parse().expect("an id")
}

fn owner() -> OwnerId {
    "main".parse().expect("an id")
}

fn address(workload: Workload, job: &str, number: u64) -> Address {
    let task = TaskId { job: job.parse().expect("an id"), number };
    let plan = if workload == Workload::Steps {
        PlanHash::start()
    } else {
        "2e58e0c1ea673cd22bd3a55a2fc1177945495215".parse().expect("a hash")
    };
    Address { task, opening: opening(), plan, attempt: 1, owner: owner(), workload }
}

fn opening() -> OpeningId {
    "2b9k1m3q4t7c0s5v-7c0s5v2b9k1m3q4t".parse().expect("an id")
}

fn place(after: PlanHash) -> Place {
    Place { opening: opening(), after }
}

fn spec() -> JobSpec {
    let root = Root { name: "photos".to_owned(), class: Class::from_name(b"photos"), prefix: path(b"/srv/photos/") };
    let starts = vec![Start { root: 0, file: None }];
    JobSpec::Digest(Spec {
        algorithm: Algorithm::Sha1,
        files: Selection { links: Links::Skip, roots: vec![root], starts, strict_times: false },
    })
}

fn path(bytes: &[u8]) -> PathBytes {
    PathBytes(bytes.to_vec())
}

fn batch() -> Batch {
    let times = |changed| Some(Times { modified: 1_735_689_600_123_456_789, changed });
    let items = vec![
        Item { path: path(b"a/1.jpg"), size: 3, times: times(1_735_689_600_123_456_789) },
        Item { path: path(b"a/\xff.jpg"), size: 7, times: times(1_767_225_000_000_000_000) },
    ];
    Batch {
        algorithm: Algorithm::Sha1,
        files: Files { links: Links::Skip, root: "photos".to_owned(), items, strict_times: false },
    }
}

/// An example as the page shows it.
fn show(exchange: &str, key: &str, message: &Message) -> String {
    let mut text = format!("exchange        {exchange}\nrouting key     {key}\n");
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<15} {value}\n"));
    line("message_id", &message.id);
    message.correlation.iter().for_each(|correlation| line("correlation_id", correlation));
    line("type", &message.kind);
    line("content_type", &message.content_type);
    line("timestamp", &message.timestamp.to_string());
    line("app_id", message.app_id.split('/').next().expect("never empty"));
    message.reply_to.iter().for_each(|reply_to| line("reply_to", reply_to));
    for (name, value) in message.headers.iter() {
        let value = match value {
            HeaderValue::Text(text) => format!("{text:?}"),
            HeaderValue::Integer(number) => number.to_string(),
            HeaderValue::Bool(flag) => flag.to_string(),
        };
        line("header", &format!("{name}={value}"));
    }
    text + "\n" + std::str::from_utf8(&message.body).expect("JSON is UTF-8")
}

fn tasks() -> Vec<String> {
    let (photos, any) = (Class::from_name(b"photos"), Class::from_name(b"any"));
    let digest = address(Workload::Digest, "photos-2026", 0);
    let task = task_of_photos().to_message(now());
    let key = topology::task_key(Workload::Digest, &photos, &owner());
    let answer =
        format!(r#"{{"digests":["{DIGEST}",null],"failed":[{{"item":1,"reason":"Permission denied"}}],"bytes":3}}"#);
    shared::protocol::workload::digest::Answer::parse(answer.as_bytes(), 2).expect("an answer to the batch");
    let outcome = |address: &Address, verdict: Verdict| {
        let (address, host) = (address.clone(), "node-07".to_owned());
        let outcome = Outcome {
            address,
            consumer: Some("2p8d".parse().expect("an id")),
            host,
            micros: 1_234,
            redelivered: false,
            verdict,
            parts: None,
        };
        show(topology::OUTCOMES, "main", &outcome.to_message(now()))
    };
    let failure = Failure { reason: "out of resources: Too many open files".to_owned(), stderr: String::new() };
    let dead_letter =
        DeadLetter::wrap(task.clone(), &Reason::NotServed { what: "root \"photos\"".to_owned() }, "node-07");
    let steps = address(Workload::Steps, "desert-rider-0", 41);
    let whip = Payload::of(&Whip { intensity: 41 });
    let whip = Task { address: steps.clone(), class: any.clone(), planned_at: None, avoid: Vec::new(), body: whip }
        .to_message(now());
    let taken = Payload::of(&Answer { steps: 41 });
    let lease = Lease {
        address: digest.clone(),
        holder: "2p8d".parse().expect("an id"),
        host: "node-07".to_owned(),
        is_started: true,
        redelivered: false,
        body: LeaseBody::Task(Payload::json(task.body.clone())),
    };
    vec![
        show(topology::TASKS, &key, &task),
        show(topology::OUTCOMES, "main", &lease.to_message(now())),
        outcome(&digest, Verdict::Done(Payload::json(answer))),
        outcome(&digest, Verdict::Failed(failure)),
        show(topology::DEAD, &key, &dead_letter),
        show(topology::TASKS, &topology::task_key(Workload::Steps, &any, &owner()), &whip),
        outcome(&steps, Verdict::Done(taken)),
    ]
}

/// A task of words with frequencies, its one part, and its outcome.
fn word_messages() -> Vec<String> {
    let address = address(Workload::Words, "texts", 0);
    let manner = Manner { mode: Mode::Ascii, characters: false, frequencies: true };
    let items =
        vec![Item { path: path(b"a.txt"), size: 10, times: None }, Item { path: path(b"b.txt"), size: 3, times: None }];
    let files = Files { links: Links::Skip, root: "texts".to_owned(), items, strict_times: false };
    let body = Payload::of(&words::Batch { manner, files });
    let class = Class::from_name(b"texts");
    let task = Task { address: address.clone(), class: class.clone(), planned_at: None, avoid: Vec::new(), body }
        .to_message(now());
    let run: RunId = "q1m8".parse().expect("an id");
    let mut lines = Vec::new();
    let mut check = words::Check::default();
    for (count, word) in [(1, &b"horse"[..]), (2, b"pack")] {
        words::part::write(count, word, &mut lines);
        check.add(word, count);
    }
    let part = Part { address: address.clone(), run: run.clone(), number: 0, item: None, body: Payload::bytes(lines) };
    let counts = words::Counts { lines: 1, words: 3, characters: 16, bytes: 16 };
    let failed = vec![ItemFailure::new(1, "Permission denied")];
    let answer = words::Answer { counts: vec![Some(counts), None], failed, check, differing: Default::default() };
    let verdict = Verdict::Done(Payload::of(&answer));
    let parts = Some(Parts { run, count: 1 });
    let outcome = Outcome {
        address,
        consumer: Some("2p8d".parse().expect("an id")),
        host: "node-07".to_owned(),
        micros: 1_234,
        redelivered: false,
        verdict,
        parts,
    };
    vec![
        show(topology::TASKS, &topology::task_key(Workload::Words, &class, &owner()), &task),
        show(topology::OUTCOMES, "main", &part.to_message(now())),
        show(topology::OUTCOMES, "main", &outcome.to_message(now())),
    ]
}

fn plans() -> Vec<String> {
    let planned = Planned {
        number: 0,
        class: Class::from_name(b"photos"),
        body: Some(Payload::of(&batch())),
        items: 2,
        bytes: 10,
        notes: Notes {
            failed: vec![PlanFailure { name: path(b"/srv/photos/locked"), reason: "Permission denied".to_owned() }],
            skipped: [("symlink".to_owned(), 2)].into(),
            needs: Vec::new(),
        },
        at: Some(1_767_225_600_250_000_000),
    };
    let (start, plan_end) = (PlanHash::start(), PlanEnd { job: job(), tasks: 1 });
    let end = place(planned.hash(&start));
    vec![
        show(topology::PLANS, "plan.main", &planned.to_message(&job(), &place(start), now())),
        show(topology::PLANS, "plan.main", &plan_end.to_message(&end, now())),
    ]
}

fn request(id: u32, request: &Request) -> Message {
    let mut message = Message::json(kind::REQUEST, format!("k3v9-{id}"), request, now());
    message.reply_to = Some(topology::reply_key(&"k3v9".parse().expect("an id")).into());
    message
}

fn bodies<T: serde::Serialize>(values: &[T]) -> Vec<String> {
    values.iter().map(|value| serde_json::to_string(value).expect("JSON")).collect()
}

#[test]
fn what_is_seldom_in_an_opening_is_on_the_page() {
    let page = include_str!("../../docs/PROTOCOL.md");
    let report = Some("NAME".parse().expect("a name"));
    let origin = Some("0123456789abcdef".parse().expect("an id"));
    let instead_of = Some(opening());
    let request = JobRequest { origin, resume: true, report, instead_of, ..JobRequest::new(job(), spec()) };
    let text = serde_json::to_string(&Request::Open(Box::new(request))).expect("JSON");
    let ended = Ended { job: "photos-2025".parse().expect("an id"), state: JobState::Finished, at: 1_767_225_600.0 };
    let ended = format!("\"ended\":{}", serde_json::to_string(&ended).expect("JSON"));
    let fields = [
        "\"origin\":\"0123456789abcdef\"",
        "\"resume\":true",
        "\"report\":\"NAME\"",
        "\"instead_of\":\"2b9k1m3q4t7c0s5v-7c0s5v2b9k1m3q4t\"",
    ];
    for (field, of) in fields.map(|field| (field, &text)).into_iter().chain([(&*ended, &ended)]) {
        assert!(page.contains(field) && of.contains(field), "{field}");
    }
}

fn requests() -> Vec<String> {
    let open = Request::Open(Box::new(JobRequest::new(job(), spec())));
    let mut examples = vec![show(topology::CONTROL, &topology::owner_request_key(&owner()), &request(1, &open))];
    let place = ReportPlace { task: 0, byte: 0 };
    let report = |of| Request::Report { job: job(), opening: opening(), of, from: place };
    examples.extend(bodies(&[
        Request::Status { job: job() },
        Request::Jobs,
        report(ReportOf::Results),
        report(ReportOf::Failures),
        Request::Ping,
        Request::Claim { session: session(), answers: Some("9f2e".to_owned()) },
        Request::Cancel { job: job(), opening: opening() },
        Request::ForgetJob { job: job(), opening: opening() },
        Request::Updates { job: pool(), opening: opening(), after: None },
        Request::Updates { job: pool(), opening: opening(), after: Some(1) },
    ]));
    let filter = Some(job().to_string());
    examples.extend(bodies(&[
        Request::Explain { job: job(), number: Some(0) },
        Request::Dead { filter: None },
        Request::DeadTask { task: TaskId { job: job(), number: 0 } },
        Request::Replay { filter, openings: vec![opening()] },
        Request::Forget { filter: Some("out of memory".to_owned()), openings: vec![opening()] },
    ]));
    examples
}

fn dead() -> Vec<String> {
    let dead = DeadTask {
        task: TaskId { job: job(), number: 0 },
        state: DeadState::Failed,
        items: 2,
        attempts: 5,
        host: "node-07".to_owned(),
        reason: "out of memory".to_owned(),
        at: 1_767_225_600.5,
    };
    let (host, reason) = ("node-07".to_owned(), "body: no JSON".to_owned());
    let detail = DeadDetail {
        dead: dead.clone(),
        stderr: "Killed".to_owned(),
        returned: vec![Returned { at: 1_767_225_590.5, host, reason }],
        names: vec!["photos/a/1.jpg".to_owned()],
    };
    bodies(&[
        Reply::Explained { text: "task photos-2026.0 is done: attempt 1, on node-07.".to_owned() },
        Reply::Dead { owner: owner(), tasks: vec![dead], more: 0, openings: vec![opening()] },
        Reply::DeadTask(Box::new(detail)),
        Reply::Replayed { tasks: 1, kept: 0 },
        Reply::Forgotten { tasks: 1 },
    ])
}

fn replies() -> Vec<String> {
    let opened = Opened {
        job: job(),
        opening: opening(),
        owner: owner(),
        planned: 0,
        after: PlanHash::start(),
        plan_end: None,
        ended: None,
    };
    let mut message = Message::json(kind::REPLY, "9f2c".to_owned(), &Reply::Opened(opened), now());
    message.correlation = Some("k3v9-1".into());
    let mut examples = vec![show(topology::CONTROL, "reply.k3v9", &message)];
    let counts = Counts { tasks_planned: 1, tasks_open: 1, items_planned: 2, bytes_planned: 10, ..Counts::default() };
    let status = JobStatus {
        schema: 1,
        job: job(),
        opening: opening(),
        owner: owner(),
        workload: Workload::Digest,
        state: JobState::Running,
        counts,
        consumers: 0,
        unserved: vec!["photos".to_owned()],
        waits: None,
        plan: None,
        seconds: 1.5,
        report_sha256: None,
        sum: None,
    };
    let next = ReportPlace { task: 1, byte: 0 };
    examples.extend(bodies(&[
        Reply::Status(Box::new(status)),
        Reply::Updates(updates()),
        Reply::Report(ReportChunk { next, last: true, text_base64: "YTk5OQo=".to_owned() }),
        Reply::Pong { owner: owner(), session: Some(session()) },
        Reply::Refused { reason: "job photos-2026 exists and asks for something else".to_owned() },
        Reply::UnknownJob,
    ]));
    examples
}

fn session() -> Session {
    let store = "2b9k1m3q4t7c0s5v".parse().expect("an id");
    Session { id: "4c1d".to_owned(), store, host: "node-07".to_owned(), process: 4_711, since: 1_767_225_600.0 }
}

fn heartbeats() -> Vec<String> {
    let presence = Presence {
        consumer: "2p8d".parse().expect("an id"),
        host: "node-07".to_owned(),
        version: "0.1.0".to_owned(),
        lanes: vec![LaneState { workload: Workload::Digest, class: Class::from_name(b"photos"), slots: 4, busy: 1 }],
        holds: vec![HeldTask { opening: opening(), number: 0 }],
        heartbeat_millis: 10_000,
        leaving: false,
        roots: vec![RootState {
            name: "photos".to_owned(),
            system: "nfs4".to_owned(),
            source: "nas:/export/photos".to_owned(),
            is_empty: false,
        }],
        troubles: Vec::new(),
    };
    let message = Message::json(kind::PRESENCE, "5t1x".to_owned(), &presence, now());
    let call = Message::json(kind::REQUEST, "c0de".to_owned(), &Request::Ping, now());
    let cancel = Cancel { openings: vec![opening()] }.to_message("8d2e".to_owned(), now());
    let to_all = |message| show(topology::CONTROL, topology::ALL_CONSUMERS, message);
    let announcement = announcement().to_message("61ac".to_owned(), now());
    let presence = show(topology::CONTROL, topology::PRESENCE, &message);
    vec![presence, to_all(&call), to_all(&cancel), to_all(&announcement)]
}
