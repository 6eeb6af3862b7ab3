//! `words`: lines, words and bytes of each file of one or more directory trees, and how often each
//! word occurs.
//!
//! The answer lists, in the order of the task's items, the counts of a file or the reason why there
//! are none. Where frequencies are asked for, the task's words travel in parts of the outcome: see
//! [`part`].

use serde::{Deserialize, Serialize};

use super::files::{Differing, Files, ItemFailure, Selection, check_answer};
use super::{Classes, Contract, Descriptor, TaskQueue, Workload};
use crate::protocol::id::{Class, fnv1a};
use crate::protocol::reason::{Reason, from_json};

/// What separates words. A word is a longest run of bytes without a separator; any other byte may
/// be part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The bytes 0x09 to 0x0d and 0x20: C's white space.
    #[default]
    Ascii,
    /// The characters with Unicode's property White_Space, in UTF-8. Bytes that are not valid UTF-8
    /// are part of words.
    Unicode,
}

impl Mode {
    /// The name in messages and on command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Unicode => "unicode",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Manner {
    pub mode: Mode,
    /// Whether a report also shows characters.
    pub characters: bool,
    /// Whether each word's occurrences are counted.
    pub frequencies: bool,
}

pub(super) const DESCRIPTOR: Descriptor =
    Descriptor { name: "words", queue: TaskQueue::Durable, classes: Classes::OfRoots };

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub manner: Manner,
    pub files: Selection,
}

impl Contract for Spec {
    fn workload(&self) -> Workload {
        Workload::Words
    }

    fn classes(&self) -> Vec<Class> {
        self.files.classes()
    }

    fn roots(&self) -> Vec<&str> {
        self.files.root_names()
    }

    fn consumer_command(&self, class: &str, broker: &str) -> String {
        self.files.consumer_command(class, broker)
    }
}

/// A task's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub manner: Manner,
    pub files: Files,
}

impl Batch {
    /// Parses a body and refuses paths that lead out of their root.
    pub fn parse(body: &[u8]) -> Result<Self, Reason> {
        let batch: Self = from_json(body)?;
        batch.files.check()?;
        Ok(batch)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Bytes 0x0a.
    pub lines: u64,
    pub words: u64,
    /// Bytes other than UTF-8's continuation bytes (0x80 to 0xbf): in UTF-8, the characters.
    pub characters: u64,
    pub bytes: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.words += other.words;
        self.characters += other.characters;
        self.bytes += other.bytes;
    }
}

impl Counts {
    fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            lines: self.lines.checked_add(other.lines)?,
            words: self.words.checked_add(other.words)?,
            characters: self.characters.checked_add(other.characters)?,
            bytes: self.bytes.checked_add(other.bytes)?,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// For each item its counts, or null.
    pub counts: Vec<Option<Counts>>,
    /// For each null the reason, in the order of items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ItemFailure>,
    /// Check sum over the words of the counted parts; zero without frequencies.
    pub check: Check,
    /// Items whose files were not exactly as planned when they were read.
    #[serde(default, skip_serializing_if = "Differing::is_empty")]
    pub differing: Differing,
}

impl Answer {
    /// Parses an answer and checks that it fits a task of `items` items.
    pub fn parse(body: &[u8], items: u32) -> Result<Self, Reason> {
        let answer: Self = from_json(body)?;
        check_answer(items, &answer.counts, &answer.failed, &answer.differing)?;
        match answer.counts.iter().flatten().try_fold(Counts::default(), |sum, counts| sum.checked_add(*counts)) {
            Some(_) => Ok(answer),
            None => Err(Reason::Body { detail: "the counts add up to more than 64 bits hold".to_owned() }),
        }
    }

    /// The sum over all items.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.counts.iter().flatten().for_each(|counts| total += *counts);
        total
    }
}

/// A check sum that shows whether two answers counted the same words, no matter how the words are
/// spread over parts. It is the sum over each word's hash (FNV-1a, 64 bits) times its count, modulo
/// 2^64; in JSON 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Check(u64);

