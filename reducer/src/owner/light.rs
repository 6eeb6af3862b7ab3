//! Light queues: the broker deletes one that nobody has used for a time, and an owner must not lose
//! those that its tasks go to. So it declares the queues of its open jobs again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::protocol::limits;
use shared::system::clock::Moment;

use super::consumers::QueueKey;
use super::job::Job;
use super::{Effect, Owner, Step};

/// When each light queue of an open job was last declared.
#[derive(Debug, Default)]
pub(super) struct LightQueues(BTreeMap<QueueKey, Moment>);

impl LightQueues {
    /// Of the queues that open jobs need, those to declare now: the new ones, and those that were
    /// declared an interval ago. The others are forgotten, and expire.
    fn due(&mut self, needed: BTreeSet<QueueKey>, now: Moment, interval: Duration) -> Vec<QueueKey> {
        self.0.retain(|queue, _| needed.contains(queue));
        let is_fresh = |declared: &Moment| now.saturating_sub(*declared) < interval;
        let due: Vec<_> = needed.into_iter().filter(|queue| !self.0.get(queue).is_some_and(is_fresh)).collect();
        self.0.extend(due.iter().map(|queue| (queue.clone(), now)));
        due
    }

    /// A queue is gone, and is due.
    pub fn lost(&mut self, queue: &QueueKey) {
        self.0.remove(queue);
    }
}

impl Owner {
    /// Declares the light queues of open jobs, with each heartbeat interval again. Also those into
    /// which nothing was sent yet: a task that waits for others, or that is not planned yet, has to
    /// find its queue.
    pub(super) fn keep_light_queues(&mut self, now: Moment, step: &mut Step) {
        let is_light = |job: &&Job| job.workload().descriptor().queue.is_light();
        let jobs = self.jobs.values().filter(|job| job.is_open() && job.is_dispatching()).filter(is_light);
        let needed = jobs.flat_map(|job| job.spec().classes().into_iter().map(|class| (job.workload(), class)));
        let needed: BTreeSet<QueueKey> = needed.collect();
        // A heartbeat interval may be as long as an hour.
        let interval = self.config.heartbeat.min(limits::LIGHT_QUEUE_EXPIRES / 4);
        let due = self.light_queues.due(needed, now, interval);
        step.effects.extend(due.into_iter().map(|(workload, class)| Effect::Declare { workload, class }));
    }
}

#[cfg(test)]
mod tests {
    use shared::protocol::id::Class;
    use shared::protocol::workload::Workload;

    use super::*;

    #[test]
    fn a_queue_is_declared_at_an_interval_as_long_as_it_is_needed() {
        let (interval, seconds) = (Duration::from_secs(10), Duration::from_secs);
        let queue = |name: &str| (Workload::Steps, Class::from_name(name.as_bytes()));
        let of = |names: &[&str]| names.iter().map(|name| queue(name)).collect::<Vec<_>>();
        let mut queues = LightQueues::default();
        let mut due = |names: &[&str], at| queues.due(of(names).into_iter().collect(), seconds(at), interval);
        assert_eq!(due(&["a"], 0), of(&["a"]));
        assert_eq!(due(&["a", "b"], 5), of(&["b"]));
        assert_eq!(due(&["a", "b"], 10), of(&["a"]));
        assert_eq!(due(&["b"], 14), of(&[]));
        assert_eq!(due(&["a", "b"], 15), of(&["a", "b"]), "one is needed again");
        queues.lost(&queue("a"));
        assert_eq!(queues.due(of(&["a", "b"]).into_iter().collect(), seconds(16), interval), of(&["a"]));
    }
}
