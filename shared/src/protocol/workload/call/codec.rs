//! How the values of a worker become bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::payload::ContentType;

/// A value that cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

/// Writes and reads the values of a worker. Both sides must have the same one: its content type
/// travels with each pool, and consumers refuse a pool with another.
pub trait Codec: 'static {
    const CONTENT_TYPE: ContentType;

    /// Appends the value to `to`.
    fn write<T: Serialize>(value: &T, to: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads a value that takes all of `bytes`.
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError>;
}

/// MessagePack, with the names of fields. It keeps what JSON cannot write: bytes, 64-bit integers
/// of other languages, and floats that are not finite.
#[derive(Debug, Clone, Copy)]
pub struct MessagePack;

impl Codec for MessagePack {
    const CONTENT_TYPE: ContentType = ContentType::MESSAGE_PACK;

    fn write<T: Serialize>(value: &T, to: &mut Vec<u8>) -> Result<(), CodecError> {
        rmp_serde::encode::write_named(to, value).map_err(|error| CodecError(error.to_string()))
    }

    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        let mut reader = rmp_serde::Deserializer::new(bytes);
        let value = T::deserialize(&mut reader).map_err(|error| CodecError(error.to_string()))?;
        if reader.into_inner().is_empty() {
            Ok(value)
        } else {
            Err(CodecError("there are bytes after the value".into()))
        }
    }
}

/// JSON, which people and every language read. A float that is not finite is an error when it is
/// read, or `None` where the type allows that.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Codec for Json {
    const CONTENT_TYPE: ContentType = ContentType::JSON;

    fn write<T: Serialize>(value: &T, to: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(to, value).map_err(|error| CodecError(error.to_string()))
    }

    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(bytes).map_err(|error| CodecError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<C: Codec>(value: (u64, f64, String, Option<Vec<u8>>)) {
        let mut bytes = Vec::new();
        C::write(&value, &mut bytes).expect("it can be written");
        assert_eq!(C::read::<(u64, f64, String, Option<Vec<u8>>)>(&bytes).expect("it can be read"), value);
        bytes.push(b'1');
        assert!(C::read::<(u64, f64, String, Option<Vec<u8>>)>(&bytes).is_err());
    }

    #[test]
    fn values_come_back() {
        round_trip::<MessagePack>((u64::MAX, 0.1, "ä".to_owned(), Some(vec![0, 255])));
        round_trip::<Json>((u64::MAX, 0.1, "ä".to_owned(), None));
    }

    #[test]
    fn message_pack_keeps_floats_that_are_not_finite() {
        let mut bytes = Vec::new();
        MessagePack::write(&[f64::INFINITY, f64::NAN], &mut bytes).expect("it can be written");
        let [infinite, not_a_number] = MessagePack::read::<[f64; 2]>(&bytes).expect("it can be read");
        assert!(infinite == f64::INFINITY && not_a_number.is_nan());
    }
}
