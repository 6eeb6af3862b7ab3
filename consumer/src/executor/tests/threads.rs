//! Threads of this process.

use std::sync::Arc;
use std::time::Duration;

use shared::protocol::message::Task;
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;

use super::{Bench, Does, Harness, conformance};
use crate::executor::threads::doing;
use crate::executor::{Executor, Sink, threads};
use crate::work::{Context, Site, WorkError};

#[derive(Default)]
struct Here;

impl Harness for Here {
    const FIRST_THREAD: &str = "slot 0 steps";

    fn executor(&self, does: Does, slots: u32, sink: Sink) -> Box<dyn Executor> {
        let site = Arc::new(Site::new());
        if does == Does::Answer {
            return Box::new(threads(Workload::Steps, slots, site, sink).expect("a thread"));
        }
        let method = move |_: &Task, context: Context<'_>| {
            assert!(does == Does::Hang, "it breaks, as this test wants it");
            while !(context.cancelled)() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(WorkError::failed("cancelled"))
        };
        Box::new(doing("steps", slots, site, Box::new(method), sink).expect("a thread"))
    }
}

conformance!(Here);

/// Each task tells the thread that has done it.
#[derive(Default)]
struct Telling;

impl Harness for Telling {
    const FIRST_THREAD: &str = "slot 0 digest";

    fn executor(&self, _: Does, slots: u32, sink: Sink) -> Box<dyn Executor> {
        let method = |_: &Task, _: Context<'_>| {
            Ok(Payload::json(std::thread::current().name().expect("it has a name").to_owned()))
        };
        Box::new(doing("digest", slots, Arc::new(Site::new()), Box::new(method), sink).expect("a thread"))
    }
}

#[test]
fn tasks_one_after_another_need_one_thread() {
    let mut bench = Bench::<Telling>::new(Does::Answer, 8);
    for tag in 0..20 {
        bench.start(tag);
        let name = bench.next().result.expect("an answer").answer;
        assert_eq!(name, Payload::json("slot 0 digest"));
    }
}
