//! Between processes and the broker: what is published, confirmed, delivered and acked, and what
//! becomes of it when a connection is lost.

use std::time::Duration;

use rand::RngExt;
use shared::protocol::limits;
use shared::protocol::message::kind;
use shared::protocol::topology::Topology;

use super::broker::{Delivered, DeliveryTag, Refused, Subscriber};
use super::faults::Which;
use super::mutants::Mutant;
use super::role::{Input, Lane};
use super::wire::Publish;
use super::world::{LATENCY_MAX, What, World};

impl World {
    pub fn declare(&mut self, process: usize, topology: &Topology) {
        let epoch = self.processes[process].wire.consuming.epoch;
        topology.queues.iter().for_each(|queue| self.broker.declare(queue, (process, epoch)));
        topology.bindings.iter().for_each(|binding| self.broker.bind(binding));
    }

    pub fn subscribe(&mut self, process: usize, lane: Lane) {
        let wire = &self.processes[process].wire;
        let epoch = wire.consuming.epoch;
        let Some((queue, bindings, prefetch)) = wire.subscriptions.get(&lane) else { return };
        self.broker.declare(queue, (process, epoch));
        bindings.iter().for_each(|binding| self.broker.bind(binding));
        self.broker.subscribe(&queue.name, Subscriber { process, epoch, lane }, *prefetch);
        self.give();
    }

    pub fn unsubscribe(&mut self, process: usize, lane: Lane) {
        self.send_acks(process);
        let wire = &mut self.processes[process].wire;
        wire.subscriptions.remove(&lane);
        wire.acks.remove(&lane);
        let epoch = wire.consuming.epoch;
        // After the acks that were sent before it: a channel keeps their order.
        self.plan(process, LATENCY_MAX, What::Unsubscribe { epoch, lane });
    }

    pub fn end_subscription(&mut self, process: usize, epoch: u64, lane: Lane) {
        self.broker.unsubscribe(Subscriber { process, epoch, lane });
        self.give();
    }

    pub fn publish(&mut self, process: usize, publish: Publish) {
        let number = self.fresh();
        self.check_publish(process, &publish);
        let wire = &mut self.processes[process].wire;
        wire.unconfirmed.insert(number, publish);
        let epoch = wire.publishing.epoch;
        self.send(process, epoch, number);
    }

    pub fn send(&mut self, process: usize, epoch: u64, number: u64) {
        let latency = self.latency();
        let now = self.now;
        let wire = &mut self.processes[process].wire;
        let Some(publish) = wire.unconfirmed.get(&number).cloned() else { return };
        if wire.publishing.is_up && wire.publishing.epoch == epoch {
            wire.publishing.last = wire.publishing.last.max(now + latency);
            let at = wire.publishing.last;
            self.plan_at(process, at, What::Arrive { epoch, number, publish });
        }
    }

    pub fn arrive(&mut self, process: usize, epoch: u64, number: u64, publish: &Publish) {
        let is_alive = self.processes[process].wire.publishing.epoch == epoch;
        if !is_alive && !self.ghosts.contains(&epoch) {
            return;
        }
        if is_alive {
            self.check_route(process, publish);
        }
        let mut refused = self.broker.publish(publish.exchange, &publish.key, &publish.message) == Err(Refused);
        if !refused {
            self.note_taken(process, number, publish);
        }
        if refused && self.mutant == Some(Mutant::RefusedIsConfirmed) {
            refused = false;
        }
        self.give();
        if !is_alive {
            return;
        }
        if std::mem::take(&mut self.armed.lose_confirm) {
            // Who waits for it in vain takes the connection for dead in the end.
            let lost = What::Lose { epoch, which: Which::Publishing };
            return self.plan(process, limits::CONFIRM_TIMEOUT, lost);
        }
        for _ in 0..=u32::from(std::mem::take(&mut self.armed.repeat_confirm)) {
            let latency = self.latency();
            self.plan(process, latency, What::Confirm { epoch, number, refused });
        }
    }

    pub fn confirm(&mut self, process: usize, epoch: u64, number: u64, refused: bool) {
        let wire = &mut self.processes[process].wire;
        if wire.publishing.epoch != epoch {
            return;
        }
        if !refused {
            let token = match wire.unconfirmed.remove(&number) {
                Some(publish) => {
                    if publish.message.kind == kind::LEASE
                        && let Some(millis) = self.armed.kill_holder.take()
                    {
                        self.plan(process, Duration::from_millis(millis), What::Die);
                    }
                    self.armed.last_confirmed = publish.token;
                    publish.token
                }
                // Said once more.
                None => self.armed.last_confirmed,
            };
            self.check_confirm(number);
            if let Some(token) = token {
                self.tell(process, Input::Confirmed(token));
            }
            return;
        }
        let Some(publish) = wire.unconfirmed.get_mut(&number) else { return };
        if publish.token.is_none() {
            wire.unconfirmed.remove(&number);
            return;
        }
        publish.failures += 1;
        let doubled = limits::REFUSED_DELAY * (1 << publish.failures.min(8));
        self.plan(process, doubled.min(limits::REFUSED_DELAY_MAX), What::Retry { epoch, number });
    }

