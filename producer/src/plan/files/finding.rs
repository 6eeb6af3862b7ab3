//! Findings: what a walk meets, in the order of the report.

use shared::protocol::path::PathBytes;
use shared::protocol::workload::files::{Links, Selection, Times, printed};

#[derive(Debug)]
pub(super) struct Finding {
    /// Index into the selection's roots.
    pub root: usize,
    /// Path relative to the root. A path that is empty or ends with a slash stands for a directory
    /// as a whole.
    pub at: PathBytes,
    pub what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A file to work on.
    File {
        /// Bytes.
        size: u64,
        times: Times,
        /// The links that a consumer must follow to open the file.
        links: Links,
    },
    /// A file or directory that could not be examined, with the reason.
    Failed(String),
    /// An entry that is left out, with its kind for the report.
    Skipped(&'static str),
}

impl What {
    /// A file that this command writes itself.
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
