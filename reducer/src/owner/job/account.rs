//! A job's account: what was counted so far. Each method is one kind of event, and keeps the
//! equations of [`Counts`].

use shared::protocol::job::Counts;
use shared::protocol::message::Planned;

use crate::fold::Tally;

#[derive(Debug, Default)]
pub(crate) struct Account(Counts);

impl Account {
    pub fn of(counts: Counts) -> Self {
        Self(counts)
    }

    pub fn counts(&self) -> &Counts {
        &self.0
    }

    /// The plan has one more task. One without a body is done at once.
    pub fn planned(&mut self, planned: &Planned) {
        let failed = planned.notes.failed.len() as u64;
        let counts = &mut self.0;
        counts.tasks_planned += 1;
        counts.items_planned += u64::from(planned.items) + failed;
        counts.items_failed += failed;
        // Sizes are untrusted input: saturate instead of overflowing.
        counts.bytes_planned = counts.bytes_planned.saturating_add(planned.bytes);
        for (kind, count) in &planned.notes.skipped {
            let skipped = counts.items_skipped.entry(kind.clone()).or_default();
            *skipped = skipped.saturating_add(*count);
        }
        if planned.body.is_some() {
            counts.tasks_open += 1;
        } else {
            counts.tasks_done += 1;
        }
    }

    /// The plan has these tasks of one item each.
    pub fn derived(&mut self, tasks: u64) {
        let counts = &mut self.0;
        (counts.tasks_planned, counts.tasks_open, counts.items_planned) = (tasks, tasks, tasks);
    }

    /// A derived plan ends this many tasks earlier. None of them has an outcome.
    pub fn cut(&mut self, tasks: u64) {
        let counts = &mut self.0;
        counts.tasks_planned -= tasks;
        counts.items_planned -= tasks;
        counts.tasks_open -= tasks;
    }

    /// Items were taken over from an earlier opening. They are counted when their task is.
    pub fn kept(&mut self, items: u32) {
        self.0.items_kept += u64::from(items);
    }

    /// The first answer of a task.
    pub fn done(&mut self, tally: &Tally, redelivered: bool) {
        let counts = &mut self.0;
        counts.tasks_open -= 1;
        counts.tasks_done += 1;
        counts.redeliveries += u64::from(redelivered);
        counts.items_planned -= u64::from(tally.left);
        counts.items_done += tally.items_done;
        counts.items_failed += tally.items_failed;
        counts.items_untimed = counts.items_untimed.saturating_add(tally.items_untimed);
        counts.items_changed = counts.items_changed.saturating_add(tally.items_changed);
        counts.bytes_done = counts.bytes_done.saturating_add(tally.bytes);
        for (name, value) in &tally.totals {
            let total = counts.totals.entry((*name).to_owned()).or_default();
            *total = total.saturating_add(*value);
        }
    }

    /// A task of this many items is given up.
    pub fn failed(&mut self, items: u32) {
        let counts = &mut self.0;
        counts.tasks_open -= 1;
        counts.tasks_failed += 1;
        counts.items_failed += u64::from(items);
    }

    /// A part of a task is answered.
    pub fn answered_in_part(&mut self, early: &Tally) {
        let counts = &mut self.0;
        counts.items_planned -= u64::from(early.left);
        counts.items_done += early.items_done;
        counts.items_failed += early.items_failed;
    }

    /// A task of this many items is given up, and other tasks do its items.
    pub fn failed_and_left(&mut self, items: u32) {
        let counts = &mut self.0;
        counts.tasks_open -= 1;
        counts.tasks_failed += 1;
        counts.items_planned -= u64::from(items);
    }

    /// A failed task of this many items is replayed.
    pub fn reopened(&mut self, items: u32) {
        let counts = &mut self.0;
        counts.tasks_failed -= 1;
        counts.tasks_open += 1;
        counts.items_failed -= u64::from(items);
        counts.replays += 1;
    }

    /// The job is cancelled: its open tasks get no outcome.
    pub fn cancelled(&mut self) {
        let counts = &mut self.0;
        counts.tasks_cancelled = std::mem::take(&mut counts.tasks_open);
        counts.items_cancelled = counts.items_planned - counts.items_done - counts.items_failed;
    }

    /// A task message was sent.
    pub fn sent(&mut self) {
        self.0.sends += 1;
    }

    /// A task message was sent again.
    pub fn resent(&mut self) {
        self.0.resends += 1;
        self.0.sends += 1;
    }

    /// The producer of a derived plan has sent all its tasks.
    pub fn sent_all(&mut self, tasks: u64) {
        self.0.sends = tasks;
    }

    /// Task messages were answered, came back, or were lost.
    pub fn returned(&mut self, messages: u64) {
        self.0.returns += messages;
    }

    /// All queues were lost with the messages in them.
    pub fn returned_all(&mut self) {
        self.0.returns = self.0.sends;
    }

    /// A second outcome of a task.
    pub fn repeated(&mut self, same: bool) {
        self.0.duplicates += 1;
        self.0.conflicts += u64::from(!same);
    }

    pub fn dead_lettered(&mut self) {
        self.0.dead_letters += 1;
    }

    /// A policy of the broker took a message out of its queue. Returns whether it is the first.
    pub fn expired(&mut self) -> bool {
        self.0.expired += 1;
        self.0.expired == 1
    }

    /// A message of the job was ignored, for this reason.
    pub fn dropped(&mut self, why: &str) {
        *self.0.dropped.entry(why.to_owned()).or_default() += 1;
    }

    /// Breaks the account: an outcome that comes after a cancellation counts.
    pub fn count_late(&mut self) {
        self.0.tasks_done += 1;
    }
}
