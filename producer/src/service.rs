//! Runs a submission on a transport.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::JobStatus;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, Message, Opened, PlanEnd, Reply, Request};
use shared::protocol::notice::Notify;
use shared::protocol::topology;
use shared::system::clock::Clock;
use shared::system::shutdown::Shutdown;
use shared::system::threads::NoThread;
use shared::transport::ask::Asker;
use shared::transport::{Oversize, Transport, TransportError, Unpublished, until_taken};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::plan::files::Own;
use crate::plan::{Plan, PlanError};
use crate::planner::{BrokenOff, Planner, Step};
use crate::submission::{Action, Config, Event, Submission};

pub struct ProducerConfig {
    pub request: JobRequest,
    /// The owner to ask.
    pub owner: OwnerId,
    /// The local directory of each root, in the order of the spec.
    pub roots: Vec<PathBuf>,
    /// Whether to wait until the job ends.
    pub wait: bool,
    /// Whether to plan again what its owner has: see [`Config::recheck`].
    pub recheck: bool,
    /// The broker's address as notices show it.
    pub broker: String,
    /// Told once, when the owner has committed the job. The job's id may differ from the request's.
    pub opened: oneshot::Sender<Opened>,
    pub notify: Notify,
    /// Called with the job's status while it runs.
    pub progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
}

/// Why a submission ended without success.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    #[error(transparent)]
    Thread(#[from] NoThread),
    /// The owner refused the job, with this reason.
    #[error("{0}")]
    Refused(String),
    #[error("task {job}.{number} cannot be sent: {oversize}. The same command with --job {job} continues from there")]
    TooLarge { job: JobId, number: u64, oversize: Oversize },
    /// The job has the plan of another producer.
    #[error(
        "job {0} has the plan of another producer, which found different files; its report covers those files. Run \
         this command again when the job has ended, or use another --job"
    )]
    Overtaken(JobId),
    #[error("job {0} was cancelled")]
    Cancelled(JobId),
    #[error("stopped before the job was done; the same command with --job {0} continues it")]
    Stopped(JobId),
}

struct Running {
    request: JobRequest,
    owner: OwnerId,
    roots: Vec<PathBuf>,
    notify: Notify,
    progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
    opened: Option<oneshot::Sender<Opened>>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    questions: mpsc::Sender<Request>,
    plan: Option<Planner>,
    publishing: JoinSet<Result<Event, ProducerError>>,
}

/// Submits a job and, if `config.wait` is set, waits for its end. Otherwise it returns `None` once
/// the owner has the plan, or the status if the job was cancelled.
pub async fn run(
    config: ProducerConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<Option<JobStatus>, ProducerError> {
    let Some(asker) = shutdown.unless_asked(Asker::new(Arc::clone(&transport))).await.transpose()? else {
        return Err(ProducerError::Stopped(config.request.job));
    };
    let (questions, asked) = mpsc::channel(1);
    let (answers, mut replies) = mpsc::channel(1);
    tokio::spawn(ask(asker, config.owner.clone(), asked, answers));
    let mut engine = Submission::new(Config {
        owner: config.owner.clone(),
        spec: config.request.spec.clone(),
        wait: config.wait,
        recheck: config.recheck,
        broker: config.broker,
    });
    let clock = Clock::start();
    let mut running = Running {
        request: config.request,
        owner: config.owner,
        roots: config.roots,
        notify: config.notify,
        progress: config.progress,
        opened: Some(config.opened),
        transport,
        clock,
        questions,
        plan: None,
        publishing: JoinSet::new(),
    };
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let wants_more = engine.wants_more() && running.plan.is_some();
        let event = tokio::select! {
            biased;
            () = shutdown.asked() => return Err(ProducerError::Stopped(running.request.job)),
            Some(published) = running.publishing.join_next() => published.expect("publishing does not panic")?,
            Some(reply) = replies.recv() => Event::Replied(running.note(reply?)),
            step = next_step(&mut running.plan), if wants_more => match step? {
                Step::Task(planned) => Event::Planned(planned),
                Step::End => {
                    running.plan = None;
                    Event::PlanEnded
                }
            },
            _ = tick.tick() => Event::Tick,
        };
        for action in engine.step(event, clock.now()) {
            match action {
                Action::Done(status) => return Ok(status.map(|status| *status)),
                Action::Refused(reason) => return Err(ProducerError::Refused(reason)),
                Action::Overtaken => return Err(ProducerError::Overtaken(running.request.job)),
                other => running.perform(other).await?,
            }
        }
    }
}

async fn next_step(plan: &mut Option<Planner>) -> Result<Step, BrokenOff> {
    match plan {
        Some(plan) => plan.next().await,
        None => std::future::pending().await,
    }
}

/// Asks the owner in the background: a question without an answer must not delay the plan.
async fn ask(
    mut asker: Asker,
    owner: OwnerId,
    mut asked: mpsc::Receiver<Request>,
    answers: mpsc::Sender<Result<Option<Reply>, TransportError>>,
) {
    while let Some(request) = asked.recv().await {
        let reply = asker.ask(&owner, &request, limits::CONTROL_TIMEOUT).await;
        if answers.send(reply).await.is_err() {
            return;
        }
    }
}

impl Running {
    fn note(&mut self, reply: Option<Reply>) -> Option<Reply> {
        match &reply {
            Some(Reply::Status(status)) => (self.progress)(status),
            Some(Reply::Opened(opened)) => {
                // The owner may continue the job under another id.
                self.request.job = opened.job.clone();
                if let Some(first) = self.opened.take() {
                    // The receiver may be gone; that is no error.
                    let _ = first.send(opened.clone());
                }
            }
            _ => {}
        }
        reply
    }

    async fn perform(&mut self, action: Action) -> Result<(), ProducerError> {
        let job = self.request.job.clone();
        match action {
            Action::AskOpen { instead_of } => {
                let request = Request::Open(Box::new(JobRequest { instead_of, ..self.request.clone() }));
                // The asking task ends only after this one.
                let _ = self.questions.send(request).await;
            }
            Action::AskStatus => {
                let _ = self.questions.send(Request::Status { job }).await;
            }
            Action::StartPlan => {
                // Confirms of an earlier plan would be taken for confirms of this one.
                self.publishing = JoinSet::new();
                let plan = Plan::new(&self.request.spec, &self.roots)?;
                self.plan = Some(Planner::spawn(plan.leaving_out(Own::streams()))?);
            }
            Action::Publish { planned, place } => {
                let number = planned.number;
                let message = planned.to_message(&job, &place, self.clock.system());
                self.publish(message, number, Event::Confirmed(number));
            }
            Action::EndPlan { tasks, place } => {
                let message = PlanEnd { job, tasks }.to_message(&place, self.clock.system());
                self.publish(message, tasks, Event::PlanEndConfirmed);
            }
            Action::Say(text) => (self.notify)(text),
            // `run` handles them.
            Action::Done(_) | Action::Refused(_) | Action::Overtaken => {}
        }
        Ok(())
    }

    fn publish(&mut self, message: Message, number: u64, then: Event) {
        let (transport, key) = (Arc::clone(&self.transport), topology::plan_key(&self.owner));
        let job = self.request.job.clone();
        self.publishing.spawn(async move {
            // Publishing waits while the owner's queue is full, and so does the plan.
            match until_taken(&*transport, topology::PLANS, &key, || message.clone()).await {
                Ok(()) => Ok(then),
                Err(Unpublished::TooLarge(oversize)) => Err(ProducerError::TooLarge { job, number, oversize }),
                Err(Unpublished::Transport(error)) => Err(error.into()),
            }
        });
    }
}
