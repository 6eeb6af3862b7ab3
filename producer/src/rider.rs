//! A rider: the producer of `steps`. It sends its steps itself, one at a time, and waits while the
//! whip, their queue, is full with 16 of them.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::protocol::id::{OpeningId, OwnerId, PlanHash, TaskId};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::{Address, JobRequest, Message, Opened, Place, PlanEnd, Reply, Request, Task};
use shared::protocol::notice::{self, Notify, Unserved, Waiting};
use shared::protocol::payload::Payload;
use shared::protocol::topology::{self, Topology};
use shared::protocol::workload::Workload;
use shared::protocol::workload::steps::{Spec, Whip, class};
use shared::system::clock::{Clock, Moment};
use shared::system::shutdown::Shutdown;
use shared::transport::ask::Asker;
use shared::transport::{Oversize, PublishError, Transport};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::ProducerError;

/// The first wait before a step is sent again to a full whip. The wait doubles each time, up to
/// [`WHIP_WAIT_MAX`]: fast horses get the step soon, and slow ones cause few attempts.
const WHIP_WAIT: Duration = Duration::from_millis(1);

/// The longest wait between two attempts at a full whip.
const WHIP_WAIT_MAX: Duration = Duration::from_millis(8);

/// Interval of status requests once the last step is sent, since the end is near, and while steps
/// are sent by hand, since the user watches.
const LAST_LOOKS: Duration = Duration::from_millis(50);

pub struct RiderConfig {
    pub spec: Spec,
    pub owner: OwnerId,
    /// The broker's address as notices show it.
    pub broker: String,
    pub notify: Notify,
    /// Called with the job's status, and so the caravan's steps, during the ride.
    pub progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
    /// If set, the rider sends one step for each cue and ends when the channel closes. If `None`,
    /// it sends all steps as fast as the whip takes them.
    pub cues: Option<Cues>,
}

/// Cues to send one step each, for a rider that is controlled by hand.
pub type Cues = broadcast::Receiver<()>;

#[derive(Debug, Clone)]
pub struct Ride {
    /// Number of the first step that this process sent: 0, unless it continued an earlier ride.
    pub first: u64,
    /// Steps sent by this process.
    pub sent: u64,
    /// Whether every step had its answer before, so that this process sent none.
    pub was_over: bool,
    /// Time that the sending took, seconds, including waits for the full whip.
    pub seconds: f64,
    /// The job's status at its end.
    pub status: JobStatus,
}

