//! Runs the engine and the work on a transport.

mod queues;
mod roots;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shared::protocol::id::{Class, ConsumerId};
use shared::protocol::limits;
use shared::protocol::message::{DeadLetter, Message, Presence, Task, kind};
use shared::protocol::reason::Reason;
use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::system::clock::Clock;
use shared::system::random;
use shared::system::shutdown::Shutdown;
use shared::transport::{self, Delivery, PublishError, Subscribe, Transport, TransportError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::engine::{Action, Config, Consumer, Done, Event, Lane, Tag};
use crate::isolation::{self, Isolation};
use crate::publish;
use crate::publish::parts::PartPublisher;
use crate::work::{self, Context, Site, WorkError};
use queues::{hear_control, serve_lane};
use roots::Looked;

#[derive(Clone)]
pub struct ConsumerConfig {
    /// The roots that its tasks may read.
    pub site: Arc<Site>,
    /// One subscription each.
    pub serves: Vec<(Workload, Class)>,
    /// Tasks that run at the same time.
    pub slots: u32,
    /// Unacked deliveries per queue. If `None`: `slots`, and what the workload has waiting besides.
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
            slots: 1,
            prefetch: None,
            isolation: None,
            heartbeat: limits::HEARTBEAT,
            ack_timeout: limits::ACK_TIMEOUT,
            done: Arc::default(),
            turns: Arc::default(),
        }
    }

    fn prefetch(&self, workload: Workload) -> u16 {
        let slots = u16::try_from(self.slots).unwrap_or(u16::MAX);
        self.prefetch.unwrap_or(slots.saturating_add(work::of(workload).spare()))
    }
}

/// How long a stopping consumer waits for the broker to take its last heartbeat.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

enum Input {
    Delivery(Lane, Box<Delivery>),
    Event(Event),
    /// The broker took or refused the heartbeat that was under way.
    HeartbeatSent,
    Failed(TransportError),
}

struct Running {
    config: ConsumerConfig,
    transport: Arc<dyn Transport>,
    clock: Clock,
    host: String,
    deliveries: BTreeMap<Tag, Box<Delivery>>,
    /// When each delivery arrived. An entry goes when the delivery is settled or its lease is due.
    taken_at: BTreeMap<Tag, Instant>,
    inputs: mpsc::UnboundedSender<Input>,
    tasks: JoinSet<()>,
    heartbeats: JoinSet<()>,
    /// Heartbeats that the broker has not answered.
    signs_under_way: usize,
    /// The latest heartbeat, waiting until the one under way is answered.
    next_sign: Option<Box<Presence>>,
    looked: Looked,
    /// For each running task, the flag that tells its work to stop.
    cancelled: BTreeMap<Tag, Arc<AtomicBool>>,
    next_tag: Tag,
}

/// Serves until `shutdown` is requested. Then it finishes the running tasks within
/// [`limits::STOP_TIMEOUT`] and returns the other deliveries to their queues.
pub async fn run(
    config: ConsumerConfig,
    transport: Arc<dyn Transport>,
    shutdown: Shutdown,
) -> Result<(), TransportError> {
    let (inputs, mut outputs) = mpsc::unbounded_channel();
    let mut running = Running {
        host: shared::system::host::name(),
        clock: Clock::start(),
        deliveries: BTreeMap::new(),
        taken_at: BTreeMap::new(),
        inputs,
        tasks: JoinSet::new(),
        heartbeats: JoinSet::new(),
        signs_under_way: 0,
        next_sign: None,
        looked: Looked::default(),
        cancelled: BTreeMap::new(),
        next_tag: 0,
        config,
        transport,
    };
    let mut engine = Consumer::new(Config {
        consumer: ConsumerId::from_name(random::token().as_bytes()),
        host: running.host.clone(),
        slots: running.config.slots,
        serves: running.config.serves.clone(),
        heartbeat_millis: u64::try_from(running.config.heartbeat.as_millis()).unwrap_or(u64::MAX),
    });
    let subscribed = shutdown.unless_asked(running.subscribe(&engine)).await;
    let Some(listeners) = subscribed.transpose()? else { return Ok(()) };
    let result = running.serve(&mut engine, &mut outputs, shutdown).await;
    // Ends the subscriptions: the broker requeues every delivery that is not acked.
    drop(listeners);
    running.tasks.abort_all();
    result
}

