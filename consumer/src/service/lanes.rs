//! Opens and closes lanes. Each has its subscription with its prefetch, and its executors.

use std::sync::Arc;

use shared::protocol::id::Class;
use shared::protocol::limits;
use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::system::threads::NoThread;
use shared::transport::{Subscribe, TransportError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::queues::serve_lane;
use super::{Input, Opened, Running};
use crate::engine::{Event, Lane, LaneSpec, ListedLane, Tag};
use crate::executor::{self, Ended, Executor, Report, Sink};
use crate::work;

/// What a lane takes, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneConfig {
    pub workload: Workload,
    pub class: Class,
    /// Tasks that the lane does at a time, at most.
    pub slots: u32,
    /// Tasks that are started before a slot is free for them.
    pub ahead: u32,
    /// Unacked deliveries of the lane.
    pub prefetch: u16,
    /// Whether its tasks share the consumer's cores with the other lanes that use cores. The tasks
    /// of a lane that uses none run beside them.
    pub uses_cores: bool,
}

impl LaneConfig {
    /// A lane that uses cores. Its prefetch is `slots`, and what the workload has waiting besides.
    pub fn new(workload: Workload, class: Class, slots: u32) -> Self {
        let prefetch = u16::try_from(slots).unwrap_or(u16::MAX).saturating_add(work::of(workload).spare());
        Self { workload, class, slots, ahead: 0, prefetch, uses_cores: true }
    }
}