/// Rides to the end of the job. A job that was begun before continues at the first step without an
/// answer.
pub async fn run(
    config: RiderConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<Ride, ProducerError> {
    let stopped = config.spec.job();
    let rider = Rider { config, transport, clock: Clock::start() };
    shutdown.unless_asked(rider.ride()).await.unwrap_or(Err(ProducerError::Stopped(stopped)))
}

struct Rider {
    config: RiderConfig,
    transport: Arc<dyn Transport>,
    clock: Clock,
}

impl Rider {
    async fn ride(mut self) -> Result<Ride, ProducerError> {
        let mut cues = self.config.cues.take();
        let is_cued = cues.is_some();
        let mut asker = Asker::new(Arc::clone(&self.transport)).await?;
        let (queue, binding) = topology::tasks(Workload::Steps, &class());
        let whip = queue.name.clone();
        self.transport
            .declare(&Topology { exchanges: Vec::new(), queues: vec![queue], bindings: vec![binding] })
            .await?;
        let opened = self.open(&mut asker).await?;
        let first = opened.planned;
        let was_over = opened.plan_end.is_some_and(|whips| first >= whips);
        let (all_sent, plan_end) = watch::channel(None);
        let sending = async {
            let started = Instant::now();
            let (sent, plan_end) = self.send_all(&opened, cues.as_mut()).await?;
            all_sent.send_replace(plan_end);
            Ok((sent, started.elapsed().as_secs_f64()))
        };
        let looks = if is_cued { LAST_LOOKS } else { limits::STATUS_INTERVAL };
        let watching = Watch::new(&self, &mut asker, opened.opening.clone(), whip, plan_end).until_the_end(looks);
        let ((sent, seconds), status) = tokio::try_join!(sending, watching)?;
        Ok(Ride { first, sent, was_over, seconds, status })
    }

    async fn open(&self, asker: &mut Asker) -> Result<Opened, ProducerError> {
        let spec = &self.config.spec;
        let request = Request::Open(Box::new(JobRequest::new(spec.job(), JobSpec::Steps(spec.clone()))));
        let mut said = false;
        loop {
            match asker.ask(&self.config.owner, &request, limits::CONTROL_TIMEOUT).await? {
                Some(Reply::Opened(opened)) => return Ok(opened),
                Some(Reply::Refused { reason }) => return Err(ProducerError::Refused(reason)),
                Some(_) => {}
                None if said => {}
                None => {
                    said = true;
                    (self.config.notify)(notice::no_owner(&self.config.owner, &self.config.broker));
                }
            }
        }
    }

    /// Sends the remaining steps and the plan end. Returns the number of steps sent, and the plan
    /// end.
    async fn send_all(
        &self,
        opened: &Opened,
        mut cues: Option<&mut Cues>,
    ) -> Result<(u64, Option<PlanEnd>), ProducerError> {
        if opened.plan_end.is_some() {
            return Ok((0, None));
        }
        let job = self.config.spec.job();
        let mut whips = self.config.spec.whips;
        let key = topology::task_key(Workload::Steps, &class(), &opened.owner);
        for number in opened.planned..whips {
            if let Some(cues) = &mut cues
                && !is_given(cues).await
            {
                whips = number;
                break;
            }
            let address = Address {
                task: TaskId { job: job.clone(), number },
                opening: opened.opening.clone(),
                plan: PlanHash::start(),
                attempt: 1,
                owner: opened.owner.clone(),
                workload: Workload::Steps,
            };
            let body = Payload::of(&Whip { intensity: number });
            let task = Task { address, class: class(), planned_at: None, avoid: Vec::new(), body };
            self.send(topology::TASKS, &key, &task.to_message(self.clock.system())).await?;
        }
        let plan_end = PlanEnd { job, tasks: whips };
        self.end_plan(&plan_end, &opened.opening).await?;
        Ok((whips.saturating_sub(opened.planned), Some(plan_end)))
    }

    async fn end_plan(&self, plan_end: &PlanEnd, opening: &OpeningId) -> Result<(), ProducerError> {
        let key = topology::plan_key(&self.config.owner);
        let place = Place { opening: opening.clone(), after: PlanHash::start() };
        self.send(topology::PLANS, &key, &plan_end.to_message(&place, self.clock.system())).await
    }

    fn unsendable(&self, message: &Message, oversize: Oversize) -> ProducerError {
        let number = message.id.parse().map_or(0, |task: TaskId| task.number);
        ProducerError::TooLarge { job: self.config.spec.job(), number, oversize }
    }

    async fn send(&self, exchange: &str, key: &str, message: &Message) -> Result<(), ProducerError> {
        let mut wait = WHIP_WAIT;
        loop {
            match self.transport.publish(exchange, key, message.clone()).await {
                Ok(()) => return Ok(()),
                Err(PublishError::Refused { .. }) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(WHIP_WAIT_MAX);
                }
                Err(PublishError::TooLarge(oversize)) => return Err(self.unsendable(message, oversize)),
                Err(PublishError::Transport(error)) => return Err(error.into()),
            }
        }
    }
}

/// Waits for a cue; `false` when the channel is closed.
async fn is_given(cues: &mut Cues) -> bool {
    loop {
        match cues.recv().await {
            Ok(()) => return true,
            // More cues came than the channel holds. The dropped ones are not made up for.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return false,
        }
    }
}

/// Watches the job during the ride: reports its progress, and notices a missing reducer or horse.
struct Watch<'a> {
    rider: &'a Rider,
    asker: &'a mut Asker,
    opening: OpeningId,
    whip: String,
    spec: JobSpec,
    unserved: Unserved,
    waiting: Waiting,
    silent_since: Option<Moment>,
    said_silent: bool,
    /// The plan end, once the broker has confirmed it.
    plan_end: watch::Receiver<Option<PlanEnd>>,
    /// Since when the plan end is confirmed but the owner does not have it.
    incomplete_since: Option<Moment>,
}

