//! The road to the owner: a link asks the owner, and hands it the plan.

use shared::protocol::id::JobId;
use shared::protocol::message::{Place, Planned, Request};

use super::engine::{Event, Road};
use super::error::ProducerError;

/// A part of a plan on its way.
#[derive(Debug)]
pub enum Part {
    Task(Box<Planned>),
    /// The plan end, with the number of tasks.
    End(u64),
}

/// A link to one owner. What it is given is done in the background; [`Link::heard`] says what came
/// of it.
pub trait Link: Send {
    fn road(&self) -> Road;

    /// Asks the owner. [`Event::Replied`] follows, with `None` when no reply has come in time.
    fn ask(&mut self, request: Request);

    /// Hands over a part of the job's plan. [`Event::Confirmed`] or [`Event::PlanEndConfirmed`]
    /// follows when the owner or the broker has it.
    fn hand_over(&mut self, job: &JobId, part: Part, place: Place);

    /// Forgets what is not confirmed yet: the plan begins again, and a confirm that belongs to the
    /// earlier one would be taken for a confirm of this one.
    fn begin_plan(&mut self);

    /// The next event. Cancelling the wait loses nothing.
    fn heard(&mut self) -> impl Future<Output = Result<Event, ProducerError>> + Send;
}
