//! One job in an owner's memory. Each part of it keeps its own fields.
//!
//! - `plan`, `early`: its plan, and what came before its turn
//! - `ready`: tasks that may be sent and were not
//! - `flight`: a task that is out
//! - `account`: what was counted
//! - `stream`: its results on their way to a caller in this process
//! - `updates`: what its consumers are told between tasks
//! - `ending`: its end and its report

mod account;
mod early;
mod ending;
mod flight;
mod plan;
mod ready;
mod stream;
mod updates;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::protocol::id::{Class, HeldTask, JobId, OpeningId, Origin, OwnerId, ReportName};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::message::{Ended, JobRequest};
use shared::protocol::workload::Workload;
use shared::system::clock::Moment;

pub(crate) use account::Account;
pub(crate) use ending::Ending;
pub(crate) use flight::{Flight, Stored};
pub(crate) use plan::{End, Plan};
pub(crate) use ready::{Next, Ready};
pub(crate) use stream::{Remembered, Stream};
pub(crate) use updates::Updates;

use super::{Contiguous, Reached};

/// What identifies a job. Nothing of it changes.
#[derive(Debug)]
struct Identity {
    id: JobId,
    opening: OpeningId,
    spec: JobSpec,
    /// The report's name; `None` for the job's id.
    report: Option<ReportName>,
    /// For a job over files: the machine and the directories that the request came from.
    origin: Option<Origin>,
    priority: i32,
    opened_at: Moment,
}

#[derive(Debug)]
pub(crate) struct Job {
    identity: Identity,
    /// Whether it takes over from an earlier opening that is still in the store.
    follows: bool,
    /// Whether the owner sends its tasks; see [`super::Config::dispatches_on_open`].
    dispatching: bool,
    /// Whether some of its tasks need others.
    has_needs: bool,
    answered: Contiguous,
    flights: BTreeMap<u64, Flight>,
    /// Tasks that the broker has not accepted for a while, with the class of their queue.
    unsent: BTreeMap<u64, Class>,
    /// Set if a caller in this process takes its results.
    stream: Option<Stream>,
    /// Tasks below this number had left the store when this process began.
    released: u64,
    /// When consumers were last told of it.
    announced_at: Option<Moment>,
    pub(super) updates: Updates,
    pub(super) plan: Plan,
    pub(super) ready: Ready,
    pub(super) account: Account,
    pub(super) ending: Ending,
}

/// A job as the last process left it.
pub(crate) struct Resumed {
    pub request: JobRequest,
    pub opening: OpeningId,
    pub opened_at: Moment,
    pub follows: bool,
    pub has_needs: bool,
    pub plan: Plan,
    pub answered: Contiguous,
    pub account: Account,
    pub ending: Ending,
    pub ready: Ready,
    pub flights: BTreeMap<u64, Flight>,
    pub updates: Updates,
    pub released: u64,
}

impl Job {
    pub fn new(request: JobRequest, opening: OpeningId, now: Moment) -> Self {
        let plan = Plan::new(&request.spec);
        let mut account = Account::default();
        if plan.is_derived() {
            account.derived(plan.prefix());
        }
        Self::resume(Resumed {
            follows: request.instead_of.is_some(),
            has_needs: false,
            request,
            opening,
            opened_at: now,
            plan,
            answered: Contiguous::default(),
            account,
            ending: Ending::default(),
            ready: Ready::default(),
            flights: BTreeMap::new(),
            updates: Updates::default(),
            released: 0,
        })
    }

    pub fn resume(resumed: Resumed) -> Self {
        let JobRequest { job: id, spec, report, origin, resume: _, priority, instead_of: _ } = resumed.request;
        let (opening, opened_at) = (resumed.opening, resumed.opened_at);
        Self {
            identity: Identity { id, opening, spec, report, origin, priority, opened_at },
            follows: resumed.follows,
            dispatching: true,
            has_needs: resumed.has_needs,
            answered: resumed.answered,
            flights: resumed.flights,
            unsent: BTreeMap::new(),
            stream: None,
            released: resumed.released,
            announced_at: None,
            updates: resumed.updates,
            plan: resumed.plan,
            ready: resumed.ready,
            account: resumed.account,
            ending: resumed.ending,
        }
    }

