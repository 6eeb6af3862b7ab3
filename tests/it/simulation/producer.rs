//! A producer or a rider: the submission's engine over a synthetic plan, wired as `producer::client`
//! wires it.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use producer::client::engine::{Action, Config, Event, Road, Submission};
use producer::client::remote::straight::Straight;
use shared::protocol::id::JobId;
use shared::protocol::limits;
use shared::protocol::message::{JobRequest, Message, PlanEnd, Reply, Request, kind};
use shared::protocol::topology;

use super::jobs::{Job, Plan, Runner};
use super::mutants::Mutant;
use super::role::{Alarm, Do, Input, Lane, Role, Stage};

const REPLIES: Lane = 0;

/// One who asks an owner, one question at a time.
#[derive(Default)]
pub(super) struct Questions {
    /// None before the process has started.
    name: Option<JobId>,
    /// The question that waits for its answer.
    asked: Option<String>,
}

impl Questions {
    /// Takes a name, and says what has to be there for replies.
    pub fn begin(&mut self, stage: &mut Stage) -> Vec<Do> {
        let name = self.name.insert(JobId::from_name(format!("asker-{}", stage.number()).as_bytes()));
        let (queue, bindings) = topology::replies(name);
        vec![Do::Declare(topology::shared()), Do::Subscribe { lane: REPLIES, queue, bindings, prefetch: 64 }]
    }

    pub fn ask(&mut self, job: &Job, request: &Request, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(name) = &self.name else { return };
        let id = format!("{name}-{}", stage.number());
        let mut message = Message::json(kind::REQUEST, id.clone(), request, UNIX_EPOCH);
        message.reply_to = Some(topology::reply_key(name).into());
        let key = topology::owner_request_key(&job.owner);
        out.push(Do::Hint { to: (topology::CONTROL, key), message });
        out.push(Do::After(limits::CONTROL_TIMEOUT, Alarm::Patience(id.clone())));
        self.asked = Some(id);
    }

    /// The reply to the present question, if it is one.
    pub fn hear(&mut self, message: &Message) -> Option<Reply> {
        self.asked.take_if(|asked| message.correlation.as_deref() == Some(asked.as_str()))?;
        Some(message.parse().expect("an owner of this run wrote it"))
    }

    /// Whether the question waits no longer.
    pub fn give_up(&mut self, id: &String) -> bool {
        self.asked.take_if(|asked| asked == id).is_some()
    }
}

/// A producer's process.
pub(super) struct ProducerRole {
    job: JobId,
    engine: Option<Submission>,
    questions: Questions,
    plan: Option<Plan>,
    /// Where a rider sends its tasks.
    straight: Option<Straight>,
    /// What a publish under a token was for: of the present plan only.
    publishing: BTreeMap<u64, For>,
}

#[derive(Clone, Copy)]
enum For {
    Task(u64),
    PlanEnd,
}

impl ProducerRole {
    pub fn new(job: JobId) -> Self {
        let (questions, publishing) = (Questions::default(), BTreeMap::new());
        Self { job, engine: None, questions, plan: None, straight: None, publishing }
    }

    fn tell(&mut self, event: Event, stage: &mut Stage, out: &mut Vec<Do>) {
        let Some(engine) = &mut self.engine else { return };
        for action in engine.step(event, stage.now) {
            self.perform(action, stage, out);
        }
    }

    fn perform(&mut self, action: Action, stage: &mut Stage, out: &mut Vec<Do>) {
        let id = self.job.clone();
        let Some(job) = stage.jobs.job(&id).cloned() else { return };
        match action {
            Action::AskOpen { instead_of } => {
                let request = Request::Open(Box::new(JobRequest { instead_of, ..job.request() }));
                self.questions.ask(&job, &request, stage, out);
            }
            Action::AskStatus => self.questions.ask(&job, &Request::Status { job: id }, stage, out),
            Action::StartPlan { from } => {
                self.publishing.clear();
                self.plan = Some(Plan::begin(stage.now, from));
                out.push(Do::After(Duration::ZERO, Alarm::Plan));
            }
            Action::Publish { planned, place } => {
                let number = planned.number;
                let to_owner = (topology::PLANS, topology::plan_key(&job.owner));
                let (to, message) = match &self.straight {
                    None => (to_owner, planned.to_message(&id, &place, UNIX_EPOCH)),
                    Some(straight) => {
                        let (key, message) = straight.message(&id, &job.owner, *planned, place, UNIX_EPOCH);
                        ((topology::TASKS, key), message)
                    }
                };
                self.publish(to, message, For::Task(number), stage, out);
            }
            Action::EndPlan { tasks, place } => {
                let message = PlanEnd { job: id, tasks }.to_message(&place, UNIX_EPOCH);
                self.publish((topology::PLANS, topology::plan_key(&job.owner)), message, For::PlanEnd, stage, out);
            }
            Action::Opened(_) | Action::Settled | Action::Say(_) => {}
            // Its user is told to run it again, and does.
            Action::Forgotten => out.push(Do::Die),
            Action::Done(_) | Action::Overtaken => out.push(Do::Exit),
            Action::Refused(reason) => {
                if !stage.oracle.is_cancelled(id.as_str()) {
                    stage.oracle.complain(format!("job {id} was refused: {reason}"));
                }
                out.push(Do::Exit);
            }
        }
    }