impl Running {
    async fn subscribe(&mut self, engine: &Consumer) -> Result<JoinSet<()>, TransportError> {
        self.transport.declare(&topology::shared()).await?;
        let mut listeners = JoinSet::new();
        let (queue, bindings) = topology::consumer_control(engine.id());
        let control = self.transport.subscribe(Subscribe { queue, bindings, prefetch: 16 }).await?;
        listeners.spawn(hear_control(control, self.inputs.clone()));
        // A task for each queue: one queue that cannot be reached must not delay the others.
        for (lane, (workload, class)) in self.config.serves.iter().enumerate() {
            let (queue, binding) = topology::tasks(*workload, class);
            let wanted = Subscribe { queue, bindings: vec![binding], prefetch: self.config.prefetch(*workload) };
            listeners.spawn(serve_lane(lane, wanted, Arc::clone(&self.transport), self.inputs.clone()));
        }
        listeners.spawn(self.looked.clone().go_on(Arc::clone(&self.config.site), self.config.heartbeat));
        Ok(listeners)
    }

    async fn serve(
        &mut self,
        engine: &mut Consumer,
        outputs: &mut mpsc::UnboundedReceiver<Input>,
        shutdown: Shutdown,
    ) -> Result<(), TransportError> {
        let mut heartbeat = tokio::time::interval(self.config.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut deadline = None;
        loop {
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
                    Input::Event(Event::Stop)
                }
                () = give_up => {
                    self.cancelled.values().for_each(|cancelled| cancelled.store(true, Ordering::Relaxed));
                    return Ok(());
                }
                Some(input) = outputs.recv() => input,
                _ = heartbeat.tick() => {
                    // Only current waiters: a stored permit would report an old turn as a new one.
                    self.config.turns.notify_waiters();
                    self.look_for_leases();
                    Input::Event(Event::HeartbeatDue)
                }
            };
            let event = match input {
                Input::Delivery(lane, delivery) => self.hold(lane, delivery),
                Input::Event(event) => event,
                Input::HeartbeatSent => {
                    self.signed();
                    continue;
                }
                Input::Failed(error) => return Err(error),
            };
            if let Event::Worked { tag, .. } = &event {
                self.cancelled.remove(tag);
            }
            for action in engine.step(event) {
                match action {
                    Action::Stopped => return self.take_leave().await,
                    other => self.perform(other).await,
                }
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    /// The broker requeues a delivery that is not acked within the ack timeout. The first half of
    /// that time is for the work, the second half for publishing a lease.
    fn look_for_leases(&mut self) {
        let half = self.config.ack_timeout / 2;
        // Tags ascend, so the oldest deliveries come first.
        let due = self.taken_at.iter().take_while(|(_, taken_at)| taken_at.elapsed() >= half);
        for tag in due.map(|(&tag, _)| tag).collect::<Vec<_>>() {
            self.taken_at.remove(&tag);
            let _ = self.inputs.send(Input::Event(Event::LeaseDue { tag }));
        }
    }

    fn settle(&mut self, tag: Tag) -> Option<Box<Delivery>> {
        self.taken_at.remove(&tag);
        self.deliveries.remove(&tag)
    }

    fn hold(&mut self, lane: Lane, delivery: Box<Delivery>) -> Event {
        let tag = self.next_tag;
        self.next_tag += 1;
        let task = Task::from_message(&delivery.message).and_then(|task| self.check(lane, task)).map(Box::new);
        let returns = delivery.returns;
        self.deliveries.insert(tag, delivery);
        self.taken_at.insert(tag, Instant::now());
        Event::Delivered { lane, tag, task, returns }
    }

    fn check(&self, lane: Lane, task: Task) -> Result<Task, Reason> {
        let (workload, class) = &self.config.serves[lane];
        if task.address.workload == *workload && task.class == *class {
            return Ok(task);
        }
        let what =
            format!("workload {}, class {} in the queue of {workload}, {class}", task.address.workload, task.class);
        Err(Reason::NotServed { what })
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Start { tag, task, isolated } => self.start(tag, *task, isolated),
            Action::Cancel { tag } => {
                self.cancelled.get(&tag).inspect(|cancelled| cancelled.store(true, Ordering::Relaxed));
            }
            Action::Answer { tag, outcome } => {
                self.config.done.fetch_add(1, Ordering::Relaxed);
                let publish = publish::outcome(Arc::clone(&self.transport), self.clock, *outcome);
                self.publish(publish, Event::Confirmed { tag });
            }
            Action::Lease { tag, lease } => {
                let task = &lease.address.task;
                tracing::info!(%task, started = lease.is_started, "A lease replaces the delivery of this task.");
                let publish = publish::lease(Arc::clone(&self.transport), self.clock, *lease);
                self.publish(publish, Event::Leased { tag });
            }
            Action::DeadLetter { tag, reason } => {
                let Some(delivery) = self.deliveries.get(&tag) else { return };
                let id = &delivery.message.id;
                tracing::warn!(%reason, id, "A message is refused and goes to the dead-letter exchange.");
                let dead_letter = DeadLetter::wrap(delivery.message.clone(), &reason, &self.host);
                let (transport, key) = (Arc::clone(&self.transport), delivery.key.clone());
                let delay = reason.delay();
                let publish = async move {
                    tokio::time::sleep(delay).await;
                    transport::dead_letter(&*transport, &key, dead_letter).await
                };
                self.publish(publish, Event::Confirmed { tag });
            }
            Action::Ack { tag } => {
                if let Some(delivery) = self.settle(tag) {
                    delivery.acker.ack().await;
                }
            }
            Action::Drop { tag } => drop(self.settle(tag)),
            Action::Announce(presence) => self.announce(presence),
            // `serve` handles it.
            Action::Stopped => {}
        }
    }

    fn start(&mut self, tag: Tag, task: Task, isolated: bool) {
        let (site, inputs) = (Arc::clone(&self.config.site), self.inputs.clone());
        let cancelled = Arc::clone(self.cancelled.entry(tag).or_default());
        let isolation = self.config.isolation.clone().filter(|_| isolated);
        if isolation.is_some() {
            let (id, attempt) = (&task.address.task, task.address.attempt);
            tracing::warn!(%id, attempt, "A task may have killed consumers and is done item by item in isolation.");
        }
        let (transport, runtime) = (Arc::clone(&self.transport), tokio::runtime::Handle::current());
        let mut parts = PartPublisher::new(transport, runtime, self.clock, task.address.clone());
        let planned_at = task.planned_at;
        self.tasks.spawn_blocking(move || {
            let started = Instant::now();
            let is_cancelled = || cancelled.load(Ordering::Relaxed);
            let mut publish = |piece| parts.publish(piece, &is_cancelled);
            let context = Context { site: &site, planned_at, cancelled: &is_cancelled, publish: &mut publish };
            // A panic fails this task only.
            let work = AssertUnwindSafe(|| match &isolation {
                Some(isolation) => isolation::work(isolation, task.address.workload, &task.body, context),
                None => work::work(task.address.workload, &task.body, context),
            });
            let result =
                catch_unwind(work).unwrap_or_else(|_| Err(WorkError::failed("the consumer panicked; see its log")));
            let result = result.map(|answer| Done { answer, parts: parts.parts() });
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            // The loop ends when the process stops. The broker then redelivers the task.
            let _ = inputs.send(Input::Event(Event::Worked { tag, result, micros }));
        });
    }

    fn publish(&mut self, publish: impl Future<Output = Result<(), TransportError>> + Send + 'static, then: Event) {
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            let input = match publish.await {
                Ok(()) => Input::Event(then),
                Err(error) => Input::Failed(error),
            };
            let _ = inputs.send(input);
        });
    }

    /// Publishes in the background: a blocked broker must not hold up the loop. One heartbeat at a
    /// time: otherwise a blocked broker would deliver many stale ones later. A refused heartbeat is
    /// not repeated; the next one replaces it.
    fn announce(&mut self, presence: Box<Presence>) {
        if self.signs_under_way > 0 && !presence.leaving {
            self.next_sign = Some(presence);
            return;
        }
        self.next_sign = None;
        self.signs_under_way += 1;
        let presence = Presence { roots: self.looked.latest(), ..*presence };
        let message = Message::json(kind::PRESENCE, random::token(), &presence, self.clock.system());
        let (transport, inputs) = (Arc::clone(&self.transport), self.inputs.clone());
        self.heartbeats.spawn(async move {
            let input = match transport.publish(topology::CONTROL, topology::PRESENCE, message).await {
                Err(PublishError::Transport(error)) => Input::Failed(error),
                Err(PublishError::TooLarge(oversize)) => {
                    tracing::warn!(%oversize, "A heartbeat cannot be sent.");
                    Input::HeartbeatSent
                }
                Ok(()) | Err(PublishError::Refused { .. }) => Input::HeartbeatSent,
            };
            let _ = inputs.send(input);
        });
    }

    fn signed(&mut self) {
        self.signs_under_way -= 1;
        while self.heartbeats.try_join_next().is_some() {}
        if let Some(presence) = self.next_sign.take() {
            self.announce(presence);
        }
    }

    /// Waits up to [`LEAVE_TIMEOUT`] for the last heartbeat, which tells owners that this consumer
    /// leaves.
    async fn take_leave(&mut self) -> Result<(), TransportError> {
        let all = async { while self.heartbeats.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LEAVE_TIMEOUT, all).await;
        Ok(())
    }
}