/// Why a lane was not opened or closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    #[error("the consumer has stopped, or the lane was closed before it was open")]
    Gone,
    #[error("lane {0} is not open")]
    NotOpen(Lane),
    #[error(transparent)]
    Thread(#[from] NoThread),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// What a handle asks of the consumer's loop.
pub(super) enum Order {
    Open(LaneConfig, Opened),
    Close(Lane, oneshot::Sender<Result<(), LaneError>>),
    List(oneshot::Sender<Vec<ListedLane>>),
}

/// Opens and closes lanes of a consumer while it runs.
#[derive(Debug, Clone)]
pub struct Lanes(mpsc::Sender<Order>);

impl Lanes {
    pub(super) fn new(orders: mpsc::Sender<Order>) -> Self {
        Self(orders)
    }

    /// Opens a lane, and returns its id when it is subscribed to its queue.
    pub async fn open(&self, lane: LaneConfig) -> Result<Lane, LaneError> {
        self.ask(|opened| Order::Open(lane, opened)).await?
    }

    /// Closes a lane: from now on it starts no task, and its running tasks finish. It stays in
    /// [`Lanes::list`] until they have ended.
    pub async fn close(&self, lane: Lane) -> Result<(), LaneError> {
        self.ask(|closed| Order::Close(lane, closed)).await?
    }

    /// The lanes that have not ended, in the order in which they were opened.
    pub async fn list(&self) -> Result<Vec<ListedLane>, LaneError> {
        self.ask(Order::List).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, LaneError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(order(reply)).await.map_err(|_| LaneError::Gone)?;
        answer.await.map_err(|_| LaneError::Gone)
    }
}

/// A lane that has not ended.
pub(super) struct OpenLane {
    config: LaneConfig,
    threads: Box<dyn Executor>,
    /// Does suspects, if this process isolates them.
    processes: Option<Box<dyn Executor>>,
    /// Whoever waits for the subscription.
    opened: Option<Opened>,
    listener: Option<AbortHandle>,
}

impl OpenLane {
    pub fn executor(&mut self, isolated: bool) -> &mut dyn Executor {
        match &mut self.processes {
            Some(processes) if isolated => &mut **processes,
            _ => &mut *self.threads,
        }
    }

    pub fn go(&mut self) {
        self.threads.go();
        if let Some(processes) = &mut self.processes {
            processes.go();
        }
    }

    pub fn nudge(&mut self) {
        self.threads.nudge();
    }

    pub fn cancel(&mut self, tag: Tag) {
        self.threads.cancel(tag);
        if let Some(processes) = &mut self.processes {
            processes.cancel(tag);
        }
    }

    /// Ends the threads. No task runs on them any more, but a worker may still handle an update, so
    /// this may wait.
    fn end(self) {
        self.threads.close();
        if let Some(processes) = self.processes {
            processes.close();
        }
    }
}

impl Running {
    pub(super) async fn obey(&mut self, order: Order) {
        match order {
            Order::Open(config, opened) => {
                if let Err((error, Some(opened))) = self.open(config, Some(opened)).await {
                    let _ = opened.send(Err(error.into()));
                }
            }
            Order::Close(lane, closed) => {
                let is_open = self.engine.lanes().any(|listed| listed.lane == lane && listed.is_open);
                if is_open {
                    self.tell(Event::LaneClosed { lane }).await;
                }
                let _ = closed.send(if is_open { Ok(()) } else { Err(LaneError::NotOpen(lane)) });
            }
            Order::List(reply) => drop(reply.send(self.engine.lanes().collect())),
        }
    }

    /// Opens a lane. `opened` hears when it is subscribed; without it, a subscription that fails
    /// ends the consumer. An error gives `opened` back.
    pub(super) async fn open(
        &mut self,
        config: LaneConfig,
        opened: Option<Opened>,
    ) -> Result<(), (NoThread, Option<Opened>)> {
        let LaneConfig { workload, slots, .. } = config;
        let sink = self.sink();
        let site = || Arc::clone(&self.config.site);
        let threads = match executor::threads(workload, slots, site(), Arc::clone(&sink)) {
            Ok(threads) => Box::new(threads),
            Err(error) => return Err((error, opened)),
        };
        let apart = |isolation: &Arc<_>| executor::processes(workload, slots, site(), Arc::clone(isolation), sink);
        let processes = self.config.isolation.as_ref().map(apart).map(|apart| Box::new(apart) as Box<dyn Executor>);
        self.open_with(config, threads, processes, opened).await;
        Ok(())
    }

    /// Takes what executors report.
    pub(super) fn sink(&self) -> Sink {
        let inputs = self.inputs.clone();
        Arc::new(move |report| {
            let event = match report {
                Report::Early { tag, early } => Event::Early { tag, early },
                Report::Ended(Ended { tag, result, micros }) => Event::Worked { tag, result, micros },
            };
            // The loop ends when the process stops. The broker then redelivers the task.
            let _ = inputs.send(Input::Event(event));
        })
    }

    /// Opens a lane with these executors; returns its id.
    pub(super) async fn open_with(
        &mut self,
        config: LaneConfig,
        threads: Box<dyn Executor>,
        processes: Option<Box<dyn Executor>>,
        opened: Option<Opened>,
    ) -> Lane {
        let lane = self.next_lane;
        self.next_lane += 1;
        let LaneConfig { workload, class, ahead, uses_cores, .. } = config.clone();
        let slots = threads.slots();
        self.lanes.insert(lane, OpenLane { config, threads, processes, opened, listener: None });
        self.tell(Event::LaneOpened { lane, spec: LaneSpec { workload, class, slots, ahead, uses_cores } }).await;
        lane
    }

    /// Subscribes in the background: a queue that cannot be reached must not delay the others.
    pub(super) fn listen(&mut self, lane: Lane) {
        let Some(open) = self.lanes.get_mut(&lane) else { return };
        let LaneConfig { workload, ref class, prefetch, .. } = open.config;
        let (queue, binding) = topology::tasks(workload, class);
        let wanted = Subscribe { queue, bindings: vec![binding], prefetch };
        let listen = serve_lane(lane, wanted, Arc::clone(&self.transport), self.inputs.clone(), open.opened.take());
        open.listener = Some(self.listeners.spawn(listen));
    }

    pub(super) fn stop_listening(&mut self, lane: Lane) {
        if let Some(listener) = self.lanes.get_mut(&lane).and_then(|open| open.listener.take()) {
            listener.abort();
        }
    }

    /// In the background: the loop must not wait for what a user's worker does.
    pub(super) fn end(&mut self, lane: Lane) {
        if let Some(open) = self.lanes.remove(&lane) {
            tokio::task::spawn_blocking(|| open.end());
        }
    }

    pub(super) async fn end_all(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        let end = tokio::task::spawn_blocking(|| lanes.into_values().for_each(OpenLane::end));
        // A worker that never ends is left to the end of the process.
        let _ = tokio::time::timeout(limits::STOP_TIMEOUT, end).await;
    }
}