    pub const fn id(&self) -> &JobId {
        &self.identity.id
    }

    pub const fn opening(&self) -> &OpeningId {
        &self.identity.opening
    }

    pub const fn spec(&self) -> &JobSpec {
        &self.identity.spec
    }

    pub fn workload(&self) -> Workload {
        self.identity.spec.workload()
    }

    pub const fn report(&self) -> Option<&ReportName> {
        self.identity.report.as_ref()
    }

    pub const fn origin(&self) -> Option<&Origin> {
        self.identity.origin.as_ref()
    }

    pub const fn priority(&self) -> i32 {
        self.identity.priority
    }

    /// Whether some of its tasks need others.
    pub const fn has_needs(&self) -> bool {
        self.has_needs
    }

    pub fn note_needs(&mut self, has_needs: bool) {
        self.has_needs |= has_needs;
    }

    /// Whether it takes over from an earlier opening that is still in the store.
    pub const fn follows(&self) -> bool {
        self.follows
    }

    /// The earlier openings are gone from the store.
    pub fn swept(&mut self) {
        self.follows = false;
    }

    /// Whether the owner sends its tasks.
    pub const fn is_dispatching(&self) -> bool {
        self.dispatching
    }

    pub fn dispatch(&mut self, dispatching: bool) {
        self.dispatching = dispatching;
    }

    /// A caller in this process takes its results from now on.
    pub(super) fn begin_stream(&mut self) {
        let released = self.released;
        self.stream.get_or_insert_with(|| Stream::after(released));
    }

    pub const fn announced_at(&self) -> Option<Moment> {
        self.announced_at
    }

    /// Consumers were told of it.
    pub(super) fn announced(&mut self, now: Moment) {
        self.announced_at = Some(now);
    }

