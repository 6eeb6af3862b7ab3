//! `call` has no plan that follows from its spec: the calls come from the program that has the pool
//! ([`crate::pool`]).

use super::PlanError;

pub(super) const fn refused() -> PlanError {
    PlanError::NoPlan
}
