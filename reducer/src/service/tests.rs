//! Tests of a service over the embedded transport.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use shared::protocol::id::Class;
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, Message, Notes, Opened, Place, Planned, Reply, Request};
use shared::protocol::payload::Payload;
use shared::protocol::topology::{self, Topology};
use shared::protocol::workload::Workload;
use shared::protocol::workload::digest::{Algorithm, Spec};
use shared::protocol::workload::files::{Links, Root, Selection, Start};
use shared::system::shutdown;
use shared::transport::ask::Asker;
use shared::transport::embedded::Embedded;
use shared::transport::{PublishError, QueueState, Subscribe, Subscription, Transport, TransportError};

use super::{Handle, Kind, Opening, ServiceConfig, start};
use crate::store::Place as StorePlace;

fn spec() -> JobSpec {
    let root = Root { name: "r".to_owned(), class: Class::from_name(b"r"), prefix: b"r/"[..].into() };
    let starts = vec![Start { root: 0, file: None }];
    JobSpec::Digest(Spec {
        algorithm: Algorithm::Sha1,
        files: Selection { links: Links::Skip, roots: vec![root], starts, strict_times: false },
    })
}

fn planned() -> Box<Planned> {
    Box::new(Planned {
        number: 0,
        class: Class::from_name(b"r"),
        body: Some(Payload::json(r#"{"algorithm":"sha1","links":"skip","root":"r","items":[["a",1]]}"#)),
        items: 1,
        bytes: 1,
        notes: Notes::default(),
        at: None,
    })
}

async fn serve(store: &Path, transport: &Arc<dyn Transport>) -> (Handle, shutdown::Stopper) {
    serve_as(Kind::Command { spec: Box::new(spec()) }, store, transport).await
}

async fn serve_as(kind: Kind, store: &Path, transport: &Arc<dyn Transport>) -> (Handle, shutdown::Stopper) {
    let (stopper, stop) = shutdown::channel();
    let config = ServiceConfig {
        store: Opening::begin(StorePlace::File(store.to_owned()), "o".parse().expect("an id")),
        kind,
        window: None,
        heartbeat: limits::HEARTBEAT,
        keep: None,
    };
    (start(config, Arc::clone(transport), stop).await.expect("it starts"), stopper)
}

/// Waits until one task is in the queue, for well below the two heartbeats after which a lost task
/// would be resent.
async fn one_task_waits(transport: &Arc<dyn Transport>) {
    let (queue, _) = topology::tasks(Workload::Digest, &Class::from_name(b"r"));
    let give_up = Instant::now() + limits::HEARTBEAT / 2;
    while transport.queue(&queue.name).await.expect("it answers").is_none_or(|state| state.ready != 1) {
        assert!(Instant::now() < give_up, "no task comes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_tasks_wait_for_consumers_that_come_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = directory.path().join("store");
    for round in 0..2 {
        // Each round has a new, empty broker.
        let transport: Arc<dyn Transport> = Arc::new(Embedded::new());
        let (handle, stopper) = serve(&store, &transport).await;
        let request = JobRequest::new("j".parse().expect("an id"), spec());
        let Opened { job, opening, after, .. } = handle.open(request).await.expect("it opens");
        if round == 0 {
            assert!(handle.planned(job, Place { opening, after }, planned()).await);
        }
        one_task_waits(&transport).await;
        stopper.stop();
        handle.ended().await.expect("it stops");
    }
}

/// A broker that may forbid consuming, and may be slow to declare.
#[derive(Default)]
struct Difficult {
    inner: Embedded,
    forbids: bool,
    declares_after: Duration,
}

#[async_trait]
impl Transport for Difficult {
    async fn subscribe(&self, wanted: Subscribe) -> Result<Box<dyn Subscription>, TransportError> {
        if self.forbids {
            let cause = "the broker's words".to_owned();
            return Err(TransportError::Forbidden { name: wanted.queue.name, cause });
        }
        self.inner.subscribe(wanted).await
    }

    async fn declare(&self, topology: &Topology) -> Result<(), TransportError> {
        tokio::time::sleep(self.declares_after).await;
        self.inner.declare(topology).await
    }

    async fn publish(&self, exchange: &str, key: &str, message: Message) -> Result<(), PublishError> {
        self.inner.publish(exchange, key, message).await
    }

    async fn queue(&self, name: &str) -> Result<Option<QueueState>, TransportError> {
        self.inner.queue(name).await
    }

    fn is_ephemeral(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_a_job_hears_why_its_owner_could_not_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let transport: Arc<dyn Transport> = Arc::new(Difficult { forbids: true, ..Difficult::default() });
    let (handle, _stopper) = serve(&directory.path().join("store"), &transport).await;
    let give_up = Instant::now() + limits::HEARTBEAT;
    // The owner may accept a job before it knows that it cannot receive answers.
    let error = loop {
        match handle.open(JobRequest::new("j".parse().expect("an id"), spec())).await {
            Err(error) => break error.to_string(),
            Ok(_) => assert!(Instant::now() < give_up, "it goes on"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(error.contains("the broker's words"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_takes_no_jobs_of_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let transport: Arc<dyn Transport> = Arc::new(Embedded::new());
    let (handle, stopper) = serve(&directory.path().join("store"), &transport).await;
    let mut asker = Asker::new(Arc::clone(&transport)).await.expect("a queue for replies");
    // The owner may not listen yet.
    let mut ask = async |request| loop {
        let reply = asker.ask(handle.owner(), &request, Duration::from_millis(100)).await.expect("it is sent");
        if let Some(reply) = reply {
            break reply;
        }
    };
    let refused = ask(Request::Open(Box::new(JobRequest::new("theirs".parse().expect("an id"), spec())))).await;
    assert!(matches!(&refused, Reply::Refused { reason } if reason.contains("takes no other jobs")), "{refused:?}");
    let jobs = ask(Request::Jobs).await;
    assert!(matches!(&jobs, Reply::Jobs { jobs } if jobs.is_empty()), "{jobs:?}");
    stopper.stop();
    handle.ended().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_who_open_one_job_at_once_gets_a_reply() {
    let directory = tempfile::tempdir().expect("a directory");
    let transport = Difficult { declares_after: Duration::from_millis(100), ..Difficult::default() };
    let transport: Arc<dyn Transport> = Arc::new(transport);
    let store = directory.path().join("store");
    let (handle, stopper) = serve_as(Kind::Service { output_dir: None }, &store, &transport).await;
    let mut askers = Vec::new();
    for _ in 0..3 {
        askers.push(Asker::new(Arc::clone(&transport)).await.expect("a queue for replies"));
    }
    // The owner may not listen yet.
    while askers[0].ask(handle.owner(), &Request::Jobs, Duration::from_millis(100)).await.expect("it is sent").is_none()
    {
    }
    let mut opening = tokio::task::JoinSet::new();
    for mut asker in askers {
        let owner = handle.owner().clone();
        opening.spawn(async move {
            let request = Request::Open(Box::new(JobRequest::new("j".parse().expect("an id"), spec())));
            asker.ask(&owner, &request, limits::CONTROL_TIMEOUT).await.expect("it is sent")
        });
    }
    for reply in opening.join_all().await {
        assert!(matches!(&reply, Some(Reply::Opened(_))), "{reply:?}");
    }
    stopper.stop();
    handle.ended().await.expect("it stops");
}
