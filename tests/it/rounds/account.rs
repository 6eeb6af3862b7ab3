//! What a round printed, and what it must be.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::crew::Crew;
use super::job::Job;
use super::moment::Moment;
use crate::world::{Done, assert_same};

/// What happened when.
pub struct Course {
    /// When the fault was to come.
    pub moment: Moment,
    /// From the roles' start to the fault's end.
    pub healed: Duration,
    /// From the roles' start to the producer's end.
    pub life: Duration,
    /// Answers after that.
    pub late: u64,
}

/// How a round ended.
pub struct Account {
    course: Course,
    done: Done,
    receipt: Value,
    found: Vec<u8>,
    wanted: Vec<u8>,
    files: u64,
    bytes: u64,
    lost: usize,
    doubled: usize,
}

impl Account {
    pub fn of(crew: &Crew<'_>, job: &Job, done: Done, course: Course) -> Self {
        let receipt = done.json().pop().unwrap_or_default();
        let found = fs::read(crew.cluster.world.path(format!("reports/{}.txt", crew.job_id()))).unwrap_or_default();
        let (have, want) = (lines(&found), lines(&job.manifest));
        let lost = want.keys().filter(|line| !have.contains_key(*line)).count();
        let doubled = have.iter().map(|(line, count)| count.saturating_sub(*want.get(line).unwrap_or(&0))).sum();
        let (wanted, files, bytes) = (job.manifest.clone(), job.files, job.bytes);
        Self { course, receipt, found, wanted, files, bytes, lost, doubled, done }
    }

    fn count(&self, name: &str) -> u64 {
        self.receipt["counts"][name].as_u64().unwrap_or(u64::MAX)
    }

    /// Exit 0, the manifest byte by byte, and a receipt that adds up.
    pub fn demand_exact(&self) {
        let said = &self.done.err;
        assert_eq!(self.done.code, 0, "{said}");
        assert_eq!((&self.receipt["type"], &self.receipt["state"]), (&"receipt".into(), &"finished".into()), "{said}");
        assert_same(&self.found, &self.wanted);
        assert_eq!((self.lost, self.doubled), (0, 0), "{said}");
        let (files, bytes) = (self.files, self.bytes);
        for (name, count) in
            [("items_planned", files), ("items_done", files), ("bytes_planned", bytes), ("bytes_done", bytes)]
        {
            assert_eq!(self.count(name), count, "{name}: {}", self.receipt);
        }
        assert_eq!(self.count("tasks_planned"), self.count("tasks_done"), "{}", self.receipt);
        for name in ["tasks_failed", "tasks_open", "items_failed", "conflicts"] {
            assert_eq!(self.count(name), 0, "{name}: {}", self.receipt);
        }
    }
}

/// One line. tests/soak reads it, too, and adds up.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (redelivered, resent) = (self.count("redeliveries"), self.count("resends"));
        let Course { moment, healed, life, late } = &self.course;
        let duplicates = self.count("duplicates").saturating_add(*late);
        write!(f, "at={moment} healed={:.1} seconds={:.1} ", healed.as_secs_f64(), life.as_secs_f64())?;
        write!(f, "lost={} doubled={} redelivered={redelivered} ", self.lost, self.doubled)?;
        write!(f, "resent={resent} duplicates={duplicates}")
    }
}

fn lines(text: &[u8]) -> BTreeMap<&[u8], usize> {
    let mut lines = BTreeMap::new();
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        *lines.entry(line).or_default() += 1;
    }
    lines
}