impl<'a> Watch<'a> {
    fn new(
        rider: &'a Rider,
        asker: &'a mut Asker,
        opening: OpeningId,
        whip: String,
        plan_end: watch::Receiver<Option<PlanEnd>>,
    ) -> Self {
        let spec = JobSpec::Steps(rider.config.spec.clone());
        let (unserved, waiting) = (Unserved::default(), Waiting::default());
        let (silent_since, said_silent, incomplete_since) = (None, false, None);
        Self {
            rider,
            asker,
            opening,
            whip,
            spec,
            unserved,
            waiting,
            silent_since,
            said_silent,
            plan_end,
            incomplete_since,
        }
    }

    async fn until_the_end(mut self, mut pause: Duration) -> Result<JobStatus, ProducerError> {
        let mut all_sent = self.plan_end.clone();
        let mut sent = pin!(all_sent.changed());
        loop {
            if let Some(status) = self.look().await? {
                return Ok(status);
            }
            tokio::select! {
                biased;
                _ = &mut sent, if pause != LAST_LOOKS => pause = LAST_LOOKS,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Asks for the job's status; returns it once the job is finished.
    async fn look(&mut self) -> Result<Option<JobStatus>, ProducerError> {
        let config = &self.rider.config;
        let request = Request::Status { job: config.spec.job() };
        let reply = self.asker.ask(&config.owner, &request, limits::CONTROL_TIMEOUT).await?;
        if reply.is_some() {
            (self.silent_since, self.said_silent) = (None, false);
        }
        match reply {
            Some(Reply::Status(status)) if status.opening == self.opening => {
                (config.progress)(&status);
                // This error also ends the sending of the remaining steps.
                if status.state == JobState::Cancelled {
                    return Err(ProducerError::Cancelled(config.spec.job()));
                }
                if status.state == JobState::Finished {
                    return Ok(Some(*status));
                }
                self.repeat_lost_plan_end(&status).await?;
                self.look_for_horses(*status).await?;
            }
            // A status with another opening belongs to a newer job of the same name.
            Some(Reply::UnknownJob | Reply::Status(_)) => {
                let job = config.spec.job();
                return Err(ProducerError::Refused(format!(
                    "reducer {} does not know job {job} any more; run the same command again",
                    config.owner
                )));
            }
            Some(_) => {}
            None => self.note_silence(),
        }
        Ok(None)
    }

    /// Sends the plan end again if the owner has not received it for [`limits::PLAN_SILENCE`]: a
    /// queue can be lost with messages that the broker had confirmed.
    async fn repeat_lost_plan_end(&mut self, status: &JobStatus) -> Result<(), ProducerError> {
        let plan_end = self.plan_end.borrow().clone().filter(|_| status.state == JobState::Planning);
        let Some(plan_end) = plan_end else {
            self.incomplete_since = None;
            return Ok(());
        };
        let now = self.rider.clock.now();
        if now.saturating_sub(*self.incomplete_since.get_or_insert(now)) >= limits::PLAN_SILENCE {
            self.incomplete_since = None;
            self.rider.end_plan(&plan_end, &self.opening).await?;
        }
        Ok(())
    }

    /// Asks the broker whether any horse consumes from the whip: it knows before the owner does.
    async fn look_for_horses(&mut self, mut status: JobStatus) -> Result<(), ProducerError> {
        let felt = self.rider.transport.queue(&self.whip).await?.is_some_and(|queue| queue.consumers > 0);
        status.unserved = if felt { Vec::new() } else { vec![class().to_string()] };
        let (config, now) = (&self.rider.config, self.rider.clock.now());
        let unserved = self.unserved.check(&self.spec, &status, &config.broker, now);
        let waits = self.waiting.check(&status.job, status.waits.take(), now);
        unserved.into_iter().chain(waits).for_each(|text| (config.notify)(text));
        Ok(())
    }

    /// Notifies the user once when the owner has not answered for [`limits::NO_CONSUMER_NOTICE`]. A
    /// restart of the owner is shorter.
    fn note_silence(&mut self) {
        let (config, now) = (&self.rider.config, self.rider.clock.now());
        let since = *self.silent_since.get_or_insert(now);
        if !self.said_silent && now.saturating_sub(since) >= limits::NO_CONSUMER_NOTICE {
            self.said_silent = true;
            (config.notify)(notice::no_owner(&config.owner, &config.broker));
        }
    }
}
