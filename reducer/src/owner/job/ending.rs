//! How a job ends: its outcomes, or a cancellation, and then its report.

use shared::system::clock::Moment;

#[derive(Debug, Default)]
pub(crate) struct Ending {
    finished_at: Option<Moment>,
    cancelled_at: Option<Moment>,
    report_sha256: Option<String>,
    /// Whether this process has asked for the report.
    is_asked: bool,
    /// Why the last try to write the report failed, while the report is still due.
    unreported: Option<String>,
}

impl Ending {
    /// As the last process left it.
    pub fn resumed(finished_at: Option<Moment>, cancelled_at: Option<Moment>, report_sha256: Option<String>) -> Self {
        Self { finished_at, cancelled_at, report_sha256, ..Self::default() }
    }

    pub const fn is_cancelled(&self) -> bool {
        self.cancelled_at.is_some()
    }

    /// Whether the report is written.
    pub const fn is_finished(&self) -> bool {
        self.finished_at.is_some()
    }

    /// Neither finished nor cancelled.
    pub const fn is_open(&self) -> bool {
        self.finished_at.is_none() && self.cancelled_at.is_none()
    }

    /// When it was cancelled, or else when its report was written.
    pub fn at(&self) -> Option<Moment> {
        self.cancelled_at.or(self.finished_at)
    }

    pub const fn report_sha256(&self) -> Option<&String> {
        self.report_sha256.as_ref()
    }

    /// Why the report, which is due, could not be written.
    pub fn unreported(&self) -> Option<&str> {
        self.unreported.as_deref()
    }

    pub fn cancel(&mut self, now: Moment) {
        self.cancelled_at = Some(now);
    }

    /// Whether to ask for the report now. Only the first call for a report says so.
    pub fn asks_report(&mut self) -> bool {
        let asks = self.finished_at.is_none() && !self.is_asked;
        self.is_asked |= asks;
        asks
    }

    /// The report was written; returns whether this is new.
    pub fn reported(&mut self, sha256: &str, now: Moment) -> bool {
        self.unreported = None;
        let is_new = self.finished_at.is_none();
        if is_new {
            self.finished_at = Some(now);
            self.report_sha256 = Some(sha256.to_owned());
        }
        is_new
    }

    /// The report could not be written. The writer tries again.
    pub fn not_reported(&mut self, reason: String) {
        if self.finished_at.is_none() {
            self.unreported = Some(reason);
        }
    }

    /// Whether failed tasks can be replayed. The job must not change while its report is written.
    pub const fn can_reopen(&self) -> bool {
        let is_reporting = self.is_asked && self.finished_at.is_none();
        self.cancelled_at.is_none() && !is_reporting
    }

    /// The job goes on.
    pub fn reopen(&mut self) {
        *self = Self::default();
    }
}
