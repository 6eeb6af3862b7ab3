//! The answer to a pack: results of its first calls, in their order.
//!
//! All numbers are little-endian. An answer is: the version of updates that the slot had (u64), the
//! number of calls that it left (u32), the number of results (u32), the length of each with its
//! highest bit set for an error (u32 each), and then their bytes. An error is JSON: [`CallError`].

use std::fmt;

use bytes::{BufMut as _, Bytes};
use serde::{Deserialize, Serialize};

use super::pack::finish;
use crate::protocol::payload::{ContentType, Payload};
use crate::protocol::reason::{Reason, from_json};

/// Marks an error.
const ERROR: u32 = 1 << 31;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallError {
    pub kind: CallErrorKind,
    /// For people: the error and its causes.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// The worker returned an error.
    Failed,
    /// The worker panicked.
    Panicked,
    /// The argument cannot be read, or the result cannot be written.
    Codec,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            CallErrorKind::Failed | CallErrorKind::Codec => f.write_str(&self.message),
            CallErrorKind::Panicked => write!(f, "the worker panicked: {}", self.message),
        }
    }
}

impl std::error::Error for CallError {}

/// The result of one call, as the worker's codec writes it.
pub type CallResult = Result<Bytes, CallError>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// The version of updates that the slot had while it did these calls.
    pub at: u64,
    /// The last calls of the pack that the slot did not begin.
    pub left: u32,
    /// The results of the others.
    pub results: Vec<CallResult>,
}

impl Results {
    /// Reads an answer. The results share its bytes.
    pub fn parse(answer: &Payload) -> Result<Self, Reason> {
        let mut results = Vec::new();
        let (at, left) = pieces(answer, |bytes, is_error| {
            results.push(if is_error { Err(from_json(&bytes)?) } else { Ok(bytes) });
            Ok(())
        })?;
        Ok(Self { at, left, results })
    }

    /// The answer with these results.
    pub fn answer(&self) -> Payload {
        let mut builder = ResultsBuilder::default();
        for result in &self.results {
            builder.push(|to| match result {
                Ok(bytes) => {
                    to.extend_from_slice(bytes);
                    Ok(())
                }
                Err(error) => Err(error.clone()),
            });
        }
        builder.finish(self.at, self.left)
    }

    /// Counts an answer's results, errors and the calls that were left, without reading them.
    pub fn count(answer: &Payload) -> Result<(u32, u32, u32), Reason> {
        let (mut done, mut failed) = (0, 0);
        let (_, left) = pieces(answer, |_, is_error| {
            if is_error {
                failed += 1;
            } else {
                done += 1;
            }
            Ok(())
        })?;
        Ok((done, failed, left))
    }
}

/// Calls `each` with the bytes of each result, and whether it is an error.
fn pieces(answer: &Payload, mut each: impl FnMut(Bytes, bool) -> Result<(), Reason>) -> Result<(u64, u32), Reason> {
    let wrong = |detail: String| Reason::Body { detail: format!("results of calls: {detail}") };
    if answer.content_type != ContentType::RESULTS {
        return Err(wrong(format!("it is {}, not {}", answer.content_type, ContentType::RESULTS)));
    }
    let bytes = &answer.bytes;
    let short = || wrong("it ends too early".to_owned());
    let number = |at: usize| bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let at = bytes.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes).ok_or_else(short)?;
    let left = number(8).ok_or_else(short)?;
    let count = usize::try_from(number(12).ok_or_else(short)?).map_err(|_| short())?;
    let mut next = count.checked_mul(4).and_then(|lengths| lengths.checked_add(16)).ok_or_else(short)?;
    for result in 0..count {
        let length = number(16 + result * 4).ok_or_else(short)?;
        let end = next.checked_add((length & !ERROR) as usize).filter(|&end| end <= bytes.len()).ok_or_else(short)?;
        each(bytes.slice(next..end), length & ERROR != 0)?;
        next = end;
    }
    if next == bytes.len() { Ok((at, left)) } else { Err(wrong("there are bytes after the last result".to_owned())) }
}

/// Collects results into an answer.
#[derive(Debug, Default)]
pub struct ResultsBuilder {
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl ResultsBuilder {
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Bytes of the results so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the result of a call, which `run` appends to the bytes. What it appended before an error
    /// is dropped.
    pub fn push(&mut self, run: impl FnOnce(&mut Vec<u8>) -> Result<(), CallError>) {
        let start = self.bytes.len();
        let mut mark = 0;
        if let Err(error) = run(&mut self.bytes) {
            self.bytes.truncate(start);
            // A text and the name of a kind are always JSON.
            let _ = serde_json::to_writer(&mut self.bytes, &error);
            mark = ERROR;
        }
        self.lengths.push(u32::try_from(self.bytes.len() - start).unwrap_or(ERROR - 1) | mark);
    }

    /// The answer. The builder is empty afterwards.
    pub fn finish(&mut self, at: u64, left: u32) -> Payload {
        let mut body = Vec::with_capacity(16 + self.lengths.len() * 4 + self.bytes.len());
        body.put_u64_le(at);
        body.put_u32_le(left);
        finish(&mut body, &mut self.lengths, &mut self.bytes);
        Payload { content_type: ContentType::RESULTS, bytes: body.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> (Payload, Results) {
        let mut builder = ResultsBuilder::default();
        let error = CallError { kind: CallErrorKind::Panicked, message: "\u{e4}".to_owned() };
        builder.push(|to| {
            to.extend_from_slice(b"ok");
            Ok(())
        });
        builder.push(|to| {
            to.extend_from_slice(b"half");
            Err(error.clone())
        });
        builder.push(|_| Ok(()));
        let results = vec![Ok(Bytes::from_static(b"ok")), Err(error), Ok(Bytes::new())];
        (builder.finish(3, 2), Results { at: 3, left: 2, results })
    }

    #[test]
    fn results_come_back() {
        let (answer, results) = answer();
        assert_eq!(Results::count(&answer), Ok((2, 1, 2)));
        assert_eq!(Results::parse(&answer), Ok(results));
    }

    #[test]
    fn what_is_cut_or_longer_is_refused() {
        let (answer, _) = answer();
        for end in 0..answer.bytes.len() {
            assert!(Results::parse(&Payload { bytes: answer.bytes.slice(..end), ..answer.clone() }).is_err(), "{end}");
        }
        let longer = [&answer.bytes[..], b"x"].concat();
        assert!(Results::count(&Payload { bytes: longer.into(), ..answer.clone() }).is_err());
        assert!(Results::count(&Payload::bytes(answer.bytes)).is_err());
    }
}
