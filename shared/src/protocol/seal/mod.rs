//! Sealed messages: encrypted and authenticated from one role to the other. Neither the broker nor
//! anyone on the way can read or change them.
//!
//! The cipher is XChaCha20-Poly1305, with a key that all roles share. A sealed message shows in
//! clear only what routing needs; the rest is within its body. docs/PROTOCOL.md has the form, byte
//! by byte.
//!
//! # Invariants
//! - Every part of a message that a role acts on is within the seal or bound by it: headers, type,
//!   ids, `reply_to`, and the routing key that it was published under. Changing any of these breaks
//!   the seal, and so does giving the body to another message.
//! - Each seal has its own nonce of 24 random bytes, so that two seals practically never share one.
//! - A message that does not open stays as it came, with [`Message::untrusted`] set.
//!
//! A seal does not prevent a repeated message. Owners count each (job, task) only once.

mod keyring;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use serde::{Deserialize, Serialize};

pub use keyring::{BadKeys, Key, Keyring};

use crate::protocol::message::{HeaderValue, Headers, Message, SEALED};
use crate::protocol::reason::{SCHEMA, Untrusted};
use crate::system::random;

/// Prefix of the data that a seal is bound to, so that no other use of a key can pass for a seal.
const CONTEXT: &str = "packhorse seal 1";

const NONCE_BYTES: usize = 24;

/// Header with the id of the key that sealed a message.
const KEY: &str = "key";

/// Headers that a role without a key may add to a sealed message that it refuses: the reason, and
/// its host. They are for people.
const ADDED: [&str; 2] = ["reason", "host"];

/// Encrypted before the body.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inside {
    content_type: String,
    headers: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Integer(i64),
    Text(String),
}

impl Keyring {
    /// Seals a message for publishing under this routing key. Without keys the message goes in
    /// clear; an untrusted message goes on as it came.
    pub fn seal(&self, routing_key: &str, message: Message) -> Message {
        match self.first() {
            Some(key) if message.untrusted.is_none() => seal(key, routing_key, message, random::secret()),
            // The `untrusted` mark does not travel.
            _ => Message { untrusted: None, ..message },
        }
    }

    /// Opens a message that came with this routing key.
    pub fn open(&self, routing_key: &str, message: impl Into<Arc<Message>>) -> Arc<Message> {
        let message = message.into();
        let opened = if message.content_type == SEALED {
            self.find(&message).and_then(|key| open(key, routing_key, &message))
        } else if self.first().is_some() {
            Err(Untrusted::Clear)
        } else {
            return message;
        };
        match opened {
            Ok(opened) => Arc::new(opened),
            Err(fault) => Arc::new(Message { untrusted: Some(fault), ..Arc::unwrap_or_clone(message) }),
        }
    }

    fn find(&self, message: &Message) -> Result<&Key, Untrusted> {
        let id = message.text(KEY).unwrap_or_default();
        match (self.get(id), self.first()) {
            (Some(key), _) => Ok(key),
            (None, Some(_)) => Err(Untrusted::UnknownKey { key: id.to_owned() }),
            (None, None) => Err(Untrusted::NoKey { key: id.to_owned() }),
        }
    }
}

fn seal(key: &Key, routing_key: &str, message: Message, nonce: [u8; NONCE_BYTES]) -> Message {
    let bound = bound(key.id(), routing_key, &message);
    // Headers from the broker (`x-`) stay outside the seal, where the broker also updates them.
    let (outside, headers): (Vec<_>, Vec<_>) =
        message.headers.into_iter().partition(|(name, _)| name.starts_with("x-"));
    let headers = headers.into_iter().map(|(name, value)| (name.into_owned(), Value::from(value))).collect();
    let inside = Inside { content_type: message.content_type.into_owned(), headers };
    let inside = serde_json::to_vec(&inside).expect("its keys are texts");
    let length = u32::try_from(inside.len()).expect("headers fit into a frame");
    let mut text = Vec::with_capacity(4 + inside.len() + message.body.len() + 16);
    text.extend_from_slice(&length.to_be_bytes());
    text.extend_from_slice(&inside);
    text.extend_from_slice(&message.body);
    let cipher = XChaCha20Poly1305::new(key.secret().into());
    cipher.encrypt_in_place(&nonce.into(), &bound, &mut text).expect("far below the cipher's limit of 256 GiB");
    let sealed = Message { content_type: SEALED.into(), headers: outside.into_iter().collect(), ..message };
    Message { body: [&nonce[..], &text].concat().into(), ..sealed }
        .with_integer("schema", SCHEMA)
        .with_text(KEY, key.id())
}

fn open(key: &Key, routing_key: &str, message: &Message) -> Result<Message, Untrusted> {
    let (nonce, sealed) = message.body.split_first_chunk::<NONCE_BYTES>().ok_or(Untrusted::Broken)?;
    let mut text = sealed.to_vec();
    let cipher = XChaCha20Poly1305::new(key.secret().into());
    let bound = bound(key.id(), routing_key, message);
    cipher.decrypt_in_place(&(*nonce).into(), &bound, &mut text).map_err(|_| Untrusted::Broken)?;
    let (length, rest) = text.split_first_chunk::<4>().ok_or(Untrusted::Broken)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Untrusted::Broken)?;
    let inside: Inside =
        rest.get(..length).and_then(|inside| serde_json::from_slice(inside).ok()).ok_or(Untrusted::Broken)?;
    // Of one name the last counts: what was added outside after sealing only where the seal has nothing,
    // what is the broker's in any case. Collected, as a key holder may send any number of headers.
    let outside = |chosen: fn(&str) -> bool| {
        let outside = message.headers.iter().filter(move |(name, _)| chosen(name));
        outside.map(|(name, value)| (name.to_owned().into(), value.clone()))
    };
    let sealed = inside.headers.into_iter().map(|(name, value)| (name.into(), value.into()));
    let added = outside(|name| ADDED.contains(&name));
    let headers: Headers = added.chain(sealed).chain(outside(|name| name.starts_with("x-"))).collect();
    let body = bytes::Bytes::from(text).slice(4 + length..);
    Ok(Message { content_type: inside.content_type.into(), headers, body, ..message.clone() })
}

/// The data in clear that roles act on: each text preceded by its length.
fn bound(key: &str, routing_key: &str, message: &Message) -> Vec<u8> {
    let mut bound = Vec::new();
    for text in [
        CONTEXT,
        key,
        routing_key,
        &message.kind,
        &message.id,
        message.correlation.as_deref().unwrap_or_default(),
        message.reply_to.as_deref().unwrap_or_default(),
    ] {
        bound.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        bound.extend_from_slice(text.as_bytes());
    }
    bound
}

impl From<HeaderValue> for Value {
    fn from(value: HeaderValue) -> Self {
        match value {
            HeaderValue::Text(text) => Self::Text(text.to_string()),
            HeaderValue::Integer(integer) => Self::Integer(integer),
            HeaderValue::Bool(flag) => Self::Bool(flag),
        }
    }
}

impl From<Value> for HeaderValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.into()),
            Value::Integer(integer) => Self::Integer(integer),
            Value::Bool(flag) => Self::Bool(flag),
        }
    }
}
