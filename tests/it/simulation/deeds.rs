//! What people do about the jobs of a run.

use rand::RngExt;
use rand::rngs::SmallRng;

use super::jobs::{Job, Jobs, Runner};

/// What somebody at a terminal does about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Cancels it, so many times.
    Cancel { times: u32 },
    /// Waits for its end, has its failed tasks done again, and then forgets what is dead.
    Replay,
    /// Asks that it be forgotten, until it has ended.
    Forget,
}

/// What a run has that not every run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flavour {
    pub cancels: bool,
    /// The broker has little patience, and some tasks take longer than that.
    pub long: bool,
    pub kills: bool,
    pub replays: bool,
}

impl Flavour {
    pub fn new(random: &mut SmallRng) -> Self {
        let n = random.random_range(0..10);
        Self { cancels: n < 3, long: n == 2 || n == 3, kills: n == 4, replays: n == 5 || n == 6 }
    }
}

impl Jobs {
    pub(super) fn add_deeds(&mut self, random: &mut SmallRng, flavour: Flavour) {
        let at = random.random_range(0..self.all.len());
        if flavour.cancels {
            self.deeds.push((self.all[at].id.clone(), Deed::Cancel { times: random.random_range(1..=3) }));
            if random.random_bool(0.3) {
                let at = random.random_range(0..self.all.len());
                self.deeds.push((self.all[at].id.clone(), Deed::Cancel { times: 1 }));
            }
        }
        if flavour.replays {
            // A command's report was written as it went: nobody can have its tasks done again.
            let owned = self.all.iter().filter(|job| job.runner != Runner::Command);
            self.deeds.extend(owned.map(|job| (job.id.clone(), Deed::Replay)));
        }
        // Whoever waits for a job must find it.
        let is_left = |job: &&Job| job.runner == Runner::Producer { waits: false };
        if let (true, Some(job)) = (self.deeds.is_empty(), self.all.iter().find(is_left)) {
            self.deeds.push((job.id.clone(), Deed::Forget));
        }
    }

    pub fn has_cancels(&self) -> bool {
        self.deeds.iter().any(|(_, deed)| matches!(deed, Deed::Cancel { .. }))
    }
}