    fn publish(
        &mut self,
        to: (&'static str, String),
        message: Message,
        what: For,
        stage: &mut Stage,
        out: &mut Vec<Do>,
    ) {
        let token = stage.number();
        out.push(Do::Publish { to, message, token });
        match what {
            For::Task(number) if stage.breaks(Mutant::PlanEndBeforeConfirm) => {
                self.tell(Event::Confirmed(number), stage, out);
            }
            _ => drop(self.publishing.insert(token, what)),
        }
    }

    /// The plan's next task, as long as the engine takes one.
    fn go_on_planning(&mut self, stage: &mut Stage, out: &mut Vec<Do>) {
        let wants_more = self.engine.as_ref().is_some_and(Submission::wants_more);
        let Some((plan, job)) = self.plan.as_mut().zip(stage.jobs.job(&self.job)) else { return };
        if !wants_more {
            return out.push(Do::After(stage.millis(1, 50), Alarm::Plan));
        }
        match plan.next_task(job, stage.now) {
            Some(planned) => {
                out.push(Do::After(stage.millis(0, 60), Alarm::Plan));
                self.tell(Event::Planned(Box::new(planned)), stage, out);
            }
            None => {
                let walked = (plan.begun, plan.hash.clone());
                self.plan = None;
                if self.straight.is_none() {
                    stage.jobs.walked.insert(self.job.clone(), walked);
                    stage.jobs.begun_again.remove(&self.job);
                }
                self.tell(Event::PlanEnded, stage, out);
            }
        }
    }
}

impl Role for ProducerRole {
    fn start(&mut self, stage: &mut Stage) -> Vec<Do> {
        let Some(job) = stage.jobs.job(&self.job) else { return vec![Do::Exit] };
        let wait = job.runner != Runner::Producer { waits: false };
        self.straight = (job.runner == Runner::Rider).then(|| Straight::new(&job.spec));
        let is_straight = self.straight.is_some();
        self.engine = Some(Submission::new(Config {
            owner: job.owner.clone(),
            spec: job.spec.clone(),
            wait,
            recheck: true,
            broker: String::new(),
            road: if is_straight { Road::Queue } else { Road::Broker },
            can_plan_again: !is_straight,
            look: limits::STATUS_INTERVAL,
        }));
        stage.jobs.begun_again.insert(self.job.clone());
        let mut out = self.questions.begin(stage);
        out.extend(self.straight.as_ref().map(|straight| Do::Declare(straight.topology.clone())));
        out.push(Do::After(Duration::ZERO, Alarm::Tick));
        out
    }

    fn step(&mut self, input: Input, stage: &mut Stage) -> Vec<Do> {
        let mut out = Vec::new();
        match input {
            Input::Delivery { tag, message, .. } => {
                out.push(Do::Ack(tag));
                let reply = self.questions.hear(&message);
                if reply.is_some() {
                    self.tell(Event::Replied(reply), stage, &mut out);
                }
            }
            Input::Alarm(Alarm::Patience(id)) => {
                if self.questions.give_up(&id) {
                    self.tell(Event::Replied(None), stage, &mut out);
                }
            }
            Input::Confirmed(token) => match self.publishing.get(&token) {
                Some(&For::Task(number)) => self.tell(Event::Confirmed(number), stage, &mut out),
                Some(&For::PlanEnd) => self.tell(Event::PlanEndConfirmed, stage, &mut out),
                None => {}
            },
            Input::Alarm(Alarm::Plan) => self.go_on_planning(stage, &mut out),
            Input::Alarm(Alarm::Tick) => {
                self.tell(Event::Tick, stage, &mut out);
                out.push(Do::After(stage.millis(50, 1_500), Alarm::Tick));
            }
            Input::Alarm(_) | Input::Interrupted { .. } | Input::Looked { .. } => {}
        }
        out
    }
}
