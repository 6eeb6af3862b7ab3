//! Notices that a waiting submitter prints, and when it prints them.

use std::sync::Arc;

use crate::protocol::id::{JobId, OwnerId};
use crate::protocol::job::{JobSpec, JobStatus};
use crate::protocol::limits::NO_CONSUMER_NOTICE;
use crate::protocol::message::{Ended, JobRequest, Opened};
use crate::protocol::path::printable;
use crate::system::clock::{Moment, time};

pub type Notify = Arc<dyn Fn(String) + Send + Sync>;

pub fn no_owner(owner: &OwnerId, broker: &str) -> String {
    let option = if owner.as_str() == "main" { String::new() } else { format!(" --owner {owner}") };
    format!(
        "no reducer {owner:?} answers, waiting for one; start it with: packhorse reducer --broker {broker}{option}",
        owner = owner.as_str()
    )
}

/// Notice for a request whose job has already ended: its report may be old.
pub fn ended_before(opened: &Opened) -> Option<String> {
    let ended = opened.ended.as_ref().filter(|_| opened.has_ended())?;
    Some(format!(
        "job {} has ended before, at {}: this is its report of then. To do the work again, give another --job, \
         or none",
        ended.job,
        time(ended.at)
    ))
}

/// Notice that a request continues an unfinished job, or begins a new one after a job that has
/// ended. `None` for a first job.
pub fn begun(request: &JobRequest, opened: &Opened, recheck: bool) -> Option<String> {
    let job = &opened.job;
    let has_begun = *job != request.job || opened.planned > 0 || opened.plan_end.is_some();
    match &opened.ended {
        Some(ended) if ended.job == *job => None,
        _ if has_begun => {
            let (tasks, planned) = (opened.planned, if opened.has_whole_plan() { "planned" } else { "planned so far" });
            let looks = if recheck || !opened.has_whole_plan() { "looking" } else { "without looking" };
            Some(format!(
                "going on with job {job}, which has not ended: {tasks} tasks are {planned}; {looks} whether anything \
                 has changed since"
            ))
        }
        Some(Ended { job: before, state, at }) if request.resume => {
            let (state, at) = (state.as_str(), time(*at));
            Some(format!("beginning again as job {job}: the job before it, {before}, was {state} at {at}"))
        }
        _ => None,
    }
}

/// Notice that a continued job is planned again.
pub fn changed(job: &JobId) -> String {
    format!(
        "the file tree of job {job} has changed since it was planned: it is planned again, and keeps the results of \
         unchanged files"
    )
}

fn no_consumer(spec: &JobSpec, class: &str, broker: &str) -> String {
    let start = spec.contract().consumer_command(class, broker);
    format!("no consumer serves {class} of {}, waiting for one; start it with: {start}", spec.workload())
}

/// Prints once that no consumer does the work, after this has lasted for [`NO_CONSUMER_NOTICE`],
/// and again if it happens again.
#[derive(Debug, Default)]
pub struct Unserved {
    since: Option<Moment>,
    said: bool,
}

