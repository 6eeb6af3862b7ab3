//! A handle to the owner, for callers in the same process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use shared::protocol::id::{JobId, OpeningId, OwnerId};
use shared::protocol::job::{JobSpec, JobStatus};
use shared::protocol::message::{JobRequest, Opened, Place, PlanEnd, Planned, Reply};
use shared::protocol::payload::Payload;
use shared::transport::Transport;
use tokio::sync::{mpsc, oneshot, watch};

use super::progress::{Followers, Replies, Streamed};
use super::queues;
use super::{ServiceError, fresh_opening};
use crate::ledger::Arrived;
use crate::owner::{Event, Reached, ReplyTo, Update};

#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Refused(String),
    #[error("the reducer has stopped")]
    Stopped,
    /// The owner stopped because of an error.
    #[error(transparent)]
    Failed(ServiceError),
}

/// A running owner. Clones refer to the same owner.
#[derive(Clone)]
pub struct Handle {
    owner: OwnerId,
    store: PathBuf,
    inbox: mpsc::Sender<Arrived>,
    ended: watch::Receiver<Option<Result<(), ServiceError>>>,
    followers: Arc<Followers>,
    replies: Replies,
    next_reply: Arc<AtomicU64>,
    transport: Arc<dyn Transport>,
    /// The job whose queues were declared at the start.
    declared: Option<Box<JobSpec>>,
}

impl Handle {
    pub(super) fn new(
        owner: OwnerId,
        store: PathBuf,
        inbox: mpsc::Sender<Arrived>,
        ended: watch::Receiver<Option<Result<(), ServiceError>>>,
        transport: Arc<dyn Transport>,
        declared: Option<Box<JobSpec>>,
    ) -> Self {
        let (followers, replies, next_reply) = (Arc::default(), Replies::default(), Arc::default());
        Self { owner, store, inbox, ended, followers, replies, next_reply, transport, declared }
    }

    pub(super) fn replies(&self) -> Replies {
        Arc::clone(&self.replies)
    }

    pub(super) fn followers(&self) -> Arc<Followers> {
        Arc::clone(&self.followers)
    }

    pub fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// The store's file, for readers.
    pub fn store_path(&self) -> &Path {
        &self.store
    }

    /// Follows an opening of a job.
    pub async fn follow(&self, job: JobId, opening: OpeningId) -> watch::Receiver<Reached> {
        let following = self.followers.follow(&opening);
        // If the owner has stopped, there is nothing more to follow.
        let _ = self.inbox.send(Event::Follow { job, opening, streams: false }.into()).await;
        following
    }

    /// Streams an opening of a job: each task that is counted from now on. What is not received
    /// yet waits in memory, so the caller bounds how many tasks it plans ahead.
    pub async fn stream(&self, job: JobId, opening: OpeningId) -> mpsc::UnboundedReceiver<Streamed> {
        let stream = self.followers.stream(&opening);
        let _ = self.inbox.send(Event::Follow { job, opening, streams: true }.into()).await;
        stream
    }

    /// The results of these tasks were received and are not asked for again: they leave the store.
    pub async fn taken(&self, job: JobId, opening: OpeningId, numbers: Vec<u64>) {
        let _ = self.inbox.send(Event::Taken { job, opening, numbers }.into()).await;
    }

    /// Adds an update of a job's workers; returns its version once it is committed. If it
    /// `replaces` all before it, these leave the store.
    pub async fn update(
        &self,
        job: JobId,
        opening: OpeningId,
        body: Payload,
        replaces: bool,
    ) -> Result<u64, OpenError> {
        let update = |reply| Event::Update { job, opening, update: Update { body, replaces, reply } };
        match self.ask(update).await {
            Some(Reply::Updated { version }) => Ok(version),
            Some(Reply::Refused { reason }) => Err(OpenError::Refused(reason)),
            _ => Err(self.ended().await.map_or_else(OpenError::Failed, |()| OpenError::Stopped)),
        }
    }

    /// Cancels an opening of a job; returns its status after that.
    pub async fn cancel(&self, job: JobId, opening: OpeningId) -> Option<JobStatus> {
        let cancel = |reply| Event::Cancel { job, opening: Some(opening), reply };
        match self.ask(cancel).await? {
            Reply::Status(status) => Some(*status),
            _ => None,
        }
    }

    async fn ask<A: Into<Arrived>>(&self, request: impl FnOnce(ReplyTo) -> A) -> Option<Reply> {
        let number = self.next_reply.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        self.inbox.send(request(ReplyTo::Local(number)).into()).await.ok()?;
        receiver.await.ok()
    }

    /// Opens a job: commits a new one, or continues an existing one.
    pub async fn open(&self, request: JobRequest) -> Result<Opened, OpenError> {
        if self.declared.as_deref() != Some(&request.spec) {
            let declared = queues::declare(&self.transport, &request.spec, &self.owner).await;
            declared.map_err(|error| OpenError::Refused(error.to_string()))?;
        }
        match self.ask(|reply| Arrived::Open { request: Box::new(request), opening: fresh_opening(), reply }).await {
            Some(Reply::Opened(opened)) => Ok(opened),
            Some(Reply::Refused { reason }) => Err(OpenError::Refused(reason)),
            // If there is no answer, the owner has ended, and the reason is known by then.
            _ => Err(self.ended().await.map_or_else(OpenError::Failed, |()| OpenError::Stopped)),
        }
    }

    /// Adds a task to a plan. Waits while the owner is busy; `false` if the owner has stopped.
    pub async fn planned(&self, job: JobId, place: Place, planned: Box<Planned>) -> bool {
        self.inbox.send(Arrived::Planned { job, place, planned, tag: None }).await.is_ok()
    }

    /// Ends a plan; `false` if the owner has stopped.
    pub async fn end_plan(&self, plan_end: PlanEnd, place: Place) -> bool {
        self.inbox.send(Event::PlanEnd { plan_end, place, tag: None }.into()).await.is_ok()
    }

    /// A job's status; `None` if the job is unknown or the owner has stopped.
    pub async fn status(&self, job: &JobId) -> Option<JobStatus> {
        match self.ask(|reply| Event::Status { job: job.clone(), reply }).await? {
            Reply::Status(status) => Some(*status),
            _ => None,
        }
    }

    /// The status of every job; empty if the owner has stopped.
    pub async fn jobs(&self) -> Vec<JobStatus> {
        match self.ask(|reply| Arrived::Jobs { reply }).await {
            Some(Reply::Jobs { jobs }) => jobs,
            _ => Vec::new(),
        }
    }

    /// Tells the owner that the job's report is complete. The owner then commits the receipt.
    pub async fn reported(&self, job: JobId, opening: OpeningId, sha256: String) {
        // If the owner has stopped, the report is requested again at its next start.
        let _ = self.inbox.send(Event::Reported { job, opening, sha256 }.into()).await;
    }

    /// Waits until the receipt of a followed job is committed, or the owner has ended without that.
    pub async fn finished(&self, mut following: watch::Receiver<Reached>) -> Result<(), ServiceError> {
        let finished = async {
            if following.wait_for(|reached| reached.is_finished).await.map(drop).is_err() {
                std::future::pending::<()>().await;
            }
        };
        let stopped = || ServiceError::Report("the reducer was stopped before the job was done".to_owned());
        tokio::select! {
            biased;
            () = finished => Ok(()),
            ended = self.ended() => ended.and(Err(stopped())),
        }
    }

    /// Waits until the owner has stopped.
    pub async fn ended(&self) -> Result<(), ServiceError> {
        match self.ended.clone().wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }
}
