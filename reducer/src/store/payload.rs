//! Payloads in the store: JSON as text, so that SQL and people can read it, and anything else as a
//! blob. The content type is in a column of its own.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};
use shared::protocol::payload::{ContentType, Payload};

/// The bytes of a payload, as a parameter of a statement.
pub(super) struct Content<'a>(pub &'a Payload);

impl ToSql for Content<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let Self(Payload { content_type, bytes }) = self;
        let is_text = *content_type == ContentType::JSON && std::str::from_utf8(bytes).is_ok();
        Ok(ToSqlOutput::Borrowed(if is_text { ValueRef::Text(bytes) } else { ValueRef::Blob(bytes) }))
    }
}

/// Reads a payload: its content in column `at`, its content type in the next one. `None` where
/// there is no content.
pub(super) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Payload>> {
    let bytes = match row.get_ref(at)? {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec().into(),
        other => return Err(rusqlite::Error::InvalidColumnType(at, "content".to_owned(), other.data_type())),
    };
    let text = row.get_ref(at + 1)?.as_str()?;
    let content_type: ContentType = text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at + 1, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Some(Payload { content_type, bytes }))
}

/// The same where there must be content.
pub(super) fn required(row: &Row<'_>, at: usize) -> rusqlite::Result<Payload> {
    let missing = || rusqlite::Error::InvalidColumnType(at, "content".to_owned(), rusqlite::types::Type::Null);
    read(row, at)?.ok_or_else(missing)
}
