//! Publishes heartbeats, one at a time.

use std::sync::Arc;
use std::time::Duration;

use shared::protocol::message::{Message, Presence, kind};
use shared::protocol::topology;
use shared::system::clock::Clock;
use shared::system::random;
use shared::transport::{PublishError, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Input, Looked};

/// How long a stopping consumer waits for the broker to take its last heartbeat.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Publishes in the background: a blocked broker must not hold up the loop. One heartbeat at a
/// time: otherwise a blocked broker would deliver many stale ones later. A refused heartbeat is
/// not repeated; the next one replaces it.
pub(super) struct Heartbeats {
    transport: Arc<dyn Transport>,
    clock: Clock,
    inputs: mpsc::UnboundedSender<Input>,
    looked: Looked,
    publishes: JoinSet<()>,
    /// Heartbeats that the broker has not answered.
    under_way: usize,
    /// The latest heartbeat, waiting until the one under way is answered.
    next: Option<Box<Presence>>,
}

impl Heartbeats {
    pub fn new(transport: Arc<dyn Transport>, clock: Clock, inputs: mpsc::UnboundedSender<Input>) -> Self {
        let (looked, publishes) = (Looked::default(), JoinSet::new());
        Self { transport, clock, inputs, looked, publishes, under_way: 0, next: None }
    }

    /// The root states that heartbeats tell.
    pub fn looked(&self) -> Looked {
        self.looked.clone()
    }

    pub fn announce(&mut self, presence: Box<Presence>) {
        if self.under_way > 0 && !presence.leaving {
            self.next = Some(presence);
            return;
        }
        self.next = None;
        self.under_way += 1;
        let presence = Presence { roots: self.looked.latest(), ..*presence };
        let message = Message::json(kind::PRESENCE, random::token(), &presence, self.clock.system());
        let (transport, inputs) = (Arc::clone(&self.transport), self.inputs.clone());
        self.publishes.spawn(async move {
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

    /// The broker took or refused the heartbeat that was under way.
    pub fn sent(&mut self) {
        self.under_way -= 1;
        while self.publishes.try_join_next().is_some() {}
        if let Some(presence) = self.next.take() {
            self.announce(presence);
        }
    }

    /// Waits up to [`LEAVE_TIMEOUT`] for the last heartbeat, which tells owners that this consumer
    /// leaves.
    pub async fn take_leave(&mut self) {
        let all = async { while self.publishes.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LEAVE_TIMEOUT, all).await;
    }
}
