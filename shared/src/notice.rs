//! What a waiting submitter tells people, and when.

use std::sync::Arc;

use crate::clock::Moment;
use crate::id::OwnerId;
use crate::job::{JobSpec, JobStatus};
use crate::limits::NO_CONSUMER_NOTICE;
use crate::workload::{digest, words};

/// Takes a sentence for people.
pub type Notify = Arc<dyn Fn(String) + Send + Sync>;

/// No owner answers.
pub fn no_owner(owner: &OwnerId, broker: &str) -> String {
    let option = if owner.as_str() == "main" { String::new() } else { format!(" --owner {owner}") };
    format!(
        "no reducer {owner:?} answers, waiting for one; start it with: packhorse reducer --broker {broker}{option}",
        owner = owner.as_str()
    )
}

/// No consumer serves a class.
fn no_consumer(spec: &JobSpec, class: &str, broker: &str) -> String {
    let start = match spec {
        JobSpec::Digest(digest::Spec { files, .. }) | JobSpec::Words(words::Spec { files, .. }) => {
            let root = files.roots.iter().find(|root| root.class.as_str() == class);
            format!("packhorse consumer --broker {broker} --root {}=DIR", root.map_or(class, |root| &root.name))
        }
        JobSpec::Steps(_) => format!(
            "packhorse consumer --broker {broker} --workload steps \
             (or cargo run --example horse_rider -- horse 0 --broker {broker})"
        ),
    };
    format!("no consumer serves {} of {}, waiting for one; start it with: {start}", class, spec.workload())
}

/// Says once that nobody does the work, after it has been so for a while, and again if it happens
/// again.
#[derive(Debug, Default)]
pub struct Unserved {
    since: Option<Moment>,
    said: bool,
}

impl Unserved {
    /// What to say of a job that stands like this now.
    pub fn check(&mut self, spec: &JobSpec, status: &JobStatus, broker: &str, now: Moment) -> Option<String> {
        let idle = !status.state.is_over() && status.counts.tasks_open > 0;
        let Some(class) = status.unserved.first().filter(|_| idle) else {
            *self = Self::default();
            return None;
        };
        let since = *self.since.get_or_insert(now);
        if self.said || now.saturating_sub(since) < NO_CONSUMER_NOTICE {
            return None;
        }
        self.said = true;
        Some(no_consumer(spec, class, broker))
    }
}
