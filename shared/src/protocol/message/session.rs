//! One process of an owner, distinguishable from another process with the same owner id.

use std::cmp::Ordering;
use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::protocol::id::StoreId;
use crate::protocol::path::printable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Random, drawn when the process starts.
    pub id: String,
    /// The store that the process has open. A copy of a store has the same id.
    pub store: StoreId,
    /// For display; hosts may share a name.
    pub host: String,
    /// Process id on that host, for display.
    pub process: u32,
    /// Start of the process, seconds since 1970.
    pub since: f64,
}

impl Session {
    /// Whether this process gives the owner's name up to `other`. Of two processes with one name
    /// the later one keeps it: it started only because no other process answered, and requests to
    /// this name since then were meant for it. Both processes compute the same result, so exactly
    /// one ends. If the clocks of two hosts differ, the earlier process may win, but never both and
    /// never neither.
    pub fn yields_to(&self, other: &Self) -> bool {
        self.since.total_cmp(&other.since).then_with(|| self.id.cmp(&other.id)) == Ordering::Less
    }
}

impl Display for Session {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.process, printable(&self.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, since: f64) -> Session {
        let store = StoreId::from_name(b"s");
        Session { id: id.to_owned(), store, host: "h\n".to_owned(), process: 7, since }
    }

    #[test]
    fn of_two_sessions_exactly_the_earlier_one_yields() {
        for (earlier, later) in [(("b", 1.0), ("a", 2.0)), (("a", 1.0), ("b", 1.0))] {
            let (earlier, later) = (session(earlier.0, earlier.1), session(later.0, later.1));
            assert!(earlier.yields_to(&later) && !later.yields_to(&earlier), "{earlier:?} {later:?}");
        }
        assert!(!session("a", 1.0).yields_to(&session("a", 1.0)), "it is itself");
    }

    #[test]
    fn a_session_is_shown_on_one_line() {
        assert_eq!(session("a", 1.0).to_string(), r"process 7 on h\n");
    }
}
