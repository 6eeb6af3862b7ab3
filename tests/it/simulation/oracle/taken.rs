//! The files of a job that some task was answered for, whatever opening it was of: a later opening takes
//! their results over.

use std::collections::BTreeMap;

use shared::protocol::workload::digest::Answer;

use crate::simulation::jobs::File;

/// The files, with the digest of each that was counted last: a later opening asks for a file again only
/// where its store has no digest of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(BTreeMap<File, Option<String>>);

impl Taken {
    /// A task with these files was answered, and with this answer if it counts. One to the rest of a task
    /// is shorter than its files.
    pub fn note(&mut self, files: Vec<File>, counts: Option<&[u8]>) {
        let answer = counts.and_then(|answer| serde_json::from_slice(answer).ok());
        let digests = answer.map(|Answer { digests, .. }| digests).filter(|digests| digests.len() == files.len());
        let digests = digests.unwrap_or_else(|| vec![None; files.len()]);
        for (file, digest) in files.into_iter().zip(digests) {
            let known = self.0.entry(file).or_default();
            *known = digest.or_else(|| known.take());
        }
    }

    pub fn contains(&self, file: &File) -> bool {
        self.0.contains_key(file)
    }

    pub fn digest(&self, file: &File) -> Option<&str> {
        self.0.get(file)?.as_deref()
    }
}
