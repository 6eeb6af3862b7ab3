//! The messages between parent and child. A frame is the length of its head, the length of its body
//! (each 32 bits, little-endian), the head in JSON, and the body as raw bytes.

use std::io::{self, ErrorKind, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::protocol::message::Failure;
use shared::protocol::path::PathBytes;
use shared::protocol::payload::ContentType;
use shared::protocol::reason::Reason;
use shared::protocol::workload::Workload;

use crate::work::Compare;

/// A frame's head, from parent to child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Always the first frame: the roots that the child may read, each with its name and path.
    Site { roots: Vec<(String, PathBytes)>, follow_outside: bool, compare: Compare },
    /// Do a task of one item; the frame's body is the task's body.
    Item { workload: Workload, planned_at: Option<i64>, content_type: ContentType },
}

/// A frame's head, from child to parent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Tell {
    /// The child is ready for items. If it dies before this, no item killed it.
    Ready,
    /// The frame's body is a piece of the answer.
    Piece(ContentType),
    /// The frame's body is the answer.
    Done(ContentType),
    /// The item's task was refused.
    Rejected(Reason),
    /// The item's task could not be done, and not because of the item.
    Failed(Failure),
    /// The same, and every attempt would fail in this way.
    Permanent(Failure),
}

/// Far above the size of every message. A larger frame was not written by this protocol.
const FRAME_BYTES_MAX: u32 = 64 * 1024 * 1024;

pub(super) fn write(out: &mut impl Write, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let length = |part: &[u8]| u32::try_from(part.len()).ok().filter(|&length| length <= FRAME_BYTES_MAX);
    let (Some(of_head), Some(of_body)) = (length(&head), length(body)) else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a frame would be larger than 64 MiB"));
    };
    out.write_all(&[&of_head.to_le_bytes(), &of_body.to_le_bytes(), &head[..], body].concat())?;
    out.flush()
}

/// Reads a frame; an end before its last byte is [`ErrorKind::UnexpectedEof`].
pub(super) fn read<H: DeserializeOwned>(input: &mut impl Read) -> io::Result<(H, Vec<u8>)> {
    let mut lengths = [0; 8];
    input.read_exact(&mut lengths)?;
    let [a, b, c, d, e, f, g, h] = lengths;
    let (of_head, of_body) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    if of_head > FRAME_BYTES_MAX || of_body > FRAME_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "the bytes received are not a frame"));
    }
    let mut head = vec![0; of_head as usize];
    input.read_exact(&mut head)?;
    let mut body = vec![0; of_body as usize];
    input.read_exact(&mut body)?;
    Ok((serde_json::from_slice(&head)?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tell: &Tell, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, tell, body).expect("a vector takes it");
        bytes
    }

    #[test]
    fn frames_come_back_one_after_the_other() {
        let refused = Tell::Rejected(Reason::NotServed { what: "root \"r\"".to_owned() });
        let bytes = [written(&refused, b""), written(&Tell::Piece(ContentType::BYTES), b"\0\xff")].concat();
        let mut input = &bytes[..];
        let (first, body): (Tell, _) = read(&mut input).expect("the first");
        assert!(matches!(first, Tell::Rejected(Reason::NotServed { what }) if what == "root \"r\"" && body.is_empty()));
        let (second, body): (Tell, _) = read(&mut input).expect("the second");
        assert!(matches!(second, Tell::Piece(of) if of == ContentType::BYTES) && body == b"\0\xff");
        assert_eq!(read::<Tell>(&mut input).expect_err("the end").kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_cut_or_no_frame_is_an_error() {
        let bytes = written(&Tell::Done(ContentType::BYTES), b"answer");
        for end in 0..bytes.len() {
            let error = read::<Tell>(&mut &bytes[..end]).expect_err("cut");
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end}");
        }
        assert_eq!(read::<Tell>(&mut &b"thread 'main' panicked"[..]).expect_err("text").kind(), ErrorKind::InvalidData);
        assert!(read::<Ask>(&mut &bytes[..]).is_err());
    }
}
