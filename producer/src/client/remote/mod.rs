//! The link to an owner over a transport.

pub mod straight;

use std::sync::Arc;

use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::message::{Message, Place, PlanEnd, Reply, Request};
use shared::protocol::topology;
use shared::system::clock::Clock;
use shared::transport::ask::Asker;
use shared::transport::{Transport, TransportError, Unpublished, until_taken};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::engine::{Event, Road};
use super::error::ProducerError;
use super::link::{Link, Part};
use straight::Straight;

/// Requests that wait for the one before them. The engine asks one at a time, and gives up a request
/// without its reply only when its plan begins again.
const QUESTIONS: usize = 4;

type Answer = Result<Option<Reply>, TransportError>;

pub struct Remote {
    transport: Arc<dyn Transport>,
    owner: OwnerId,
    clock: Clock,
    /// The queue of the tasks, if they go there and not to the owner.
    straight: Option<Arc<Straight>>,
    questions: mpsc::Sender<Request>,
    answers: mpsc::Receiver<Answer>,
    handing: JoinSet<Result<Event, ProducerError>>,
}

impl Remote {
    /// A link over which planned tasks go to the owner.
    pub async fn new(transport: Arc<dyn Transport>, owner: OwnerId) -> Result<Self, TransportError> {
        Self::with(transport, owner, None).await
    }

    /// A link over which the tasks of the derived plan of `spec` go straight to their queue.
    pub async fn straight(
        transport: Arc<dyn Transport>,
        owner: OwnerId,
        spec: &JobSpec,
    ) -> Result<Self, TransportError> {
        let straight = Straight::new(spec);
        Self::with(transport, owner, Some(straight)).await
    }

    async fn with(
        transport: Arc<dyn Transport>,
        owner: OwnerId,
        straight: Option<Straight>,
    ) -> Result<Self, TransportError> {
        let asker = Asker::new(Arc::clone(&transport)).await?;
        if let Some(straight) = &straight {
            transport.declare(&straight.topology).await?;
        }
        let straight = straight.map(Arc::new);
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (told, answers) = mpsc::channel(1);
        tokio::spawn(ask(asker, owner.clone(), Arc::clone(&transport), straight.clone(), asked, told));
        Ok(Self { transport, owner, clock: Clock::start(), straight, questions, answers, handing: JoinSet::new() })
    }

    fn publish(&mut self, message: Message, job: JobId, number: u64, then: Event) {
        let (transport, key) = (Arc::clone(&self.transport), topology::plan_key(&self.owner));
        self.handing.spawn(async move {
            // Publishing waits while the owner's queue is full, and so does the plan.
            match until_taken(&*transport, topology::PLANS, &key, || message.clone()).await {
                Ok(()) => Ok(then),
                Err(Unpublished::TooLarge(oversize)) => Err(ProducerError::TooLarge { job, number, oversize }),
                Err(Unpublished::Transport(error)) => Err(error.into()),
            }
        });
    }
}

/// Asks the owner in the background: a question without an answer must not delay the plan.
async fn ask(
    mut asker: Asker,
    owner: OwnerId,
    transport: Arc<dyn Transport>,
    straight: Option<Arc<Straight>>,
    mut asked: mpsc::Receiver<Request>,
    told: mpsc::Sender<Answer>,
) {
    while let Some(request) = asked.recv().await {
        let mut answer = asker.ask(&owner, &request, limits::CONTROL_TIMEOUT).await;
        if let (Ok(Some(Reply::Status(status))), Some(straight)) = (&mut answer, &straight)
            && let Err(error) = straight.look_for_consumers(&*transport, status).await
        {
            answer = Err(error);
        }
        if told.send(answer).await.is_err() {
            return;
        }
    }
}

impl Link for Remote {
    fn road(&self) -> Road {
        if self.straight.is_some() { Road::Queue } else { Road::Broker }
    }

    fn ask(&mut self, request: Request) {
        // Where there is no room, replies to earlier requests are on their way.
        let _ = self.questions.try_send(request);
    }

    fn hand_over(&mut self, job: &JobId, part: Part, place: Place) {
        let now = self.clock.system();
        match (part, &self.straight) {
            (Part::Task(planned), Some(straight)) => {
                let (transport, owner) = (Arc::clone(&self.transport), self.owner.clone());
                let (straight, job) = (Arc::clone(straight), job.clone());
                self.handing.spawn(async move {
                    let number = planned.number;
                    let (key, message) = straight.message(&job, &owner, *planned, place, now);
                    straight::send(&*transport, &key, &message, (job, number)).await.map(|()| Event::Confirmed(number))
                });
            }
            (Part::Task(planned), None) => {
                let number = planned.number;
                self.publish(planned.to_message(job, &place, now), job.clone(), number, Event::Confirmed(number));
            }
            (Part::End(tasks), _) => {
                let message = PlanEnd { job: job.clone(), tasks }.to_message(&place, now);
                self.publish(message, job.clone(), tasks, Event::PlanEndConfirmed);
            }
        }
    }

    fn begin_plan(&mut self) {
        self.handing = JoinSet::new();
    }

    async fn heard(&mut self) -> Result<Event, ProducerError> {
        tokio::select! {
            biased;
            Some(handed) = self.handing.join_next() => handed.expect("handing over does not panic"),
            Some(answer) = self.answers.recv() => Ok(Event::Replied(answer?)),
            else => std::future::pending().await,
        }
    }
}