    /// Sends on their way what the broker can push now.
    pub fn give(&mut self) {
        for delivered in self.broker.give() {
            let Subscriber { process, epoch, .. } = delivered.to;
            let latency = self.latency() + std::mem::take(&mut self.armed.delay);
            let now = self.now;
            let wire = &mut self.processes[process].wire;
            if wire.consuming.epoch == epoch {
                // Deliveries of one subscription stay in order, those of two need not.
                let last = wire.last_delivered.entry(delivered.to.lane).or_default();
                *last = (*last).max(now + latency);
                let at = *last;
                let tag = delivered.tag;
                self.plan_at(process, at, What::Deliver(delivered));
                if let Some(patience) = self.broker.policy.ack_timeout {
                    self.plan(process, patience, What::Expire { epoch, tag });
                }
            }
        }
    }

    pub fn deliver(&mut self, process: usize, delivered: Delivered) {
        let Delivered { to: Subscriber { epoch, lane, .. }, tag, key, message, returns } = delivered;
        let wire = &mut self.processes[process].wire;
        if wire.consuming.epoch == epoch {
            wire.held.insert(tag, (epoch, lane));
            wire.acks.entry(lane).or_default().deliver(tag);
            self.tell(process, Input::Delivery { lane, tag, key, message, returns });
        }
    }

    pub fn ack(&mut self, process: usize, tag: DeliveryTag) {
        let wire = &mut self.processes[process].wire;
        let Some((epoch, lane)) = wire.held.remove(&tag) else { return };
        if let Some(acks) = wire.acks.get_mut(&lane).filter(|_| epoch == wire.consuming.epoch) {
            acks.ack(tag, tag);
        }
    }

    /// Sends the acks of a step.
    pub fn send_acks(&mut self, process: usize) {
        let wire = &mut self.processes[process].wire;
        let epoch = wire.consuming.epoch;
        let taken = wire.acks.iter_mut().map(|(&lane, acks)| (lane, acks.take())).collect::<Vec<_>>();
        for (lane, mut acks) in taken {
            if self.mutant == Some(Mutant::AckAcross) {
                acks = acks.into_iter().map(|(tag, _)| (tag, true)).max().into_iter().collect();
            }
            for (tag, is_multiple) in acks {
                let latency = self.latency();
                match self.armed.drop_ack.take() {
                    Some(millis) => {
                        let lost = What::Lose { epoch, which: Which::Consuming };
                        self.plan(process, Duration::from_millis(millis), lost);
                    }
                    None => self.plan(process, latency, What::Ack { epoch, lane, tag, is_multiple }),
                }
            }
        }
    }

    /// A connection is lost; it comes back.
    pub fn disconnect(&mut self, process: usize, which: Which, arrives: bool) {
        if self.processes[process].role.is_none() {
            return;
        }
        self.hang_up(process, which, arrives);
        let each: &[Which] = match which {
            Which::Both => &[Which::Publishing, Which::Consuming],
            Which::Publishing => &[Which::Publishing],
            Which::Consuming => &[Which::Consuming],
        };
        for &which in each {
            let wait = Duration::from_millis(self.random.random_range(200..4_000));
            self.plan(process, wait, What::Reconnect { which });
        }
    }

    pub fn hang_up(&mut self, process: usize, which: Which, arrives: bool) {
        let fresh = [self.fresh(), self.fresh()];
        if which != Which::Consuming {
            let connection = &mut self.processes[process].wire.publishing;
            let lost = std::mem::replace(&mut connection.epoch, fresh[0]);
            connection.is_up = false;
            if arrives {
                self.ghosts.insert(lost);
            }
            if self.mutant == Some(Mutant::NeverRepublish) {
                self.pretend_confirmed(process);
            }
        }
        if which != Which::Publishing {
            let connection = &mut self.processes[process].wire.consuming;
            let lost = std::mem::replace(&mut connection.epoch, fresh[1]);
            connection.is_up = false;
            self.processes[process].wire.acks.clear();
            self.broker.disconnect(process, lost);
            self.give();
        }
    }

    fn pretend_confirmed(&mut self, process: usize) {
        let unconfirmed = std::mem::take(&mut self.processes[process].wire.unconfirmed);
        for (number, token) in unconfirmed.into_iter().filter_map(|(n, publish)| publish.token.map(|token| (n, token)))
        {
            self.check_confirm(number);
            self.tell(process, Input::Confirmed(token));
        }
    }

    /// Everything that was declared is declared again, everything that was not confirmed is published
    /// again, everything that was consumed is consumed again.
    pub fn reconnect(&mut self, process: usize, which: Which) {
        let now = self.now;
        let wire = &mut self.processes[process].wire;
        let (connection, numbers, lanes): (_, Vec<u64>, Vec<usize>) = match which {
            Which::Publishing => (&mut wire.publishing, wire.unconfirmed.keys().copied().collect(), Vec::new()),
            _ => (&mut wire.consuming, Vec::new(), wire.subscriptions.keys().copied().collect()),
        };
        if connection.is_up {
            return;
        }
        (connection.is_up, connection.last) = (true, now);
        let (epoch, declared) = (connection.epoch, wire.declared.clone());
        if self.mutant != Some(Mutant::NeverRedeclare) {
            self.declare(process, &declared);
        }
        for number in numbers {
            self.send(process, epoch, number);
        }
        for lane in lanes {
            self.plan(process, Duration::ZERO, What::Interrupted { lane });
            self.subscribe(process, lane);
        }
    }
}
