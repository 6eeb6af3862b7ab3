//! A client over a link that says what its test wants.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;

use shared::protocol::id::{Class, JobId, OpeningId, PlanHash};
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::message::{Notes, Place, Planned};
use shared::protocol::workload::steps;
use shared::system::shutdown;

use super::*;
use crate::client::engine::Road;

/// What a client did with its link and its source.
type Log = Arc<Mutex<Vec<String>>>;

struct Script {
    road: Road,
    log: Log,
    heard: VecDeque<Event>,
    /// The replies to what is asked, in order.
    replies: VecDeque<Reply>,
}

impl Link for Script {
    fn road(&self) -> Road {
        self.road
    }

    fn ask(&mut self, request: Request) {
        let name = if matches!(request, Request::Open(_)) { "open" } else { "status" };
        self.log.lock().expect("no panic").push(name.to_owned());
        self.heard.extend(self.replies.pop_front().map(|reply| Event::Replied(Some(reply))));
    }

    fn hand_over(&mut self, _: &JobId, part: Part, _: Place) {
        let (name, event) = match part {
            Part::Task(planned) => (format!("task {}", planned.number), Event::Confirmed(planned.number)),
            Part::End(tasks) => (format!("end {tasks}"), Event::PlanEndConfirmed),
        };
        self.log.lock().expect("no panic").push(name);
        self.heard.push_back(event);
    }

    fn begin_plan(&mut self) {}

    async fn heard(&mut self) -> Result<Event, ProducerError> {
        match self.heard.pop_front() {
            Some(event) => Ok(event),
            None => pending().await,
        }
    }
}

/// A stream of tasks.
struct Stream {
    log: Log,
    tasks: std::ops::Range<u64>,
}

impl Source for Stream {
    fn begin(&mut self, from: u64) -> Result<(), ProducerError> {
        self.log.lock().expect("no panic").push(format!("begin {from}"));
        Ok(())
    }

    async fn next(&mut self) -> Result<Step, BrokenOff> {
        Ok(self.tasks.next().map_or(Step::End, |number| Step::Task(Box::new(planned(number)))))
    }

    fn can_begin_again(&self) -> bool {
        false
    }
}

fn planned(number: u64) -> Planned {
    let class = Class::from_name(b"any");
    Planned { number, class, body: None, items: 0, bytes: 0, notes: Notes::default(), at: None }
}

fn opened(job: &str) -> Reply {
    Reply::Opened(Opened {
        job: JobId::from_name(job.as_bytes()),
        opening: OpeningId::from_name(b"o"),
        owner: OwnerId::main(),
        planned: 0,
        after: PlanHash::start(),
        plan_end: None,
        ended: None,
    })
}

fn client(road: Road, replies: Vec<Reply>) -> (Client<Script, Stream>, Log, shutdown::Stopper) {
    let spec = steps::Spec { caravan: JobId::from_name(b"c"), rider: 0, whips: 2, needs: 1 };
    let config = ClientConfig {
        request: JobRequest::new(JobId::from_name(b"asked"), JobSpec::Steps(spec)),
        owner: OwnerId::main(),
        wait: true,
        recheck: true,
        look: limits::STATUS_INTERVAL,
        broker: String::new(),
        notify: Arc::new(|_| {}),
        progress: Arc::new(|_| {}),
    };
    let log = Log::default();
    let link = Script { road, log: Arc::clone(&log), heard: VecDeque::new(), replies: replies.into() };
    let source = Stream { log: Arc::clone(&log), tasks: 0..2 };
    let (stopper, shutdown) = shutdown::channel();
    (Client::new(config, link, source, shutdown), log, stopper)
}

#[tokio::test]
async fn nothing_is_planned_before_the_caller_goes_on() {
    let (mut client, log, stopper) = client(Road::Process, vec![opened("given")]);
    let given = client.open().await.expect("opened");
    assert_eq!((given.job.as_str(), client.open().await.expect("once").job.as_str()), ("given", "given"));
    assert_eq!(*log.lock().expect("no panic"), ["open"]);
    client.settle().await.expect("settled");
    assert_eq!(*log.lock().expect("no panic"), ["open", "begin 0"]);
    // A wait that is given up loses nothing.
    let waited = tokio::time::timeout(Duration::from_millis(60), client.finish()).await;
    assert!(waited.is_err());
    assert_eq!(log.lock().expect("no panic")[2..], ["task 0", "task 1", "end 2"]);
    stopper.stop();
    let stopped = client.finish().await;
    assert!(matches!(&stopped, Err(ProducerError::Stopped(job)) if job.as_str() == "given"), "{stopped:?}");
}

#[tokio::test]
async fn a_stream_ends_with_the_store_of_its_owner() {
    let (mut client, _, _stopper) = client(Road::Process, vec![opened("given"), Reply::UnknownJob]);
    let error = client.finish().await.expect_err("its owner has lost it");
    assert_eq!(error.to_string(), "reducer main does not know job given any more; run the same command again");
}
