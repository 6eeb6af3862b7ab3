//! Random deliveries, losses and crashes against a plain oracle.
//!
//! Whatever happens on the way, the account at the end is the one that the plan says. A schedule is
//! repeated with the seed that a failure names.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use shared::job::JobState;

use super::*;

const TASKS: u64 = 14;

/// A message to the owner.
#[derive(Debug, Clone, Copy)]
enum Letter {
    Plan(u64),
    Seal,
    Outcome(Sent),
    Dead(u64),
}

/// Around the owner: queues that keep what is not acked, and consumers.
struct Around {
    random: SmallRng,
    /// The owner's queue.
    inbox: Vec<Letter>,
    /// Delivered and not acked.
    unacked: BTreeMap<Tag, Letter>,
    /// The task queue.
    tasks: Vec<Sent>,
    /// Dead letters so far, by task: a task survives as many failures as its attempts allow.
    dead: BTreeMap<u64, u32>,
    reported: bool,
}

/// Task `number` of the plan: every fifth has no items, every seventh fails for good.
fn items(number: u64) -> u32 {
    if number % 5 == 4 { 0 } else { (number % 3) as u32 + 1 }
}

fn verdict(number: u64) -> Verdict {
    if number % 7 == 3 { failed("for good") } else { done(items(number) as usize) }
}

impl Around {
    fn new(seed: u64) -> Self {
        let mut inbox: Vec<_> = (0..TASKS).map(Letter::Plan).collect();
        inbox.push(Letter::Seal);
        let (unacked, tasks, dead) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { random: SmallRng::seed_from_u64(seed), inbox, unacked, tasks, dead, reported: false }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn pick(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }

    /// Gives the owner a few letters in one turn; some of them twice.
    fn deliver(&mut self, world: &mut World) {
        let mut events = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            if self.inbox.is_empty() {
                break;
            }
            let place = self.pick(self.inbox.len());
            let letter = if self.chance(20) { self.inbox[place] } else { self.inbox.swap_remove(place) };
            events.push(self.event(world, letter));
        }
        let actions = world.turn(events);
        self.perform(&actions);
    }

    fn event(&mut self, world: &mut World, letter: Letter) -> Event {
        let mut event = match letter {
            Letter::Plan(number) => {
                Event::Planned { job: job(), planned: Box::new(planned(number, items(number))), tag: None }
            }
            Letter::Seal => Event::Seal { seal: Seal { job: job(), tasks: TASKS }, tag: None },
            Letter::Outcome((number, attempt)) => world.outcome(number, attempt, verdict(number)),
            Letter::Dead(number) => {
                let letter = DeadLetter { task: id(number), store: Some(world.store()), reason: "unknown".to_owned() };
                Event::DeadLetter { letter, items: 0, tag: None }
            }
        };
        let fresh = world.tag();
        if let Event::Planned { tag, .. }
        | Event::Seal { tag, .. }
        | Event::Outcome { tag, .. }
        | Event::DeadLetter { tag, .. } = &mut event
        {
            *tag = fresh;
        }
        self.unacked.extend(fresh.map(|tag| (tag, letter)));
        event
    }

    /// What the owner wants to happen happens, in its order.
    fn perform(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Publish(task) => self.tasks.push((task.address.task.number, task.address.attempt)),
                Action::Other(Effect::Ack(tag)) => drop(self.unacked.remove(tag)),
                Action::Other(Effect::Bury { reason, .. }) => panic!("nothing here is to be refused: {reason}"),
                Action::Other(Effect::Report { .. }) => self.reported = true,
                Action::Other(_) => {}
            }
        }
    }

    /// A consumer takes a task, and answers, dies, or finds that it cannot be read.
    fn consume(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let place = self.pick(self.tasks.len());
        let task = self.tasks.swap_remove(place);
        let dead = self.dead.entry(task.0).or_default();
        if *dead < 2 && self.random.random_range(0..100) < 5 {
            *dead += 1;
            self.inbox.push(Letter::Dead(task.0));
        } else {
            self.inbox.push(Letter::Outcome(task));
            if self.chance(10) {
                self.tasks.push(task);
            }
        }
    }

    /// The owner's process ends; with luck what it wanted last has happened.
    fn crash(&mut self, world: &mut World) {
        if self.chance(50) && !self.inbox.is_empty() {
            let place = self.pick(self.inbox.len());
            let letter = self.inbox.swap_remove(place);
            let event = self.event(world, letter);
            // Committed, and then nothing of it happens.
            world.turn(vec![event]);
        }
        self.inbox.extend(std::mem::take(&mut self.unacked).into_values());
        self.reported = false;
        let fresh = self.chance(30);
        let actions = world.restart(fresh);
        self.perform(&actions);
    }

    fn time_passes(&mut self, world: &mut World, seconds: u64) {
        let actions = world.pass(Duration::from_secs(seconds));
        self.perform(&actions);
        if actions.iter().any(|action| matches!(action, Action::Other(Effect::Probe { .. }))) {
            let actions = world.queue_state(Some(self.tasks.len() as u32));
            self.perform(&actions);
        }
    }

    fn step(&mut self, world: &mut World) {
        match self.random.random_range(0..100) {
            0..40 => self.deliver(world),
            40..75 => self.consume(),
            75..80 if !self.tasks.is_empty() => {
                let place = self.pick(self.tasks.len());
                self.tasks.swap_remove(place);
            }
            80..85 => self.crash(world),
            85..88 => {
                let actions = world.event(Event::Interrupted);
                self.perform(&actions);
            }
            _ => {
                let seconds = self.random.random_range(0..15);
                self.time_passes(world, seconds);
            }
        }
    }
}

fn run(seed: u64) {
    let mut world = World::with(|config| {
        config.window_min = 4;
        config.attempts_max = 6;
    });
    let mut around = Around::new(seed);
    world.open();
    for _ in 0..150 {
        around.step(&mut world);
    }
    // From here on nothing is lost, so it has to come to an end.
    for _ in 0..2_000 {
        if around.reported && around.inbox.is_empty() && around.tasks.is_empty() {
            break;
        }
        around.deliver(&mut world);
        around.consume();
        if around.inbox.is_empty() && around.tasks.is_empty() {
            around.time_passes(&mut world, 21);
        }
    }
    assert!(around.reported, "seed {seed} does not end: {:?}", world.status());
    world.report();
    let (status, counts) = (world.status(), world.counts());
    assert_eq!(status.state, JobState::Finished, "seed {seed}");
    let sum = |which: &dyn Fn(u64) -> bool, of: &dyn Fn(u64) -> u64| (0..TASKS).filter(|&n| which(n)).map(of).sum();
    let gives_up = |n: u64| n % 7 == 3 && items(n) > 0;
    let done: u64 = sum(&|n| !gives_up(n), &|n| u64::from(items(n)));
    let lost: u64 = sum(&|n| gives_up(n), &|n| u64::from(items(n)));
    let in_plan: u64 = sum(&|n| items(n) == 0, &|_| 1);
    let given_up: u64 = sum(&gives_up, &|_| 1);
    assert_eq!((counts.tasks_done, counts.tasks_failed), (TASKS - given_up, given_up), "seed {seed}");
    assert_eq!((counts.items_done, counts.items_failed), (done, lost + in_plan), "seed {seed}");
    assert_eq!((counts.bytes_done, counts.conflicts), (done * 10, 0), "seed {seed}");
}

#[test]
fn every_schedule_ends_with_the_account_that_the_plan_says() {
    for seed in 0..40 {
        run(seed);
    }
}