    pub const fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    pub(super) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut()
    }

    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    pub const fn account(&self) -> &Account {
        &self.account
    }

    pub const fn answered(&self) -> &Contiguous {
        &self.answered
    }

    /// Whether this is another opening than the job's current one.
    pub fn is_other(&self, opening: &OpeningId) -> bool {
        *opening != self.identity.opening
    }

    pub fn report_name(&self) -> &str {
        self.report().map_or(self.identity.id.as_str(), ReportName::as_str)
    }

    /// A task of this job, as its holder names it in a heartbeat.
    pub fn held(&self, number: u64) -> HeldTask {
        HeldTask { opening: self.identity.opening.clone(), number }
    }

    /// Whether this task was sent: by the owner, or, for a derived plan, by its producer.
    pub fn may_be_out(&self, number: u64) -> bool {
        match self.plan {
            Plan::Derived(_) => self.plan.contains(number),
            Plan::Stored(_) if self.is_open() => {
                self.flights.contains_key(&number) || self.answered.contains(number) || self.ready.is_replay(number)
            }
            // A cancelled job keeps no flights.
            Plan::Stored(_) => self.plan.contains(number),
        }
    }

    pub fn flight(&self, number: u64) -> Option<&Flight> {
        self.flights.get(&number)
    }

    pub fn flight_mut(&mut self, number: u64) -> Option<&mut Flight> {
        self.flights.get_mut(&number)
    }

    /// The tasks that are out, by number.
    pub const fn flights(&self) -> &BTreeMap<u64, Flight> {
        &self.flights
    }

    pub fn flights_mut(&mut self) -> impl Iterator<Item = (u64, &mut Flight)> {
        self.flights.iter_mut().map(|(&number, flight)| (number, flight))
    }

    /// A task is out now; returns the flight that it had before.
    pub(super) fn fly(&mut self, number: u64, flight: Flight) -> Option<Flight> {
        self.ready.remove_replay(number);
        self.flights.insert(number, flight)
    }

    /// The next task to watch: see [`Plan::next_to_watch`].
    pub(super) fn next_to_watch(&mut self) -> Option<(u64, Class)> {
        self.plan.next_to_watch(&self.answered).map(|(number, class)| (number, class.clone()))
    }

    /// Marks a task as answered; returns its flight, if it had one.
    pub(super) fn answer(&mut self, number: u64) -> Option<Flight> {
        self.answered.insert(number);
        self.ready.remove(number);
        self.unsent.remove(&number);
        self.flights.remove(&number)
    }

    /// Marks an answered task as open again; returns whether it was answered.
    pub(super) fn unanswer(&mut self, number: u64) -> bool {
        self.answered.remove(number)
    }

    /// Ends the job as it stands: open tasks get no outcome, and the plan ends with the tasks known
    /// so far. Returns the flights that it had.
    pub(super) fn cancel(&mut self, now: Moment) -> BTreeMap<u64, Flight> {
        self.ending.cancel(now);
        self.plan.break_off();
        self.ready.clear();
        self.account.cancelled();
        std::mem::take(&mut self.flights)
    }

    /// The broker has not accepted a task for this class for a while, or, with `None`, has accepted
    /// it now.
    pub fn note_unsent(&mut self, number: u64, class: Option<Class>) {
        match class {
            Some(class) => self.unsent.insert(number, class),
            None => self.unsent.remove(&number),
        };
    }

    /// A class whose queue the broker accepts no tasks for.
    pub fn unsent_class(&self) -> Option<&Class> {
        self.unsent.first_key_value().map(|(_, class)| class)
    }

    /// Whether every task of the complete plan has its outcome.
    pub fn is_complete(&self) -> bool {
        self.plan.is_complete() && self.plan.end().is_some_and(|tasks| self.answered.prefix() >= tasks)
    }

    /// Whether its report is due: it was cancelled, or has all its outcomes.
    pub fn is_over(&self) -> bool {
        self.ending.is_cancelled() || self.is_complete()
    }

    pub fn reached(&self) -> Reached {
        Reached { answered: self.answered.prefix(), is_over: self.is_over(), is_finished: self.ending.is_finished() }
    }

    /// Neither finished nor cancelled.
    pub const fn is_open(&self) -> bool {
        self.ending.is_open()
    }

    pub fn state(&self) -> JobState {
        JobState::of(self.plan.end().is_some(), self.ending.is_finished(), self.ending.is_cancelled())
    }

    pub fn ended(&self) -> Option<Ended> {
        let at = self.ending.at()?.as_secs_f64();
        Some(Ended { job: self.identity.id.clone(), state: self.state(), at })
    }

    /// The classes of unleased flights that no consumer has named for `silence`. The state of their
    /// queues tells whether these tasks are lost.
    pub fn silent(&self, now: Moment, silence: Duration) -> BTreeSet<&Class> {
        let silent = |flight: &&Flight| flight.holder().is_none() && flight.is_silent(now, silence);
        self.flights.values().filter(silent).map(Flight::class).collect()
    }

    /// `live` is the number of live consumers of a class; `sum` the subject and value of the job's
    /// sum, if its workload has one.
    pub fn status(
        &self,
        owner: &OwnerId,
        now: Moment,
        live: impl Fn(&Class) -> u32,
        sum: Option<(String, i64)>,
    ) -> JobStatus {
        let classes = self.identity.spec.classes();
        let unserved = match self.state() {
            state if state.is_over() => Vec::new(),
            _ => classes.iter().filter(|class| live(class) == 0).map(ToString::to_string).collect(),
        };
        JobStatus {
            schema: 1,
            job: self.identity.id.clone(),
            opening: self.identity.opening.clone(),
            owner: owner.clone(),
            workload: self.workload(),
            state: self.state(),
            counts: self.account.counts().clone(),
            consumers: classes.iter().map(live).max().unwrap_or(0),
            unserved,
            waits: self.waits(),
            seconds: self.ending.at().unwrap_or(now).saturating_sub(self.identity.opened_at).as_secs_f64(),
            plan: self.plan.whole_hash().cloned(),
            report_sha256: self.ending.report_sha256().cloned(),
            sum,
        }
    }
}
