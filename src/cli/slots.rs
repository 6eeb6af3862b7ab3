//! How many tasks a process does at a time.

use std::num::NonZero;
use std::thread::available_parallelism;

use super::Failure;

/// The number of slots: as given, or one for each core.
pub fn or_cores(slots: Option<u32>) -> Result<u32, Failure> {
    match slots {
        Some(0) => Err(Failure::usage("--slots 0 would do nothing; use 1 or more")),
        Some(slots) => Ok(slots),
        None => Ok(available_parallelism().map_or(1, NonZero::get).try_into().unwrap_or(u32::MAX)),
    }
}
