//! A piece of a finished report, small enough for one message.

use std::path::Path;

use shared::id::JobId;
use shared::message::{ReportChunk, ReportPlace};
use shared::path::to_base64;

use super::render::{Format, Render, ReportError};

/// Bytes of text in one piece: its base64 stays well below a message's limit.
const CHUNK_BYTES: usize = 512 * 1024;

/// The text of the report of a finished job from `from` on.
pub fn chunk(store: &Path, job: &JobId, from: ReportPlace) -> Result<ReportChunk, ReportError> {
    let mut render = Render::new(store, job, Format::Text)?;
    render.seek(from.task);
    let (mut text, mut place) = (Vec::new(), from);
    while text.len() < CHUNK_BYTES {
        let Some(part) = render.section(&mut |_| {})? else {
            return Ok(ReportChunk { next: place, last: true, text_base64: to_base64(&text) });
        };
        let skip = usize::try_from(place.byte).unwrap_or(usize::MAX).min(part.len());
        let rest = &part[skip..];
        let room = CHUNK_BYTES - text.len();
        if rest.len() > room {
            text.extend_from_slice(&rest[..room]);
            place.byte += room as u64;
        } else {
            text.extend_from_slice(rest);
            place = ReportPlace { task: place.task + 1, byte: 0 };
        }
    }
    Ok(ReportChunk { next: place, last: false, text_base64: to_base64(&text) })
}