impl Unserved {
    /// The notice to print for this status, if one is due.
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

/// What a job waits for that a person can remove, as far as its owner knows.
pub fn waits(status: &JobStatus) -> Option<String> {
    let idle = !status.state.is_over() && status.counts.tasks_open > 0 && !status.unserved.is_empty();
    let unserved = || format!("no live consumer serves {} of {}", status.unserved.join(", "), status.workload);
    match (idle.then(unserved), &status.waits) {
        (Some(unserved), Some(waits)) => Some(format!("{unserved}; {waits}")),
        (unserved, waits) => unserved.or_else(|| waits.clone()),
    }
}

/// Prints once what a job waits for, after this has lasted for [`NO_CONSUMER_NOTICE`], and again
/// when the reason changes.
#[derive(Debug, Default)]
pub struct Waiting {
    seen: Option<(String, Moment)>,
    said: Option<String>,
}

impl Waiting {
    /// The notice to print for this reason, if one is due.
    pub fn check(&mut self, job: &JobId, waits: Option<String>, now: Moment) -> Option<String> {
        let Some(waits) = waits else {
            self.seen = None;
            return None;
        };
        let since = match &self.seen {
            Some((seen, since)) if *seen == waits => *since,
            _ => now,
        };
        let is_due = now.saturating_sub(since) >= NO_CONSUMER_NOTICE && self.said.as_ref() != Some(&waits);
        let text = is_due.then(|| format!("job {job} waits: {}", printable(&waits)));
        if is_due {
            self.said = Some(waits.clone());
        }
        self.seen = Some((waits, since));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::id::PlanHash;
    use crate::protocol::job::{Counts, JobState};
    use crate::protocol::workload::{Workload, steps};

    fn told(resume: bool, change: impl Fn(&mut Opened)) -> Option<String> {
        let spec = JobSpec::Steps(steps::Spec { caravan: "c".parse().expect("an id"), rider: 0, whips: 1, needs: 0 });
        let request = JobRequest { resume, ..JobRequest::new("asked".parse().expect("an id"), spec) };
        let (owner, opening) = (OwnerId::main(), "o".parse().expect("an id"));
        let (planned, after, plan_end, ended) = (0, PlanHash::start(), None, None);
        let mut answer = Opened { job: request.job.clone(), opening, owner, planned, after, plan_end, ended };
        change(&mut answer);
        ended_before(&answer).or_else(|| begun(&request, &answer, true))
    }

    fn ended(job: &str, at: f64) -> Option<Ended> {
        Some(Ended { job: job.parse().expect("an id"), state: JobState::Finished, at })
    }

    #[test]
    fn who_gets_another_answer_than_that_of_a_new_job_is_told() {
        assert_eq!(told(true, |_| {}), None);
        let old = told(false, |opened| opened.ended = ended("asked", 1_767_225_600.5)).expect("told");
        assert!(old.contains("job asked has ended before, at 2026-01-01T00:00:00Z"), "{old}");
        let anew = told(true, |opened| opened.ended = ended("before", 0.0)).expect("told");
        assert!(
            anew.contains("beginning again as job asked") && anew.contains("before, was finished at 1970"),
            "{anew}"
        );
        assert_eq!(told(false, |opened| opened.ended = ended("before", 0.0)), None, "its id says that it is another");
        let on = told(true, |opened| opened.job = "known".parse().expect("an id")).expect("told");
        assert!(on.contains("going on with job known") && on.contains("0 tasks are planned so far"), "{on}");
        let mended = told(false, |opened| opened.planned = 3).expect("told");
        assert!(mended.contains("3 tasks are planned so far"), "{mended}");
    }

    fn status(change: impl Fn(&mut JobStatus)) -> JobStatus {
        let mut status = JobStatus {
            schema: 1,
            job: "j".parse().expect("an id"),
            opening: "o".parse().expect("an id"),
            owner: OwnerId::main(),
            workload: Workload::Digest,
            state: JobState::Running,
            counts: Counts { tasks_planned: 1, tasks_open: 1, ..Counts::default() },
            consumers: 0,
            unserved: Vec::new(),
            waits: None,
            seconds: 1.0,
            plan: None,
            report_sha256: None,
            sum: None,
        };
        change(&mut status);
        status
    }

    #[test]
    fn a_status_says_all_that_its_job_waits_for() {
        let full = || Some("no room".to_owned());
        assert_eq!(waits(&status(|_| {})), None);
        assert_eq!(waits(&status(|status| status.waits = full())), full());
        let both = status(|status| (status.unserved, status.waits) = (vec!["a".to_owned(), "b".to_owned()], full()));
        assert_eq!(waits(&both).expect("it waits"), "no live consumer serves a, b of digest; no room");
        // It has no open task.
        let idle = status(|status| (status.unserved, status.counts.tasks_open) = (vec!["a".to_owned()], 0));
        assert_eq!(waits(&idle), None);
    }

    #[test]
    fn what_a_job_waits_for_is_said_once_and_again_when_it_changes() {
        let (mut waiting, job) = (Waiting::default(), "j".parse().expect("an id"));
        let mut at = |time: u32, waits: &str| {
            let waits = (!waits.is_empty()).then(|| waits.to_owned());
            waiting.check(&job, waits, NO_CONSUMER_NOTICE * time)
        };
        assert_eq!(at(0, "disk\n"), None, "it may be over in a moment");
        assert_eq!(at(1, "disk\n").expect("said"), "job j waits: disk\\n");
        assert_eq!(at(2, "disk\n"), None);
        assert_eq!(at(3, ""), None);
        assert_eq!(at(4, "disk\n"), None);
        assert_eq!(at(5, "disk\n"), None, "it was said");
        assert_eq!(at(6, "root"), None);
        assert_eq!(at(7, "root").expect("said"), "job j waits: root");
        assert_eq!(at(8, "disk"), None);
        assert_eq!(at(9, ""), None);
        assert_eq!(at(10, "disk"), None, "it waits anew");
        assert_eq!(at(11, "disk").expect("said"), "job j waits: disk");
    }
}
