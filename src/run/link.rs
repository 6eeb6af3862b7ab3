//! The link to an owner in this process.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use producer::ProducerError;
use producer::client::engine::{Event, Road};
use producer::client::link::{Link, Part};
use reducer::service::{Handle, OpenError};
use shared::protocol::id::JobId;
use shared::protocol::message::{Place, PlanEnd, Reply, Request};

type Doing = Pin<Box<dyn Future<Output = Event> + Send>>;

/// If the owner has stopped, no event follows any more. Whoever holds the link watches the owner.
pub struct Local {
    handle: Arc<Handle>,
    asking: Option<Doing>,
    /// Parts of the plan that wait for the one before them, so that they keep their order. The
    /// client hands over no more than its window before it hears of the first.
    waiting: VecDeque<(JobId, Part, Place)>,
    handing: Option<Doing>,
}

impl Local {
    pub fn new(handle: &Handle) -> Self {
        Self { handle: Arc::new(handle.clone()), asking: None, waiting: VecDeque::new(), handing: None }
    }
}

impl Link for Local {
    fn road(&self) -> Road {
        Road::Process
    }

    fn ask(&mut self, request: Request) {
        let handle = Arc::clone(&self.handle);
        self.asking = Some(Box::pin(async move { Event::Replied(reply(&handle, request).await) }));
    }

    fn hand_over(&mut self, job: &JobId, part: Part, place: Place) {
        self.waiting.push_back((job.clone(), part, place));
    }

    fn begin_plan(&mut self) {
        self.waiting.clear();
        self.handing = None;
    }

    async fn heard(&mut self) -> Result<Event, ProducerError> {
        if self.handing.is_none()
            && let Some((job, part, place)) = self.waiting.pop_front()
        {
            self.handing = Some(Box::pin(hand_over(Arc::clone(&self.handle), job, part, place)));
        }
        tokio::select! {
            biased;
            event = done(&mut self.asking) => Ok(event),
            event = done(&mut self.handing) => Ok(event),
        }
    }
}

/// Waits for the end of what is being done, for ever if that is nothing.
async fn done(doing: &mut Option<Doing>) -> Event {
    let Some(running) = doing else { return pending().await };
    let event = running.await;
    *doing = None;
    event
}

async fn reply(handle: &Handle, request: Request) -> Option<Reply> {
    match request {
        Request::Open(request) => match handle.open(*request).await {
            Ok(opened) => Some(Reply::Opened(opened)),
            Err(OpenError::Refused(reason)) => Some(Reply::Refused { reason }),
            Err(OpenError::Stopped | OpenError::Failed(_)) => pending().await,
        },
        Request::Status { job } => match handle.status(&job).await {
            Some(status) => Some(Reply::Status(Box::new(status))),
            None => pending().await,
        },
        // A client asks nothing else.
        _ => None,
    }
}

async fn hand_over(handle: Arc<Handle>, job: JobId, part: Part, place: Place) -> Event {
    let (is_taken, event) = match part {
        Part::Task(planned) => {
            let number = planned.number;
            (handle.planned(job, place, planned).await, Event::Confirmed(number))
        }
        Part::End(tasks) => (handle.end_plan(PlanEnd { job, tasks }, place).await, Event::PlanEndConfirmed),
    };
    if is_taken { event } else { pending().await }
}
