//! A piece of a finished report that fits into one message.

use std::path::Path;

use shared::protocol::id::{JobId, OpeningId};
use shared::protocol::message::{ReportChunk, ReportOf, ReportPlace};
use shared::protocol::path::to_base64;

use super::render::{Format, Render, ReportError};

/// Bytes of text in one piece. Encoded as base64 it stays well below a message's limit.
pub(crate) const CHUNK_BYTES: usize = 512 * 1024;

/// The smallest piece, for a broker with a low message limit. A broker with a lower limit than this
/// takes no tasks either.
pub(crate) const CHUNK_BYTES_MIN: usize = 4 * 1024;

/// Tasks that one piece covers at most. If each has little text, the piece is sent before the
/// caller's request times out.
const CHUNK_TASKS: u64 = 256;

/// The part of a finished job's report that begins at `from`, in at most `bytes` bytes.
pub(crate) fn chunk(
    store: &Path,
    job: &JobId,
    opening: &OpeningId,
    of: ReportOf,
    from: ReportPlace,
    bytes: usize,
) -> Result<ReportChunk, ReportError> {
    let format = match of {
        ReportOf::Results => Format::Text,
        ReportOf::Failures => Format::JsonFailures,
    };
    let mut render = Render::new(store, job, format)?;
    render.check_opening(opening)?;
    render.seek(from.task);
    let (mut text, mut place) = (Vec::new(), from);
    while text.len() < bytes && place.task - from.task < CHUNK_TASKS {
        let Some(part) = render.section(&mut |_| {})? else {
            return Ok(ReportChunk { next: place, last: true, text_base64: to_base64(&text) });
        };
        let skip = usize::try_from(place.byte).unwrap_or(usize::MAX).min(part.len());
        let rest = &part[skip..];
        let room = bytes - text.len();
        if rest.len() > room {
            text.extend_from_slice(&rest[..room]);
            place.byte += room as u64;
        } else {
            text.extend_from_slice(rest);
            place = ReportPlace { task: render.place(), byte: 0 };
        }
    }
    Ok(ReportChunk { next: place, last: false, text_base64: to_base64(&text) })
}
