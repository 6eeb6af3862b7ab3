//! Which announced jobs this process serves. A state machine without I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::protocol::id::OpeningId;
use shared::protocol::limits::{ANNOUNCED_MAX, HEARTBEAT_MAX};
use shared::protocol::message::Announcement;
use shared::system::clock::Moment;

/// Announcements that an owner may miss before its job's lane is closed.
const MISSED_MAX: u32 = 3;

/// What to do after an announcement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Serve {
    /// Nothing has changed, or this process does not serve the job.
    AsBefore,
    /// Begin to serve the job.
    Begin,
    /// The job's workers have an update.
    Update,
    /// The job is over.
    End,
    /// This process serves too many jobs already.
    Full,
}

/// Jobs that this process serves.
#[derive(Debug, Default)]
pub(crate) struct Announced(BTreeMap<OpeningId, Heard>);

#[derive(Debug)]
struct Heard {
    version: u64,
    heartbeat: Duration,
    heard_at: Moment,
}

impl Announced {
    /// An owner announces a job. `is_known` says whether this process has its kind of worker.
    pub fn hear(&mut self, announcement: &Announcement, is_known: bool, now: Moment) -> Serve {
        let Announcement { opening, version, heartbeat_millis, is_over, .. } = announcement;
        if *is_over {
            return if self.0.remove(opening).is_some() { Serve::End } else { Serve::AsBefore };
        }
        let heartbeat = Duration::from_millis(*heartbeat_millis).min(HEARTBEAT_MAX);
        if let Some(heard) = self.0.get_mut(opening) {
            let is_news = *version > heard.version;
            *heard = Heard { version: heard.version.max(*version), heartbeat, heard_at: now };
            return if is_news { Serve::Update } else { Serve::AsBefore };
        }
        if !is_known {
            return Serve::AsBefore;
        }
        if self.0.len() >= ANNOUNCED_MAX {
            return Serve::Full;
        }
        self.0.insert(opening.clone(), Heard { version: *version, heartbeat, heard_at: now });
        Serve::Begin
    }

    /// This process does not serve the job any more. It begins again with the next announcement.
    pub fn forget(&mut self, opening: &OpeningId) {
        self.0.remove(opening);
    }

    /// Jobs whose owners were not heard for too long. They are not served any more.
    pub fn silent(&mut self, now: Moment) -> Vec<OpeningId> {
        let is_silent = |heard: &Heard| now.saturating_sub(heard.heard_at) > heard.heartbeat * MISSED_MAX;
        let silent: Vec<_> =
            self.0.iter().filter(|(_, heard)| is_silent(heard)).map(|(opening, _)| opening.clone()).collect();
        self.0.retain(|opening, _| !silent.contains(opening));
        silent
    }
}

#[cfg(test)]
mod tests {
    use shared::protocol::payload::ContentType;
    use shared::protocol::workload::Workload;

    use super::*;

    fn announcement(opening: &str, version: u64, is_over: bool) -> Announcement {
        Announcement {
            job: "p".parse().expect("an id"),
            opening: opening.parse().expect("an id"),
            owner: "o".parse().expect("an id"),
            workload: Workload::Call,
            class: "p".parse().expect("an id"),
            worker: "w".to_owned(),
            codec: ContentType::JSON,
            version,
            heartbeat_millis: 1_000,
            is_over,
        }
    }

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_job_is_served_until_it_is_over() {
        let mut announced = Announced::default();
        assert_eq!(announced.hear(&announcement("a", 0, false), false, at(0)), Serve::AsBefore);
        assert_eq!(announced.hear(&announcement("a", 0, false), true, at(0)), Serve::Begin);
        assert_eq!(announced.hear(&announcement("a", 0, false), true, at(1)), Serve::AsBefore);
        assert_eq!(announced.hear(&announcement("a", 2, false), true, at(1)), Serve::Update);
        // An announcement that was overtaken.
        assert_eq!(announced.hear(&announcement("a", 1, false), true, at(1)), Serve::AsBefore);
        assert_eq!(announced.hear(&announcement("a", 2, true), true, at(1)), Serve::End);
        assert_eq!(announced.hear(&announcement("a", 2, true), true, at(1)), Serve::AsBefore);
    }

    #[test]
    fn a_job_whose_owner_is_silent_is_left() {
        let mut announced = Announced::default();
        announced.hear(&announcement("a", 0, false), true, at(0));
        announced.hear(&announcement("b", 0, false), true, at(2));
        assert_eq!(announced.silent(at(3)), []);
        assert_eq!(announced.silent(at(4)), ["a".parse().expect("an id")]);
        assert_eq!(announced.hear(&announcement("a", 0, false), true, at(4)), Serve::Begin);
    }

    #[test]
    fn jobs_are_bounded() {
        let mut announced = Announced::default();
        for job in 0..ANNOUNCED_MAX {
            assert_eq!(announced.hear(&announcement(&job.to_string(), 0, false), true, at(0)), Serve::Begin);
        }
        assert_eq!(announced.hear(&announcement("more", 0, false), true, at(0)), Serve::Full);
    }
}
