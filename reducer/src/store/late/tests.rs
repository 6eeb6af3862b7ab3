//! A store in memory, whose rows are late, has the same rows as one that writes them at once.

use std::time::Duration;

use proptest::prelude::*;
use rusqlite::types::Value;
use shared::protocol::id::{Class, ConsumerId, JobId, OpeningId, OwnerId, PlanHash, TaskId};
use shared::protocol::job::JobSpec;
use shared::protocol::message::{Address, Failure, JobRequest, Notes, Outcome, Planned, Verdict};
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::protocol::workload::steps;

use crate::fold;
use crate::owner::{Holder, Write};
use crate::store::{Place, Store};

/// What a store can be asked to do; the numbers are those of tasks.
#[derive(Debug, Clone)]
enum Do {
    Plan(u8),
    PlanAfter(u8, u8),
    Succeed(u8),
    Fail(u8),
    Lease(u8),
    Release(u8),
    Empty(u8, u8),
    Look(u8),
}

fn job() -> JobId {
    JobId::from_name(b"job")
}

fn task(number: u8) -> TaskId {
    TaskId { job: job(), number: number.into() }
}

fn planned(number: u8, needs: Vec<u64>) -> Write {
    let planned = Planned {
        number: number.into(),
        class: Class::from_name(b"class"),
        body: Some(Payload::bytes(vec![number; 3])),
        items: u32::from(number) + 1,
        bytes: 3,
        notes: Notes { needs, ..Notes::default() },
        at: Some(7),
    };
    Write::Task { job: job(), plan: planned.hash(&PlanHash::start()), planned: Box::new(planned), kept: None }
}

fn answered(number: u8, verdict: Verdict) -> Write {
    let address = Address {
        task: task(number),
        opening: OpeningId::from_name(b"opening"),
        plan: PlanHash::start(),
        attempt: 1,
        owner: OwnerId::from_name(b"owner"),
        workload: Workload::Steps,
    };
    let (host, micros) = ("host".to_owned(), 5);
    let outcome = Outcome { address, consumer: None, host, micros, redelivered: false, verdict, parts: None };
    Write::Outcome { outcome: Box::new(outcome), without_parts: Vec::new(), cause: None }
}

/// The writes of one step, of those that an owner could ask for: a task is planned once and answered
/// once.
fn writes(what: &Do, open: &mut Vec<u8>, closed: &mut Vec<u8>, released: &mut u64) -> Vec<Write> {
    let is_new = |number: &u8| u64::from(*number) >= *released && !open.contains(number) && !closed.contains(number);
    let end =
        |number: u8, open: &mut Vec<u8>, closed: &mut Vec<u8>, verdict| match open.iter().position(|n| *n == number) {
            Some(place) => {
                closed.push(open.swap_remove(place));
                vec![answered(number, verdict)]
            }
            None => Vec::new(),
        };
    match what.clone() {
        Do::Plan(number) if is_new(&number) => {
            open.push(number);
            vec![planned(number, Vec::new())]
        }
        Do::PlanAfter(number, need) if is_new(&number) && need < number && open.contains(&need) => {
            open.push(number);
            vec![planned(number, vec![need.into()])]
        }
        Do::Succeed(number) => end(number, open, closed, Verdict::Done(Payload::bytes(vec![number]))),
        Do::Fail(number) => {
            let failure = Failure { reason: "it broke".to_owned(), stderr: String::new() };
            end(number, open, closed, Verdict::Permanent(failure))
        }
        Do::Lease(number) if open.contains(&number) => {
            let holder = Holder { consumer: ConsumerId::from_name(b"consumer"), host: "host".to_owned() };
            vec![Write::Leased { task: task(number), attempt: 1, holder }]
        }
        Do::Release(below) => {
            let below =
                (*released..u64::from(below)).take_while(|number| closed.contains(&(*number as u8))).count() as u64;
            let (from, below) = (*released, *released + below);
            *released = below;
            if below > from { vec![Write::Released { job: job(), from, below }] } else { Vec::new() }
        }
        Do::Empty(from, below) if (from..below).all(|number| closed.contains(&number)) && from < below => {
            vec![Write::Emptied { job: job(), run: (from.into(), below.into()) }]
        }
        _ => Vec::new(),
    }
}

fn spec() -> JobSpec {
    JobSpec::Steps(steps::Spec { caravan: job(), rider: 0, whips: 24, needs: 1 })
}

fn opened(place: &Place) -> Store {
    let mut store = Store::open(place, || OwnerId::from_name(b"owner")).expect("a store");
    let request = JobRequest {
        job: job(),
        spec: spec(),
        report: None,
        origin: None,
        instead_of: None,
        resume: false,
        priority: 0,
    };
    store.begin_turn().expect("a turn");
    let write = Write::Open { request: Box::new(request), opening: OpeningId::from_name(b"opening") };
    store.write(&write, Duration::from_secs(1)).expect("it is written");
    store.commit_turn().expect("a turn");
    store
}

fn rows(store: &Store) -> Vec<(&'static str, Vec<Vec<Value>>)> {
    let db = store.db.all().expect("its rows");
    let tables = ["tasks", "outcomes", "dead", "leases", "dependants", "needs", "jobs"];
    let read = |table: &'static str| {
        let mut statement = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3")).expect("a table");
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect::<Result<_, _>>();
        let rows = statement.query_map([], row).expect("rows").collect::<Result<_, _>>();
        (table, rows.expect("rows"))
    };
    tables.into_iter().map(read).collect()
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let number = 0..24_u8;
    let one = prop_oneof![
        8 => number.clone().prop_map(Do::Plan),
        1 => (number.clone(), number.clone()).prop_map(|(number, need)| Do::PlanAfter(number, need)),
        8 => number.clone().prop_map(Do::Succeed),
        1 => number.clone().prop_map(Do::Fail),
        1 => number.clone().prop_map(Do::Lease),
        3 => number.clone().prop_map(Do::Release),
        1 => (number.clone(), number.clone()).prop_map(|(from, below)| Do::Empty(from, below)),
        2 => number.prop_map(Do::Look),
    ];
    prop::collection::vec(one, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn late_rows_are_the_rows(steps in steps()) {
        let (mut late, mut prompt) = (opened(&Place::Memory), opened(&Place::Temporary));
        let (mut open, mut closed, mut released) = (Vec::new(), Vec::new(), 0);
        for (second, turn) in steps.chunks(3).enumerate() {
            let now = Duration::from_secs(second as u64);
            for store in [&mut late, &mut prompt] {
                store.begin_turn().expect("a turn");
            }
            for step in turn {
                for write in writes(step, &mut open, &mut closed, &mut released) {
                    late.write(&write, now).expect("it is written");
                    prompt.write(&write, now).expect("it is written");
                }
                if let Do::Look(number) = *step {
                    let spec = spec();
                    let fold = fold::of(&spec);
                    let task = |store: &Store| store.task(&job(), number.into(), fold).expect("it is read");
                    prop_assert_eq!(task(&late), task(&prompt));
                    if number % 2 == 0 {
                        prop_assert_eq!(rows(&late), rows(&prompt));
                    }
                }
            }
            for store in [&mut late, &mut prompt] {
                store.commit_turn().expect("a turn");
            }
        }
        prop_assert_eq!(rows(&late), rows(&prompt));
    }
}
