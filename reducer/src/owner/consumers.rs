//! Which consumers are alive, and what they serve.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::protocol::id::{Class, ConsumerId, HeldTask, OpeningId};
use shared::protocol::message::Presence;
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

/// A task queue.
pub(super) type QueueKey = (Workload, Class);

/// The live consumers of one queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Served {
    pub consumers: u32,
    /// The exact sum of their slots, so that a consumer that leaves takes no slot of another with it.
    pub slots: u64,
}

#[derive(Debug)]
pub(super) struct Consumers {
    silence: Duration,
    alive: BTreeMap<ConsumerId, (Presence, Moment)>,
    /// For each queue the sums over `alive`.
    served: BTreeMap<QueueKey, Served>,
    /// Until this moment there may be live consumers that this owner has not heard yet.
    settled_at: Option<Moment>,
}

impl Consumers {
    pub fn new(heartbeat: Duration) -> Self {
        Self { silence: heartbeat * 2, alive: BTreeMap::new(), served: BTreeMap::new(), settled_at: None }
    }

    pub fn knows(&self, consumer: &ConsumerId) -> bool {
        self.alive.contains_key(consumer)
    }

    /// Records a heartbeat; returns the queues that the consumer did not serve before.
    pub fn hear(&mut self, presence: Presence, now: Moment) -> Vec<QueueKey> {
        let before = self.forget(&presence.consumer);
        if presence.leaving {
            return Vec::new();
        }
        let queues = presence.classes();
        for (queue, &slots) in &queues {
            let served = self.served.entry(queue.clone()).or_default();
            served.consumers += 1;
            served.slots += u64::from(slots);
        }
        self.alive.insert(presence.consumer.clone(), (presence, now));
        queues.into_keys().filter(|queue| !before.contains_key(queue)).collect()
    }

    /// Removes a consumer; returns the queues that it served.
    fn forget(&mut self, consumer: &ConsumerId) -> BTreeMap<QueueKey, u32> {
        let Some((presence, _)) = self.alive.remove(consumer) else { return BTreeMap::new() };
        let queues = presence.classes();
        for (queue, &slots) in &queues {
            let Some(served) = self.served.get_mut(queue) else { continue };
            served.consumers -= 1;
            served.slots -= u64::from(slots);
            if served.consumers == 0 {
                self.served.remove(queue);
            }
        }
        queues
    }

    pub fn forget_silent(&mut self, now: Moment) {
        let is_silent = |(presence, heard): &(Presence, Moment)| {
            let patience = self.silence.max(Duration::from_millis(presence.heartbeat_millis) * 2);
            now.saturating_sub(*heard) > patience
        };
        let silent = self.alive.iter().filter(|(_, alive)| is_silent(alive)).map(|(id, _)| id.clone());
        for consumer in silent.collect::<Vec<_>>() {
            self.forget(&consumer);
        }
    }

    /// The consumer that named the task in its last heartbeat, and when that came.
    pub fn holder(&self, task: &HeldTask) -> Option<(&Presence, Moment)> {
        let found = self.alive.values().find(|(presence, _)| presence.holds.contains(task));
        found.map(|(presence, heard)| (presence, *heard))
    }

    /// The consumer's id and, while it is alive, its host.
    pub fn name(&self, consumer: &ConsumerId) -> String {
        let host = self.alive.get(consumer).map(|(presence, _)| format!(" on {}", presence.host));
        format!("{consumer}{}", host.unwrap_or_default())
    }

    /// After a start the owner knows no live consumer. All are asked for a heartbeat and have until
    /// `moment` to send it.
    pub fn unknown_until(&mut self, moment: Moment) {
        self.settled_at = Some(moment);
    }

    /// Whether a consumer not among `than` serves the queue, or may do so. `false` if `than` is
    /// empty.
    pub fn has_other(&self, queue: &QueueKey, than: &[ConsumerId], now: Moment) -> bool {
        if !than.is_empty() && self.settled_at.is_some_and(|settled| now < settled) {
            return true;
        }
        let is_other = |id: &ConsumerId| !than.contains(id);
        let serves = |presence: &Presence| presence.serves(queue.0, &queue.1);
        !than.is_empty() && self.alive.iter().any(|(id, (presence, _))| is_other(id) && serves(presence))
    }

    /// Why a live consumer cannot serve an announced job, with the consumer's host.
    pub fn trouble(&self, opening: &OpeningId) -> Option<String> {
        let troubles = self
            .alive
            .values()
            .flat_map(|(presence, _)| presence.troubles.iter().map(move |trouble| (&presence.host, trouble)));
        let mut of_job = troubles.filter(|(_, trouble)| trouble.opening == *opening);
        of_job.next().map(|(host, trouble)| format!("{} (on {host})", trouble.reason))
    }

    /// The slots that a consumer has for a queue; 0 if it is not known to be alive.
    pub fn slots(&self, consumer: &ConsumerId, queue: &QueueKey) -> u32 {
        let alive = self.alive.get(consumer);
        alive.and_then(|(presence, _)| presence.classes().get(queue).copied()).unwrap_or_default()
    }

    pub fn serving(&self, queue: &QueueKey) -> Served {
        self.served.get(queue).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use shared::protocol::message::LaneState;

    use super::*;

    fn presence(consumer: &str, slots: u32, leaving: bool) -> Presence {
        let (workload, class) = (Workload::Digest, Class::from_name(b"r"));
        Presence {
            consumer: ConsumerId::from_name(consumer.as_bytes()),
            host: "h".to_owned(),
            version: "0".to_owned(),
            lanes: vec![LaneState { workload, class, slots, busy: 0 }],
            holds: Vec::new(),
            heartbeat_millis: 10_000,
            leaving,
            roots: Vec::new(),
            troubles: Vec::new(),
        }
    }

    #[test]
    fn a_consumer_that_claims_all_slots_takes_none_of_another_with_it() {
        let mut consumers = Consumers::new(Duration::from_secs(10));
        let queue = (Workload::Digest, Class::from_name(b"r"));
        for heard in [presence("a", 4, false), presence("b", u32::MAX, false), presence("b", u32::MAX, true)] {
            consumers.hear(heard, Duration::ZERO);
        }
        assert_eq!(consumers.serving(&queue), Served { consumers: 1, slots: 4 });
    }
}
