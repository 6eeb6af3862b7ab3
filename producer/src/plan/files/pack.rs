//! Packs findings into one task, within the limits of a message.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use shared::protocol::limits::{TASK_CONTENT_BYTES, TASK_ITEMS_FIRST, TASK_ITEMS_MAX, TASK_MESSAGE_BYTES};
use shared::protocol::message::{Notes, PlanFailure, Planned};
use shared::protocol::payload::Payload;
use shared::protocol::workload::files::{Files, Item, Links, Selection};

use super::finding::{Finding, What};

/// Bytes of JSON around the items of a body, without the root's name.
const BATCH_OVERHEAD: usize = 256;
/// Bytes of JSON around one path with its size and times, or around one failure's name and reason.
const ENTRY_OVERHEAD: usize = 128;

/// A task that is being packed.
///
/// Failures count as items against the limits: they travel in the same message, and many unreadable
/// directories must not make it too large.
#[derive(Debug)]
pub(super) struct Draft {
    number: u64,
    /// Root and links that all items of the task have in common.
    kind: Option<(usize, Links)>,
    items: Vec<Item>,
    failed: Vec<PlanFailure>,
    skipped: BTreeMap<String, u64>,
    message_bytes: usize,
    content_bytes: u64,
    /// Root of the last finding taken.
    last: Option<usize>,
    times: bool,
}

impl Draft {
    /// `times`: whether the task contains the files' times.
    pub(super) fn new(number: u64, times: bool) -> Self {
        Self {
            number,
            times,
            kind: None,
            items: Vec::new(),
            failed: Vec::new(),
            skipped: BTreeMap::new(),
            message_bytes: BATCH_OVERHEAD,
            content_bytes: 0,
            last: None,
        }
    }

    /// Whether the task has the largest number of items and failures.
    pub(super) fn is_full(&self) -> bool {
        self.items.len() + self.failed.len() >= items_max(self.number)
    }

    /// Adds a finding, or returns it if it does not fit. The first finding always fits: a file
    /// larger than [`TASK_CONTENT_BYTES`] gets its own task.
    pub(super) fn take(&mut self, finding: Finding, selection: &Selection) -> Result<(), Finding> {
        let bytes = message_bytes(&finding, selection);
        if !self.fits(&finding, bytes) {
            return Err(finding);
        }
        self.message_bytes += bytes;
        self.last = Some(finding.root);
        match finding.what {
            What::Skipped(kind) => *self.skipped.entry(kind.to_owned()).or_default() += 1,
            What::Failed(ref reason) => {
                self.failed.push(PlanFailure { name: finding.name(selection), reason: reason.clone() })
            }
            What::File { size, times, links } => {
                if self.kind.is_none() {
                    self.message_bytes += text_bytes(selection.roots[finding.root].name.as_bytes());
                    self.kind = Some((finding.root, links));
                }
                self.content_bytes = self.content_bytes.saturating_add(size);
                self.items.push(Item { path: finding.at, size, times: Some(times).filter(|_| self.times) });
            }
        }
        Ok(())
    }

    fn fits(&self, finding: &Finding, bytes: usize) -> bool {
        let message_fits =
            (self.items.is_empty() && self.failed.is_empty()) || self.message_bytes + bytes <= TASK_MESSAGE_BYTES;
        match finding.what {
            What::Skipped(_) => true,
            What::Failed(_) => message_fits,
            What::File { size, links, .. } => {
                let content_fits =
                    self.items.is_empty() || self.content_bytes.saturating_add(size) <= TASK_CONTENT_BYTES;
                let same_kind = self.kind.is_none_or(|kind| kind == (finding.root, links));
                message_fits && content_fits && same_kind
            }
        }
    }

    /// The task, or `None` if nothing was added.
    pub(super) fn finish(self, selection: &Selection, body: impl Fn(Files) -> Payload) -> Option<Planned> {
        let last = self.last?;
        let items = u32::try_from(self.items.len()).expect("TASK_ITEMS_MAX is far below");
        let root = self.kind.map_or(last, |(root, _)| root);
        let files = self.kind.map(|(_, links)| Files {
            links,
            root: selection.roots[root].name.clone(),
            items: self.items,
            strict_times: selection.strict_times,
        });
        Some(Planned {
            number: self.number,
            class: selection.roots[root].class.clone(),
            body: files.map(body),
            items,
            bytes: self.content_bytes,
            notes: Notes { failed: self.failed, skipped: self.skipped, needs: Vec::new() },
            at: Some(now()),
        })
    }
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// The limit of items in task `number`: the first tasks are small, and each is twice as large as
/// the one before.
fn items_max(number: u64) -> usize {
    let doublings = u32::try_from(number).unwrap_or(u32::MAX).min(usize::BITS / 2);
    TASK_ITEMS_FIRST.saturating_mul(1 << doublings).min(TASK_ITEMS_MAX)
}

/// Bytes that a finding adds to its task's message: at least its real size.
fn message_bytes(finding: &Finding, selection: &Selection) -> usize {
    match &finding.what {
        What::Skipped(_) => 0,
        What::File { .. } => ENTRY_OVERHEAD + text_bytes(finding.at.as_bytes()),
        What::Failed(reason) => {
            ENTRY_OVERHEAD + text_bytes(finding.name(selection).as_bytes()) + text_bytes(reason.as_bytes())
        }
    }
}

/// Bytes of a name in JSON: escaped if it is UTF-8, else base64.
fn text_bytes(name: &[u8]) -> usize {
    if std::str::from_utf8(name).is_err() {
        return name.len().div_ceil(3) * 4;
    }
    name.iter()
        .map(|byte| {
            if *byte < 0x20 {
                "\\u0000".len()
            } else if matches!(byte, b'"' | b'\\') {
                2
            } else {
                1
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::protocol::workload::files::Times;

    #[test]
    fn the_first_tasks_are_small_and_double() {
        let sizes: Vec<_> = [0, 1, 2, 5, 6, 7, 1 << 40].into_iter().map(items_max).collect();
        assert_eq!(sizes, [16, 32, 64, 512, 1000, 1000, 1000]);
    }

    #[test]
    fn sizes_are_never_below_the_real_ones() {
        let names: [&[u8]; 6] =
            [b"plain", b"a\"b\\c", b"\x00\x01\n\t\x1f", b"\xff\xfe", "\u{e4}\u{2028}\x7f".as_bytes(), b""];
        for name in names {
            let times = Some(Times { modified: i64::MIN, changed: i64::MIN + 1 });
            let item = Item { path: name.into(), size: u64::MAX, times };
            let real = serde_json::to_string(&item).expect("json").len() + 1;
            assert!(text_bytes(name) + ENTRY_OVERHEAD >= real, "{name:?}");
            let failure = PlanFailure { name: name.into(), reason: "r\"".to_owned() };
            let real = serde_json::to_string(&failure).expect("json").len() + 1;
            assert!(text_bytes(name) + text_bytes(b"r\"") + ENTRY_OVERHEAD >= real, "{name:?}");
        }
    }
}
