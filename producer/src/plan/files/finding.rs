//! What a walk comes upon.

use shared::protocol::path::PathBytes;
use shared::protocol::workload::files::{Links, Selection, Times, printed};

/// One thing that the walk came upon.
#[derive(Debug)]
pub(super) struct Finding {
    /// Index into the selection's roots.
    pub root: usize,
    /// Its path relative to the root: with a slash at its end, or empty, if it is about a directory as a whole.
    pub at: PathBytes,
    /// What it is.
    pub what: What,
}

/// What the walk came upon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A file to digest.
    File {
        /// Its size now, in bytes.
        size: u64,
        /// Its times now.
        times: Times,
        /// What may be followed to open it.
        links: Links,
    },
    /// Something that could not be taken in, and why.
    Failed(String),
    /// Something left out, by its kind.
    Skipped(&'static str),
}

impl What {
    /// A file that the command writes itself.
    pub(super) const OWN: Self = Self::Skipped("own file");
}

impl Finding {
    /// The name as a report shows it.
    pub(super) fn name(&self, selection: &Selection) -> PathBytes {
        let mut name = selection.roots[self.root].prefix.as_bytes().to_vec();
        name.extend_from_slice(self.at.as_bytes());
        while name.len() > 1 && name.ends_with(b"/") {
            name.pop();
        }
        printed(name)
    }
}
