//! A pack: calls that travel as one task.
//!
//! All numbers are little-endian. A pack is: the version of updates that its slot must have (u64),
//! the microseconds after which the slot answers early (u64, 0: never), the number of calls (u32),
//! the length of each (u32 each), and then their bytes.

use bytes::{BufMut as _, Bytes};

use crate::protocol::payload::{ContentType, Payload};
use crate::protocol::reason::Reason;

/// Bytes before the lengths.
const HEAD: usize = 20;

/// Calls of a pack at most: a task's items.
const CALLS_MAX: u32 = 1 << 20;

/// The calls of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// The slot must have handled the updates up to this version first. 0: none.
    pub need: u64,
    /// Between two calls the slot looks at its clock: after so many microseconds it leaves the
    /// others and answers. 0: it does all.
    pub budget: u64,
    /// The arguments, as the worker's codec writes them.
    pub calls: Vec<Bytes>,
}

impl Pack {
    /// Reads a task's body. The calls share its bytes.
    pub fn parse(body: &Payload) -> Result<Self, Reason> {
        if body.content_type != ContentType::CALLS {
            return Err(wrong(format!("it is {}, not {}", body.content_type, ContentType::CALLS)));
        }
        let bytes = &body.bytes;
        let short = || wrong("it ends too early".to_owned());
        let number = |at: usize| bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        let (need, budget) = (number(0).ok_or_else(short)?, number(8).ok_or_else(short)?);
        let calls = split(bytes, 16).ok_or_else(short)?;
        Ok(Self { need, budget, calls })
    }

    /// The pack as a task's body.
    pub fn body(&self) -> Payload {
        let mut builder = PackBuilder::default();
        for call in &self.calls {
            builder.push_bytes(call);
        }
        builder.finish(self.need, self.budget)
    }
}

fn wrong(detail: String) -> Reason {
    Reason::Body { detail: format!("a pack of calls: {detail}") }
}

/// Reads a number of pieces, their lengths and the pieces, which must fill the rest exactly.
pub(super) fn split(bytes: &Bytes, at: usize) -> Option<Vec<Bytes>> {
    let length = |at: usize| {
        let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let count = length(at)?;
    let lengths = at.checked_add(4)?;
    let mut next = lengths.checked_add(count.checked_mul(4)?)?;
    if next > bytes.len() {
        return None;
    }
    let mut pieces = Vec::with_capacity(count);
    for piece in 0..count {
        let end = next.checked_add(length(lengths + piece * 4)?)?;
        if end > bytes.len() {
            return None;
        }
        pieces.push(bytes.slice(next..end));
        next = end;
    }
    (next == bytes.len()).then_some(pieces)
}

/// Collects calls into a pack.
#[derive(Debug, Default)]
pub struct PackBuilder {
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl PackBuilder {
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.lengths.len() >= CALLS_MAX as usize
    }

    /// Bytes of the calls so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a call whose bytes `write` appends. If it fails, the pack stays as it was.
    pub fn push<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        if written.is_err() {
            self.bytes.truncate(start);
            return written;
        }
        self.lengths.push(u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX));
        Ok(())
    }

    pub fn push_bytes(&mut self, call: &[u8]) {
        self.bytes.extend_from_slice(call);
        self.lengths.push(u32::try_from(call.len()).unwrap_or(u32::MAX));
    }

    /// Takes the last call out again, and returns its bytes; empty if there is none.
    pub fn pop(&mut self) -> Vec<u8> {
        let length = self.lengths.pop().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        self.bytes.split_off(self.bytes.len().saturating_sub(length))
    }

    /// The pack as a task's body. The builder is empty afterwards.
    pub fn finish(&mut self, need: u64, budget: u64) -> Payload {
        let mut body = Vec::with_capacity(HEAD + self.lengths.len() * 4 + self.bytes.len());
        body.put_u64_le(need);
        body.put_u64_le(budget);
        finish(&mut body, &mut self.lengths, &mut self.bytes);
        Payload { content_type: ContentType::CALLS, bytes: body.into() }
    }
}

/// Appends a number of pieces, their lengths and the pieces.
pub(super) fn finish(body: &mut Vec<u8>, lengths: &mut Vec<u32>, bytes: &mut Vec<u8>) {
    body.put_u32_le(u32::try_from(lengths.len()).unwrap_or(u32::MAX));
    lengths.drain(..).for_each(|length| body.put_u32_le(length));
    body.append(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_comes_back() {
        let calls = ["", "a", "bc"].map(|call| Bytes::from_static(call.as_bytes())).to_vec();
        let pack = Pack { need: 7, budget: 4_000, calls };
        let body = pack.body();
        assert_eq!(body.bytes[..24], [7, 0, 0, 0, 0, 0, 0, 0, 160, 15, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Pack::parse(&body), Ok(pack));
    }

    #[test]
    fn what_is_cut_or_longer_is_refused() {
        let body = Pack { need: 0, budget: 0, calls: vec![Bytes::from_static(b"abc")] }.body();
        for end in 0..body.bytes.len() {
            assert!(Pack::parse(&Payload { bytes: body.bytes.slice(..end), ..body.clone() }).is_err(), "{end}");
        }
        let longer = [&body.bytes[..], b"x"].concat();
        assert!(Pack::parse(&Payload { bytes: longer.into(), ..body.clone() }).is_err());
        assert!(Pack::parse(&Payload::bytes(body.bytes)).is_err());
    }

    #[test]
    fn a_call_that_cannot_be_written_leaves_no_trace() {
        let mut builder = PackBuilder::default();
        builder.push_bytes(b"one");
        let failed = builder.push(|to| {
            to.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!((failed, builder.len(), builder.bytes()), (Err("no"), 1, 3));
    }
}