impl From<Check> for String {
    fn from(check: Check) -> Self {
        format!("{:016x}", check.0)
    }
}

impl TryFrom<String> for Check {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

impl std::ops::AddAssign for Check {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl Check {
    pub fn add(&mut self, word: &[u8], count: u64) {
        self.0 = self.0.wrapping_add(fnv1a(word).wrapping_mul(count));
    }
}

/// The lines of a part: a word's count in decimal, a tab, the word as it is, a newline. The words
/// are in byte order, each once. No word holds a tab or a newline, because both are separators in
/// every [`Mode`].
///
/// A word may be in several parts of a task: its counts add up.
pub mod part {
    use crate::protocol::reason::Reason;

    /// The largest count of a line. No file holds that many words, and the sum over 32,767 parts
    /// fits into SQLite's signed 64-bit integer.
    pub const COUNT_MAX: u64 = 1 << 48;

    /// Appends a line to `out`.
    pub fn write(count: u64, word: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(count.to_string().as_bytes());
        out.push(b'\t');
        out.extend_from_slice(word);
        out.push(b'\n');
    }

    pub fn lines(part: &[u8]) -> impl Iterator<Item = Result<(u64, &[u8]), Reason>> {
        part.split_inclusive(|&byte| byte == b'\n').map(|line| {
            parse(line).ok_or_else(|| Reason::Body { detail: "a line of a part is not COUNT, tab, WORD".to_owned() })
        })
    }

    fn parse(line: &[u8]) -> Option<(u64, &[u8])> {
        let line = line.strip_suffix(b"\n")?;
        let tab = line.iter().position(|&byte| byte == b'\t')?;
        let digits = std::str::from_utf8(&line[..tab]).ok().filter(|count| !count.starts_with('+'))?;
        let count = digits.parse().ok().filter(|&count| count <= COUNT_MAX)?;
        Some((count, &line[tab + 1..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_damaged_ones_do_not() {
        let mut text = Vec::new();
        for (count, word) in [(3, &b"a"[..]), (part::COUNT_MAX, b"\xff"), (1, b"x\0y")] {
            part::write(count, word, &mut text);
        }
        let lines: Vec<_> = part::lines(&text).collect::<Result<_, _>>().expect("our own lines");
        assert_eq!(lines, [(3, &b"a"[..]), (part::COUNT_MAX, b"\xff"), (1, b"x\0y")]);
        for bad in [&b"3\ta"[..], b"3 a\n", b"\ta\n", b"-1\ta\n", b"+1\ta\n", b"281474976710657\ta\n"] {
            assert!(part::lines(bad).any(|line| line.is_err()), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_whose_sum_does_not_fit_is_refused() {
        let of = |second: u64| {
            let counts = |n| format!(r#"{{"lines":0,"words":0,"characters":0,"bytes":{n}}}"#);
            let text = format!(r#"{{"counts":[{},{}],"check":"0"}}"#, counts(u64::MAX), counts(second));
            Answer::parse(text.as_bytes(), 2).map(|answer| answer.total().bytes)
        };
        assert_eq!(of(0), Ok(u64::MAX));
        assert!(matches!(of(1), Err(Reason::Body { .. })));
    }

    #[test]
    fn the_check_does_not_depend_on_the_parts() {
        let of = |words: &[(&[u8], u64)]| {
            let mut check = Check::default();
            words.iter().for_each(|(word, count)| check.add(word, *count));
            check
        };
        assert_eq!(of(&[(b"a", 3), (b"b", 1)]), of(&[(b"b", 1), (b"a", 1), (b"a", 2)]));
        assert_ne!(of(&[(b"a", 3)]), of(&[(b"b", 3)]));
        // The published value of FNV-1a for "a".
        assert_eq!(of(&[(b"a", 1)]), Check(0xaf63_dc4c_8601_ec8c));
    }
}
