//! One process of an owner: what tells it from another that has the same name.

use std::cmp::Ordering;
use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::protocol::id::StoreId;
use crate::protocol::path::printable;

/// A process that answers for an owner's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Drawn at random when it starts.
    pub id: String,
    /// The store that it has open. A copy of a store has the same.
    pub store: StoreId,
    /// Where it runs, for people.
    pub host: String,
    /// Its number there, for people.
    pub process: u32,
    /// When it started, in seconds since 1970.
    pub since: f64,
}

impl Session {
    /// Of two processes with one name the later one keeps it: it began only because nobody answered, and whatever was
    /// asked of this name since was asked of it. Both come to the same verdict, so exactly one ends. Clocks of two
    /// hosts that differ may make it the other one, never both and never neither.
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
