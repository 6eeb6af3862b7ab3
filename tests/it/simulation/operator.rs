//! Somebody at a terminal: cancels or forgets a job, or has its failed tasks done again. As `packhorse cancel`,
//! `packhorse jobs forget` and `packhorse dead` ask for it.

use std::time::{Duration, UNIX_EPOCH};

use rand::RngExt;
use shared::protocol::id::{JobId, OpeningId, PlanHash};
use shared::protocol::job::JobState;
use shared::protocol::message::{Place, PlanEnd, Reply, Request};
use shared::protocol::topology;

use super::deeds::Deed;
use super::producer::Questions;
use super::role::{Alarm, Do, Input, Role, Stage};

/// How often an owner is asked that does not know the job, or does not answer.
const PATIENCE: u32 = 40;

/// Where one who replays stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Replaying,
    WaitingAgain,
    Forgetting,
}

/// An operator's process.
pub(super) struct OperatorRole {
    job: JobId,
    deed: Deed,
    questions: Questions,
    phase: Phase,
    /// The opening that is to be cancelled, once it was looked at.
    opening: Option<OpeningId>,
    /// The opening that was forgotten.
    gone: Option<OpeningId>,
    /// Answers so far.
    heard: u32,
}

impl OperatorRole {
    pub fn new(job: JobId, deed: Deed) -> Self {
        Self { job, deed, questions: Questions::default(), phase: Phase::Waiting, opening: None, gone: None, heard: 0 }
    }

    fn ask(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(job) = stage.jobs.job(&self.job).cloned() else { return };
        let (id, filter) = (job.id.clone(), Some(job.id.to_string()));
        let request = match (self.deed, self.phase) {
            (Deed::Cancel { .. }, _) => match self.opening.clone() {
                Some(opening) => Request::Cancel { job: id, opening },
                None => Request::Status { job: id },
            },
            (Deed::Forget, _) => match self.opening.clone() {
                Some(opening) => Request::ForgetJob { job: id, opening },
                None => Request::Status { job: id },
            },
            (Deed::Replay, Phase::Waiting | Phase::WaitingAgain) => Request::Status { job: id },
            (Deed::Replay, Phase::Replaying) => {
                stage.jobs.cured.insert(id);
                Request::Replay { filter, openings: self.opening.clone().into_iter().collect() }
            }
            (Deed::Replay, Phase::Forgetting) => {
                Request::Forget { filter, openings: self.opening.clone().into_iter().collect() }
            }
        };
        self.questions.ask(&job, &request, stage, out);
    }

    /// When to ask next; `None` when there is no more to do.
    fn replied(&mut self, reply: &Reply, stage: &mut Stage) -> Option<Duration> {
        self.heard += 1;
        if let (Deed::Cancel { .. }, None, Reply::Status(status)) = (self.deed, &self.opening, reply) {
            self.opening = Some(status.opening.clone());
            self.heard = 0;
            return Some(Duration::ZERO);
        }
        if let Deed::Cancel { times } = self.deed {
            let is_over = matches!(reply, Reply::Status(status) if status.state.is_over());
            let is_done = self.heard >= if is_over { times } else { PATIENCE };
            return (!is_done).then(|| stage.millis(0, 3_000));
        }
        if self.deed == Deed::Forget {
            return self.replied_to_forget(reply, stage);
        }
        if let (Deed::Replay, Reply::Status(status)) = (self.deed, reply) {
            self.opening = Some(status.opening.clone());
        }
        let is_finished = matches!(reply, Reply::Status(status) if status.state == JobState::Finished);
        self.phase = match self.phase {
            Phase::Waiting if is_finished => Phase::Replaying,
            Phase::Replaying => Phase::WaitingAgain,
            Phase::WaitingAgain if is_finished => Phase::Forgetting,
            Phase::Forgetting => return None,
            same => same,
        };
        Some(stage.millis(200, 3_000))
    }
}

impl OperatorRole {
    /// The plan end of a job that was forgotten, once more: a queue may have kept it.
    fn late(&mut self, stage: &mut Stage) -> Option<Do> {
        let (opening, job) = (self.gone.take()?, stage.jobs.job(&self.job)?);
        let place = Place { opening, after: PlanHash::start() };
        let message = PlanEnd { job: self.job.clone(), tasks: 0 }.to_message(&place, UNIX_EPOCH);
        Some(Do::Hint { to: (topology::PLANS, topology::plan_key(&job.owner)), message })
    }

    fn replied_to_forget(&mut self, reply: &Reply, stage: &mut Stage) -> Option<Duration> {
        match (self.opening.take(), reply) {
            (None, Reply::Status(status)) => {
                self.opening = Some(status.opening.clone());
                Some(Duration::ZERO)
            }
            (Some(opening), Reply::Status(status)) => {
                self.gone = Some(opening);
                if !status.state.is_over() {
                    stage.oracle.complain(format!("job {} is forgotten, and has not ended", status.job));
                }
                None
            }
            // Nobody has it yet, or no longer; or it has not ended.
            _ => (self.heard < 2 * PATIENCE).then(|| stage.millis(0, 3_000)),
        }
    }
}

impl Role for OperatorRole {
    fn start(&mut self, stage: &mut Stage) -> Vec<Do> {
        let mut out = self.questions.begin(stage);
        let latest = [300, 3_000, 60_000][stage.random.random_range(0..3)];
        out.push(Do::After(stage.millis(0, latest), Alarm::Tick));
        out
    }

    fn step(&mut self, input: Input, stage: &mut Stage) -> Vec<Do> {
        let mut out = Vec::new();
        match input {
            Input::Delivery { tag, message, .. } => {
                out.push(Do::Ack(tag));
                if let Some(reply) = self.questions.hear(&message) {
                    let next = match self.replied(&reply, stage) {
                        Some(wait) => Do::After(wait, Alarm::Tick),
                        None => Do::Exit,
                    };
                    out.extend(self.late(stage));
                    out.push(next);
                }
            }
            Input::Alarm(Alarm::Patience(id)) => {
                if self.questions.give_up(&id) {
                    // A command has gone with its job.
                    self.heard += 1;
                    if self.heard >= PATIENCE && self.deed != Deed::Replay {
                        return vec![Do::Exit];
                    }
                    self.ask(stage, &mut out);
                }
            }
            Input::Alarm(Alarm::Tick) => self.ask(stage, &mut out),
            Input::Alarm(_) | Input::Confirmed(_) | Input::Interrupted { .. } | Input::Looked { .. } => {}
        }
        out
    }
}
