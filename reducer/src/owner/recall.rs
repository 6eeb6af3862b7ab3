//! Recalling tasks: the owner tells consumers which openings are no longer wanted, until no task of
//! these is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::protocol::id::{Class, HeldTask, OpeningId};
use shared::protocol::job::JobSpec;
use shared::protocol::limits;
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

use super::{Effect, Job, Owner, Step};

/// An opening whose tasks may still be in queues or with consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Recall {
    workload: Workload,
    /// Classes in whose queues its tasks may wait.
    classes: BTreeSet<Class>,
    begun_at: Moment,
    /// When a consumer last named one of its tasks.
    heard_at: Moment,
    /// When its queues were last probed.
    probed_at: Moment,
}

/// All openings whose tasks may still be in queues or with consumers.
#[derive(Debug, Default)]
pub(super) struct Recalls(BTreeMap<OpeningId, Recall>);

impl Recalls {
    /// Starts recalling an opening. Its tasks may be in any of its queues, as an
    /// earlier process may have sent them.
    pub fn begin(&mut self, opening: &OpeningId, spec: &JobSpec, now: Moment) {
        let (workload, classes) = (spec.workload(), spec.classes().into_iter().collect());
        let recall = Recall { workload, classes, begun_at: now, heard_at: now, probed_at: now };
        self.0.insert(opening.clone(), recall);
    }

    fn hear(&mut self, opening: &OpeningId, now: Moment) -> bool {
        self.0.get_mut(opening).is_some_and(|recall| {
            recall.heard_at = now;
            true
        })
    }

    /// The latest openings whose tasks may wait in queues that a consumer now serves.
    fn waiting_for(&self, serves: &[(Workload, Class)]) -> Vec<OpeningId> {
        let waits = |recall: &Recall| {
            serves.iter().any(|(workload, class)| recall.workload == *workload && recall.classes.contains(class))
        };
        let mut waiting: Vec<_> = self.0.iter().filter(|(_, recall)| waits(recall)).collect();
        waiting.sort_by_key(|(_, recall)| std::cmp::Reverse(recall.begun_at));
        waiting.into_iter().take(limits::CANCELLED_KEPT).map(|(opening, _)| opening.clone()).collect()
    }

    /// The queues to probe now, each at most once a heartbeat.
    fn due(&mut self, now: Moment, heartbeat: Duration) -> BTreeSet<(Workload, Class)> {
        let mut places = BTreeSet::new();
        for recall in self.0.values_mut() {
            let is_silent = now.saturating_sub(recall.heard_at) >= heartbeat * 2;
            if is_silent && now.saturating_sub(recall.probed_at) >= heartbeat {
                recall.probed_at = now;
                places.extend(recall.classes.iter().map(|class| (recall.workload, class.clone())));
            }
        }
        places
    }

    /// A queue is empty or gone, so it holds no tasks of openings that no consumer names.
    pub fn forget(&mut self, workload: Workload, class: &Class, now: Moment, silence: Duration) {
        self.0.retain(|_, recall| {
            if recall.workload == workload && now.saturating_sub(recall.heard_at) >= silence {
                recall.classes.remove(class);
            }
            !recall.classes.is_empty()
        });
    }
}

impl Owner {
    /// Recalls the tasks that a consumer holds, and those that may wait in queues that it did not
    /// serve before (`serves`). A consumer has not heard recalls from before it came, and a recall
    /// may be lost.
    pub(super) fn recall(
        &mut self,
        holds: &[HeldTask],
        cancelled: &[(OpeningId, JobSpec)],
        serves: &[(Workload, Class)],
        now: Moment,
        step: &mut Step,
    ) {
        let mut openings = BTreeSet::new();
        for HeldTask { opening, .. } in holds {
            if !self.recalls.hear(opening, now) {
                // This process may not know of the recall: an earlier one began it.
                let job = self.openings.get(opening).and_then(|job| self.jobs.get(job));
                let spec = job.filter(|job| job.ending.is_cancelled()).map(Job::spec);
                let spec = spec.or_else(|| cancelled.iter().find(|(known, _)| known == opening).map(|(_, spec)| spec));
                let Some(spec) = spec else { continue };
                self.recalls.begin(opening, spec, now);
            }
            openings.insert(opening.clone());
        }
        openings.extend(self.recalls.waiting_for(serves));
        if !openings.is_empty() {
            let openings = openings.into_iter().take(limits::CANCELLED_KEPT).collect();
            step.effects.push(Effect::Recall { openings });
        }
    }

    /// Probes the queues in which recalled tasks may still wait.
    pub(super) fn probe_recalled(&mut self, now: Moment, step: &mut Step) {
        let places = self.recalls.due(now, self.config.heartbeat);
        step.effects.extend(places.into_iter().map(|(workload, class)| Effect::Probe { workload, class }));
    }
}
