//! One turn of an owner, and what the oracle learns of it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use reducer::ledger::Arrived;
use reducer::owner::{Dead, Event, Tag};
use shared::protocol::id::{JobId, PlanHash, TaskId};
use shared::protocol::job::{Counts, JobState, JobStatus};
use shared::protocol::message::{Place, PlanEnd};

use super::broken::Broken;
use super::{OwnerRole, beside, lose_store};
use crate::simulation::mutants::Mutant;
use crate::simulation::oracle::{Key, Seen, tag_of};
use crate::simulation::role::{Alarm, Do, Role, Stage};

impl OwnerRole {
    /// One transaction, and then what it wants to happen; or, if the write is torn, nothing of it.
    pub(super) fn turn(&mut self, stage: &mut Stage) -> Vec<Do> {
        let (arrived, mut seen, dead) = self.take_inbox();
        stage.oracle.sort_out(&mut seen);
        let tags: Vec<Tag> = arrived.iter().filter_map(tag_of).collect();
        let wal = beside(&self.setup.path, "-wal");
        let length = || fs::metadata(&wal).map_or(0, |metadata| metadata.len());
        let before = length();
        let now = stage.now;
        let was_known = self.known_of(&mut seen);
        let mut broken = Broken { mutant: stage.mutant, now };
        let actions = match self.ledger().turn_with(arrived, now, &mut broken) {
            Ok(actions) => actions,
            Err(error) => {
                stage.oracle.complain(format!("the ledger failed: {error}"));
                return vec![Do::Die];
            }
        };
        let after = length();
        if after > before
            && let Some(place) = stage.tear.take()
        {
            // Read while the connection is open: closing it moves the log into the database.
            let files = [fs::read(&self.setup.path).expect("it is there"), fs::read(&wal).expect("it is there")];
            self.ledger = None;
            lose_store(&self.setup.path);
            let cut = usize::try_from(before + place % (after - before)).expect("it was read");
            fs::write(&self.setup.path, &files[0]).expect("written");
            fs::write(&wal, &files[1][..cut]).expect("written");
            let mut out = Vec::new();
            if stage.breaks(Mutant::EffectsBeforeCommit) {
                self.perform(actions, stage, &mut out);
            }
            out.push(Do::Die);
            return out;
        }
        stage.oracle.turned.extend(tags);
        self.tell_oracle(seen, &was_known, &dead, stage);
        let mut out = Vec::new();
        self.turning = !self.inbox.is_empty() || self.ledger().has_more();
        if self.turning {
            out.push(Do::After(Duration::ZERO, Alarm::Turn));
        }
        self.perform(actions, stage, &mut out);
        if stage.breaks(Mutant::EndWithoutPlanEnd) {
            self.end_plans(stage, &mut out);
        }
        out
    }

    /// Ends each plan whose tasks so far are all answered.
    fn end_plans(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        for id in stage.jobs.all.iter().map(|job| job.id.clone()).collect::<Vec<_>>() {
            let Some(status) = self.status(&id, stage.now) else { continue };
            let JobStatus { state, counts: Counts { tasks_planned: tasks, tasks_open, .. }, opening, .. } = status;
            if let (JobState::Planning, 1.., 0) = (state, tasks, tasks_open)
                && let Some((_, after)) = self.ledger().owner().plan(&id)
            {
                let place = Place { opening, after: after.clone() };
                let plan_end = Event::PlanEnd { plan_end: PlanEnd { job: id, tasks }, place, tag: None };
                self.take(plan_end.into(), None, stage, out);
            }
        }
    }

    /// What has gathered. A replay has a turn of its own, so that it shows what it changed.
    fn take_inbox(&mut self) -> (Vec<Arrived>, Vec<Seen>, Vec<Dead>) {
        let is_replay = |(arrived, _): &(Arrived, Option<Seen>)| matches!(arrived, Arrived::Replay { .. });
        let count = match self.inbox.iter().position(is_replay) {
            Some(0) => 1,
            Some(at) => at,
            None => self.inbox.len(),
        };
        let rest = self.inbox.split_off(count);
        let taken = std::mem::replace(&mut self.inbox, rest);
        let dead = match taken.first() {
            Some((Arrived::Replay { filter, openings, .. }, _)) => {
                let mut dead = self.ledger().store().dead(filter.as_deref()).expect("a list");
                dead.retain(|dead| openings.as_ref().is_none_or(|openings| openings.contains(&dead.opening)));
                dead
            }
            _ => Vec::new(),
        };
        let (arrived, seen): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        (arrived, seen.into_iter().flatten().collect(), dead)
    }

    /// Those of the tasks that somebody speaks of which are planned so, and the rest that is asked for, if not the
    /// whole.
    fn known_of(&mut self, seen: &mut [Seen]) -> BTreeMap<Key, Option<PlanHash>> {
        let ledger = self.ledger();
        let known = |of: Key| {
            let known = ledger.known(&of.task).expect("it can be read")?;
            (known.plan == of.plan).then(|| (of, known.kept.map(|kept| kept.rest)))
        };
        seen.iter_mut().filter_map(Seen::said).map(|said| said.key.clone()).filter_map(known).collect()
    }

    fn tell_oracle(
        &mut self,
        seen: Vec<Seen>,
        was_known: &BTreeMap<Key, Option<PlanHash>>,
        dead: &[Dead],
        stage: &mut Stage,
    ) {
        let mut cancelled: BTreeMap<JobId, Counts> = BTreeMap::new();
        if stage.jobs.has_cancels() {
            let own = stage.jobs.all.iter().filter(|job| job.owner == self.setup.owner);
            let status = own.filter_map(|job| self.status(&job.id, stage.now));
            let is_cancelled = status.filter(|status| status.state == JobState::Cancelled);
            cancelled.extend(is_cancelled.map(|status| (status.job, status.counts)));
        }
        let ledger = self.ledger();
        // A replayed task is open again, and so its job is in memory.
        let is_open = |task: &TaskId| ledger.owner().spec(&task.job).is_some() && !ledger.owner().is_answered(task);
        let is_replayed = |dead: &&Dead| dead.is_failed && is_open(&dead.task);
        let replayed: Vec<TaskId> = dead.iter().filter(is_replayed).map(|dead| dead.task.clone()).collect();
        for task in &replayed {
            stage.jobs.failures.remove(task);
        }
        let planned =
            seen.iter().filter_map(|seen| if let Seen::Planned { task, .. } = seen { Some(task) } else { None });
        let planned: Vec<TaskId> = planned.cloned().collect();
        let own = stage.jobs.all.iter().filter(|job| job.owner == self.setup.owner);
        for status in own.filter_map(|job| self.status(&job.id, stage.now)) {
            stage.oracle.opened(&status.job, &status.opening);
        }
        let owner = &self.setup.owner;
        let is_own = |job: &JobId| stage.jobs.job(job).is_some_and(|job| job.owner == *owner);
        stage.oracle.still_cancelled(&cancelled, is_own);
        let ledger = self.ledger();
        let known = |task: &TaskId| ledger.known(task).expect("it can be read");
        stage.oracle.committed(seen, &cancelled, was_known, |of| {
            let known = known(&of.task).filter(|known| known.plan == of.plan)?;
            known.kept.filter(|kept| kept.is_left).map(|kept| kept.rest)
        });
        for task in planned {
            if let Some(known) = known(&task) {
                stage.oracle.check_planned(&task, &known.plan);
            }
        }
        stage.oracle.replayed(&replayed);
    }
}
