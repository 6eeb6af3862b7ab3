//! The submission wired to a transport.

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

/// What a producer is told.
pub struct ProducerConfig {
    /// What is to be done.
    pub request: JobRequest,
    /// Who is to own it.
    pub owner: OwnerId,
    /// The local directories of its roots.
    pub roots: Vec<PathBuf>,
    /// Whether to stay until it ends.
    pub wait: bool,
    /// Whether a plan that its owner has is made again: see [`Config::recheck`].
    pub recheck: bool,
    /// The broker, as notices show it.
    pub broker: String,
    /// Told once, when the owner has committed the job: under which id.
    pub opened: oneshot::Sender<Opened>,
    /// Takes notices.
    pub notify: Notify,
    /// Takes the job's account while it runs.
    pub progress: Arc<dyn Fn(&JobStatus) + Send + Sync>,
}

/// A job could not be submitted.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The plan cannot go on.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The plan broke off.
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    /// The plan has no thread.
    #[error(transparent)]
    Thread(#[from] NoThread),
    /// The owner will not have the job.
    #[error("{0}")]
    Refused(String),
    /// One task of the plan is too large for a message.
    #[error("task {job}.{number} cannot be sent: {oversize}. The same command with --job {job} goes on from there")]
    TooLarge {
        /// The job.
        job: JobId,
        /// The task.
        number: u64,
        /// By how much, and who says so.
        oversize: Oversize,
    },
    /// Its plan is another producer's.
    #[error(
        "job {0} has the plan of another producer, whose walk found something else: its report is of those files. Run \
         this once more when it has ended, or with another --job"
    )]
    Overtaken(JobId),
    /// Someone has cancelled the job.
    #[error("job {0} was cancelled")]
    Cancelled(JobId),
    /// Asked to stop before the end.
    #[error("stopped before the job was done; the same command with --job {0} goes on with it")]
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

/// Submits a job and, if asked to, waits for its end. `None` when it was not to wait.
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

/// Asks in the background: a question that waits for its answer must not hold up the plan.
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
                // It may go on with another one.
                self.request.job = opened.job.clone();
                if let Some(first) = self.opened.take() {
                    // Who does not listen needs not to know.
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
                // The asking task ends only with this one.
                let _ = self.questions.send(request).await;
            }
            Action::AskStatus => {
                let _ = self.questions.send(Request::Status { job }).await;
            }
            Action::StartPlan => {
                // Confirms of a plan from before it began again would pass for those of this one.
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
            // Performed by the loop that ends on them.
            Action::Done(_) | Action::Refused(_) | Action::Overtaken => {}
        }
        Ok(())
    }

    fn publish(&mut self, message: Message, number: u64, then: Event) {
        let (transport, owner) = (Arc::clone(&self.transport), self.owner.clone());
        let job = self.request.job.clone();
        self.publishing.spawn(async move {
            // While the owner's queue is full it is busy, and the plan waits.
            match until_taken(&*transport, topology::OUTCOMES, owner.as_str(), || message.clone()).await {
                Ok(()) => Ok(then),
                Err(Unpublished::TooLarge(oversize)) => Err(ProducerError::TooLarge { job, number, oversize }),
                Err(Unpublished::Transport(error)) => Err(error.into()),
            }
        });
    }
}
