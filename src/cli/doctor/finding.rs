//! A finding, which is printed as one line.

use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Ok,
    /// It works, but the operator should look at it.
    Warn,
    /// It does not work, or will soon stop working.
    Fail,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) subject: String,
    what: String,
    /// Empty if nothing is to be done.
    remedy: String,
}

impl Finding {
    fn new(level: Level, subject: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level, subject: subject.into(), what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn ok(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Level::Ok, subject, what, "")
    }

    pub(super) fn warn(subject: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Level::Warn, subject, what, remedy)
    }

    pub(super) fn fail(subject: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Level::Fail, subject, what, remedy)
    }

    fn level(&self) -> &'static str {
        match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        }
    }

    /// As text. Control characters in a message of the broker or the system do not break the line.
    pub(super) fn line(&self) -> String {
        let remedy = if self.remedy.is_empty() { String::new() } else { format!("; {}", self.remedy) };
        let text = format!("{:<4}  {}: {}{remedy}", self.level(), self.subject, self.what);
        text.replace(|c: char| c.is_control(), " ")
    }

    pub(super) fn json(&self) -> String {
        let Self { subject, what, remedy, .. } = self;
        let level = self.level();
        json!({"schema": 1, "type": "finding", "level": level, "subject": subject, "what": what, "do": remedy})
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::warn("queue q", "it holds\n3 messages", "look at them");
        assert_eq!(finding.line(), "warn  queue q: it holds 3 messages; look at them");
        assert_eq!(Finding::ok("clock", "as ours").line(), "ok    clock: as ours");
        assert!(finding.json().contains(r#""what":"it holds\n3 messages""#), "{}", finding.json());
    }
}
