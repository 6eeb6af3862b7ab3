//! Runs the engine and the executors on a transport.
//!
//! # Layout
//! - [`Service`]: the loop; `actions` performs what the engine wants
//! - `lanes`: opens and closes lanes, also at run time
//! - `pools`: lanes for users' own workers
//! - `queues`: receives from the queues
//! - `heartbeats`, `roots`: what owners hear of this consumer

mod actions;
mod heartbeats;
mod lanes;
mod pools;
mod queues;
mod roots;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use shared::protocol::id::{Class, ConsumerId};
use shared::protocol::limits;
use shared::protocol::message::Announcement;
use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::system::clock::Clock;
use shared::system::random;
use shared::system::shutdown::Shutdown;
use shared::system::threads::NoThread;
use shared::transport::{Delivery, Subscribe, Transport, TransportError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::engine::{Config, Consumer, Event, Lane, Tag};
use crate::isolation::Isolation;
use crate::work::Site;
use crate::workers::Workers;
use actions::Held;
use heartbeats::Heartbeats;
pub use lanes::{LaneConfig, LaneError, Lanes};
use lanes::{OpenLane, Order};
use pools::{Pools, Prepared};
use queues::hear_control;
use roots::Looked;

#[derive(Clone)]
pub struct ConsumerConfig {
    /// The roots that its tasks may read.
    pub site: Arc<Site>,
    /// A lane for each is open from the start. Each has all slots.
    pub serves: Vec<(Workload, Class)>,
    /// The kinds of workers whose calls it does.
    pub workers: Workers,
    /// Tasks that run at the same time in all lanes that use cores.
    pub slots: u32,
    /// Unacked deliveries of each of these lanes. If `None`: the default of [`LaneConfig::new`].
    pub prefetch: Option<u16>,
    /// How to do tasks that may have killed consumers. If `None`: in this process, like all tasks.
    pub isolation: Option<Arc<Isolation>>,
    /// Heartbeat interval.
    pub heartbeat: Duration,
    /// How long the broker waits for an ack.
    pub ack_timeout: Duration,
    /// Counts the answered tasks.
    pub done: Arc<AtomicU64>,
    /// Notified at each heartbeat, as proof that the loop is alive.
    pub turns: Arc<Notify>,
}

impl ConsumerConfig {
    /// Defaults, with one slot.
    pub fn new(site: Site, serves: Vec<(Workload, Class)>) -> Self {
        Self {
            site: Arc::new(site),
            serves,
            workers: Workers::new(),
            slots: 1,
            prefetch: None,
            isolation: None,
            heartbeat: limits::HEARTBEAT,
            ack_timeout: limits::ACK_TIMEOUT,
            done: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// The lanes that are open from the start.
    fn lanes(&self) -> Vec<LaneConfig> {
        let lane = |(workload, class): &(Workload, Class)| {
            let lane = LaneConfig::new(*workload, class.clone(), self.slots);
            LaneConfig { prefetch: self.prefetch.unwrap_or(lane.prefetch), ..lane }
        };
        self.serves.iter().map(lane).collect()
    }
}

/// Why a consumer ended before it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Thread(#[from] NoThread),
}

/// Inputs that are handled before the slots hear of new tasks, at most.
const TURN_INPUTS: usize = 64;

/// Orders that wait for the consumer's loop, at most. Who gives one waits for its result.
const ORDERS_MAX: usize = 16;

/// Hears whether a lane is subscribed.
type Opened = oneshot::Sender<Result<Lane, LaneError>>;

enum Input {
    Delivery(Lane, Box<Delivery>),
    Event(Event),
    /// An owner announces a job.
    Announced(Box<Announcement>),
    /// The slots of an announced job are ready.
    Prepared(Box<Prepared>),
    /// The broker took or refused the heartbeat that was under way.
    HeartbeatSent,
    Failed(TransportError),
}

/// A consumer that is ready to run.
pub struct Service {
    config: ConsumerConfig,
    transport: Arc<dyn Transport>,
    orders: (mpsc::Sender<Order>, mpsc::Receiver<Order>),
}

impl Service {
    pub fn new(config: ConsumerConfig, transport: Arc<dyn Transport>) -> Self {
        Self { config, transport, orders: mpsc::channel(ORDERS_MAX) }
    }

    /// Opens and closes lanes while the consumer runs.
    pub fn lanes(&self) -> Lanes {
        Lanes::new(self.orders.0.clone())
    }

    /// Serves until `shutdown` is requested. Then it finishes the running tasks within
    /// [`limits::STOP_TIMEOUT`] and returns the other deliveries to their queues.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ConsumerError> {
        let (inputs, mut outputs) = mpsc::unbounded_channel();
        let mut running = Running::new(self.config, self.transport, inputs);
        let subscribed = shutdown.unless_asked(running.subscribe()).await;
        if subscribed.transpose()?.is_none() {
            return Ok(());
        }
        let result = running.serve(&mut outputs, self.orders.1, shutdown).await;
        // Ends the subscriptions: the broker requeues every delivery that is not acked.
        running.listeners.abort_all();
        running.publishes.abort_all();
        result
    }
}

/// Runs a consumer whose lanes stay as they are at the start.
pub async fn run(
    config: ConsumerConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<(), ConsumerError> {
    Service::new(config, transport).run(shutdown).await
}

struct Running {
    config: ConsumerConfig,
    transport: Arc<dyn Transport>,
    clock: Clock,
    host: String,
    engine: Consumer,
    held: BTreeMap<Tag, Held>,
    next_tag: Tag,
    lanes: BTreeMap<Lane, OpenLane>,
    pools: Pools,
    next_lane: Lane,
    inputs: mpsc::UnboundedSender<Input>,
    publishes: JoinSet<()>,
    listeners: JoinSet<()>,
    heartbeats: Heartbeats,
}

impl Running {
    fn new(config: ConsumerConfig, transport: Arc<dyn Transport>, inputs: mpsc::UnboundedSender<Input>) -> Self {
        let (host, clock) = (shared::system::host::name(), Clock::start());
        let engine = Consumer::new(Config {
            consumer: ConsumerId::from_name(random::token().as_bytes()),
            host: host.clone(),
            cores: config.slots,
            heartbeat_millis: u64::try_from(config.heartbeat.as_millis()).unwrap_or(u64::MAX),
            ack_timeout: config.ack_timeout,
        });
        Self {
            heartbeats: Heartbeats::new(Arc::clone(&transport), clock, inputs.clone()),
            config,
            transport,
            clock,
            host,
            engine,
            held: BTreeMap::new(),
            next_tag: 0,
            lanes: BTreeMap::new(),
            pools: Pools::default(),
            next_lane: 0,
            inputs,
            publishes: JoinSet::new(),
            listeners: JoinSet::new(),
        }
    }

    async fn subscribe(&mut self) -> Result<(), ConsumerError> {
        self.transport.declare(&topology::shared()).await?;
        let (queue, bindings) = topology::consumer_control(self.engine.id());
        let control = self.transport.subscribe(Subscribe { queue, bindings, prefetch: 16 }).await?;
        self.listeners.spawn(hear_control(control, self.inputs.clone()));
        for lane in self.config.lanes() {
            self.open(lane, None).await.map_err(|(error, _)| error)?;
        }
        let looked = self.heartbeats.looked();
        self.listeners.spawn(looked.go_on(Arc::clone(&self.config.site), self.config.heartbeat));
        Ok(())
    }

    async fn serve(
        &mut self,
        outputs: &mut mpsc::UnboundedReceiver<Input>,
        mut orders: mpsc::Receiver<Order>,
        shutdown: Shutdown,
    ) -> Result<(), ConsumerError> {
        let mut heartbeat = tokio::time::interval(self.config.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut deadline = None;
        loop {
            self.lanes.values_mut().for_each(OpenLane::go);
            let give_up = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let input = tokio::select! {
                biased;
                () = shutdown.asked(), if deadline.is_none() => {
                    deadline = Some(tokio::time::Instant::now() + limits::STOP_TIMEOUT);
                    // Whoever gives an order from now on hears that the consumer stops.
                    orders.close();
                    Input::Event(Event::Stop)
                }
                () = give_up => {
                    self.cancel_all();
                    return Ok(());
                }
                Some(order) = orders.recv(), if deadline.is_none() => {
                    self.obey(order).await;
                    continue;
                }
                Some(input) = outputs.recv() => input,
                _ = heartbeat.tick() => {
                    // Only current waiters: a stored permit would report an old turn as a new one.
                    self.config.turns.notify_waiters();
                    self.leave_silent().await;
                    Input::Event(Event::HeartbeatDue)
                }
            };
            // What has gathered meanwhile is taken with it, so that slots are woken for several tasks.
            let more = std::iter::from_fn(|| outputs.try_recv().ok()).take(TURN_INPUTS - 1);
            for input in std::iter::once(input).chain(more) {
                if self.take(input, deadline.is_some()).await? {
                    self.end_all().await;
                    self.heartbeats.take_leave().await;
                    return Ok(());
                }
            }
            while self.publishes.try_join_next().is_some() {}
            while self.listeners.try_join_next().is_some() {}
        }
    }

    /// Handles an input. Returns whether the consumer has stopped.
    async fn take(&mut self, input: Input, is_stopping: bool) -> Result<bool, ConsumerError> {
        let event = match input {
            Input::Delivery(lane, delivery) => self.hold(lane, delivery),
            Input::Event(event) => event,
            Input::Announced(announcement) => {
                if !is_stopping {
                    self.announced(*announcement).await;
                }
                return Ok(false);
            }
            Input::Prepared(prepared) => {
                self.prepared(*prepared).await;
                return Ok(false);
            }
            Input::HeartbeatSent => {
                self.heartbeats.sent();
                return Ok(false);
            }
            Input::Failed(error) => return Err(error.into()),
        };
        Ok(self.tell(event).await)
    }

    /// Tells the engine and performs its actions. Returns whether the consumer has stopped.
    async fn tell(&mut self, event: Event) -> bool {
        if let Event::Worked { tag, .. } = &event {
            self.work_ended(*tag);
        }
        let mut has_stopped = false;
        for action in self.engine.step(event, self.clock.now()) {
            has_stopped |= self.perform(action).await;
        }
        has_stopped
    }
}
