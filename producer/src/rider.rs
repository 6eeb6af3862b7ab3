//! A rider: the producer of `steps`. It sends its whips itself, one at a time, and waits while the
//! whip holds its 16.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::clock::Clock;
use shared::control::Asker;
use shared::id::{Class, OwnerId, TaskId};
use shared::job::{JobSpec, JobState, JobStatus};
use shared::limits;
use shared::message::{Address, Message, Opened, Reply, Request, Seal, Task};
use shared::notice::{self, Notify, Unserved};
use shared::shutdown::Shutdown;
use shared::topology::{self, Topology};
use shared::transport::{PublishError, Transport};
use shared::workload::Workload;
use shared::workload::steps::{Spec, Whip};

use crate::ProducerError;

/// A full whip is tried again after this long: a horse takes about as long to feel it.
const WHIP_WAIT: Duration = Duration::from_millis(2);

/// What a rider is told.
#[derive(Clone)]
pub struct RiderConfig {
    /// Its job.
    pub spec: Spec,
    /// Who owns it.
    pub owner: OwnerId,
    /// The broker, as notices show it.
    pub broker: String,
    /// Takes notices.
    pub notify: Notify,
}

/// What a rider did.
#[derive(Debug, Clone)]
pub struct Ride {
    /// Whips sent by this process.
    pub sent: u64,
    /// How long the sending took, waits for the full whip included.
    pub seconds: f64,
    /// How the job stood at its end.
    pub status: JobStatus,
}

/// Rides to the end of the job.
pub async fn run(
    config: RiderConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<Ride, ProducerError> {
    let stopped = config.spec.job();
    tokio::select! {
        biased;
        () = shutdown.asked() => Err(ProducerError::Stopped(stopped)),
        ride = ride(config, transport) => ride,
    }
}

async fn ride(config: RiderConfig, transport: Arc<dyn Transport>) -> Result<Ride, ProducerError> {
    let clock = Clock::start();
    let job = config.spec.job();
    let class = Class::from_name(b"any");
    let (queue, binding) = topology::tasks(Workload::Steps, &class);
    let mut asker = Asker::new(Arc::clone(&transport)).await?;
    transport.declare(&Topology { exchanges: Vec::new(), queues: vec![queue], bindings: vec![binding] }).await?;
    let opened = open(&config, &mut asker).await?;
    let started = Instant::now();
    let mut sent = 0;
    if opened.sealed.is_none() {
        for number in opened.planned..config.spec.whips {
            let task = TaskId { job: job.clone(), number };
            let address = Address {
                task,
                attempt: 1,
                owner: opened.owner.clone(),
                store: opened.store.clone(),
                workload: Workload::Steps,
            };
            let body = serde_json::to_vec(&Whip { intensity: number }).expect("a whip is one number");
            let task = Task { address, class: class.clone(), body: body.into() };
            let key = topology::task_key(Workload::Steps, &class, &opened.owner);
            send(&transport, topology::TASKS, &key, &task.to_message(clock.system())).await?;
            sent += 1;
        }
        let seal = Seal { job: job.clone(), tasks: config.spec.whips };
        send(&transport, topology::OUTCOMES, opened.owner.as_str(), &seal.to_message(clock.system())).await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let status = wait(&config, &mut asker, clock).await?;
    Ok(Ride { sent, seconds, status })
}

async fn send(
    transport: &Arc<dyn Transport>,
    exchange: &str,
    key: &str,
    message: &Message,
) -> Result<(), ProducerError> {
    loop {
        match transport.publish(exchange, key, message.clone()).await {
            Ok(()) => return Ok(()),
            Err(PublishError::Refused { .. }) => tokio::time::sleep(WHIP_WAIT).await,
            Err(PublishError::TooLarge { bytes }) => return Err(ProducerError::TooLarge { number: 0, bytes }),
            Err(PublishError::Transport(error)) => return Err(error.into()),
        }
    }
}

async fn open(config: &RiderConfig, asker: &mut Asker) -> Result<Opened, ProducerError> {
    let request = Request::Open { job: config.spec.job(), spec: Box::new(JobSpec::Steps(config.spec.clone())) };
    let mut said = false;
    loop {
        match asker.ask(&config.owner, &request, limits::CONTROL_TIMEOUT).await? {
            Some(Reply::Opened(opened)) => return Ok(opened),
            Some(Reply::Refused { reason }) => return Err(ProducerError::Refused(reason)),
            Some(_) => {}
            None if said => {}
            None => {
                said = true;
                (config.notify)(notice::no_owner(&config.owner, &config.broker));
            }
        }
    }
}

async fn wait(config: &RiderConfig, asker: &mut Asker, clock: Clock) -> Result<JobStatus, ProducerError> {
    let request = Request::Status { job: config.spec.job() };
    let spec = JobSpec::Steps(config.spec.clone());
    let mut unserved = Unserved::default();
    loop {
        match asker.ask(&config.owner, &request, limits::CONTROL_TIMEOUT).await? {
            Some(Reply::Status(status)) if status.state == JobState::Finished => return Ok(*status),
            Some(Reply::Status(status)) => {
                if let Some(text) = unserved.check(&spec, &status, &config.broker, clock.now()) {
                    (config.notify)(text);
                }
            }
            Some(Reply::UnknownJob) => {
                return Err(ProducerError::Refused(format!(
                    "the reducer does not know job {} any more; ride again",
                    config.spec.job()
                )));
            }
            _ => {}
        }
        tokio::time::sleep(limits::STATUS_INTERVAL / 5).await;
    }
}
