//! The envelope: AMQP 0.9.1 basic properties, headers, body.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::headers::{HeaderValue, Headers, header_bytes};
use crate::protocol::id::InvalidId;
use crate::protocol::limits::{MESSAGE_BYTES_MAX, SEAL_BYTES_MAX};
use crate::protocol::payload::{ContentType, Payload};
use crate::protocol::reason::{Reason, SCHEMA, Untrusted, from_json};

/// The `content_type` of a sealed message.
pub const SEALED: &str = "application/vnd.packhorse.sealed";

/// One message as a transport carries it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// `message_id`: the task's id for tasks, outcomes and plans; otherwise a unique id from the
    /// sender.
    pub id: Arc<str>,
    /// `correlation_id`: the job's id, or the id of the request that a reply answers.
    pub correlation: Option<Arc<str>>,
    /// `type`: see [`super::kind`].
    pub kind: Cow<'static, str>,
    pub content_type: Cow<'static, str>,
    /// `timestamp`: seconds since 1970.
    pub timestamp: u64,
    /// `app_id`: the sender's program and version.
    pub app_id: Cow<'static, str>,
    /// `reply_to`: routing key on the control exchange for an answer.
    pub reply_to: Option<Arc<str>>,
    pub headers: Headers,
    pub body: Bytes,
    /// `delivery_mode` 1: a durable queue may keep the message in memory alone, and lose it when its
    /// node restarts. The owner's record makes up for it.
    pub is_transient: bool,
    /// Why the message must not be acted on, set by the role that opened it. An untrusted message
    /// is passed on only as it came. This field does not travel.
    pub untrusted: Option<Untrusted>,
}

impl Message {
    /// Makes a JSON message of this program and schema.
    ///
    /// # Panics
    /// Never for this crate's types: their JSON has text keys and finite numbers only.
    pub fn json<T: Serialize>(kind: &'static str, id: impl Into<Arc<str>>, body: &T, now: SystemTime) -> Self {
        Self::new(kind, id, Payload::of(body), now)
    }

    /// Makes a message of this program and schema with this body.
    pub fn new(kind: &'static str, id: impl Into<Arc<str>>, body: Payload, now: SystemTime) -> Self {
        let Payload { content_type, bytes: body } = body;
        Self {
            id: id.into(),
            kind: kind.into(),
            content_type: content_type.into(),
            timestamp: now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs(),
            app_id: concat!("packhorse/", env!("CARGO_PKG_VERSION")).into(),
            headers: Headers::from([("schema".into(), HeaderValue::Integer(SCHEMA))]),
            body,
            ..Self::default()
        }
    }

    pub fn with_text(mut self, name: &'static str, value: impl Into<Arc<str>>) -> Self {
        self.headers.insert(name.into(), HeaderValue::Text(value.into()));
        self
    }

    pub fn with_integer(mut self, name: &'static str, value: i64) -> Self {
        self.headers.insert(name.into(), HeaderValue::Integer(value));
        self
    }

    pub fn with_bool(mut self, name: &'static str, value: bool) -> Self {
        self.headers.insert(name.into(), HeaderValue::Bool(value));
        self
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.headers.get(name) {
            Some(HeaderValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text header that must be present.
    fn required(&self, name: &str) -> Result<&Arc<str>, Reason> {
        match self.headers.get(name) {
            Some(HeaderValue::Text(text)) => Ok(text),
            _ => Err(Reason::header(name, "it is missing or not text")),
        }
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.headers.get(name) {
            Some(HeaderValue::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    /// Bytes of all headers in a frame.
    pub(crate) fn headers_bytes(&self) -> usize {
        self.headers.iter().map(|(name, value)| header_bytes(name, value)).sum()
    }

    /// Bytes that the body may have on a transport, at most. Sealing may add to it.
    pub fn bytes_max(&self) -> usize {
        let seal = if self.content_type == SEALED { SEAL_BYTES_MAX } else { 0 };
        MESSAGE_BYTES_MAX + seal
    }

    /// Checks trust, size, schema and kind, in this order.
    pub fn expect(&self, kind: &str) -> Result<(), Reason> {
        if let Some(why) = &self.untrusted {
            return Err(Reason::Seal { why: why.clone() });
        }
        if self.body.len() > MESSAGE_BYTES_MAX {
            return Err(Reason::TooLarge { bytes: self.body.len() });
        }
        match self.integer("schema") {
            Some(SCHEMA) => {}
            Some(version) => return Err(Reason::Schema { version }),
            None => return Err(Reason::header("schema", "it is missing or not an integer")),
        }
        if self.kind != kind {
            return Err(Reason::Kind { kind: self.kind.clone().into_owned() });
        }
        Ok(())
    }

    /// Reads an integer header that must be present and not negative.
    pub(super) fn count<T: TryFrom<i64>>(&self, name: &str) -> Result<T, Reason> {
        let count = self.integer(name).and_then(|count| T::try_from(count).ok());
        count.ok_or_else(|| Reason::header(name, "it is missing or out of range"))
    }

    /// The body with its content type.
    pub fn payload(&self) -> Result<Payload, Reason> {
        let content_type = ContentType::of_property(&self.content_type);
        let content_type = content_type.map_err(|error| Reason::header("content_type", &error.to_string()))?;
        Ok(Payload { content_type, bytes: self.body.clone() })
    }

    /// Parses the body. The types themselves refuse unknown fields.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Reason> {
        from_json(&self.body)
    }

    /// Reads a header that must be present and an id.
    pub fn header_id<T>(&self, name: &str) -> Result<T, Reason>
    where
        T: for<'a> TryFrom<&'a Arc<str>, Error = InvalidId>,
    {
        T::try_from(self.required(name)?).map_err(|error| Reason::header(name, &error.to_string()))
    }

    /// Reads a text header that must be present and valid.
    pub fn header<T: std::str::FromStr>(&self, name: &str) -> Result<T, Reason>
    where
        T::Err: std::fmt::Display,
    {
        self.required(name)?.parse().map_err(|error: T::Err| Reason::header(name, &error.to_string()))
    }
}
