//! Converts between a message's envelope and AMQP's basic properties.

use std::collections::BTreeMap;
use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::protocol::limits::HEADERS_BYTES_MAX;
use crate::protocol::message::{FIRST_DEATH_REASON, HeaderValue, Headers, Message};
use crate::transport::TransportError;

/// Delivery mode of a message that may be lost with a restart of the broker.
const TRANSIENT: u8 = 1;
/// Delivery mode of a message that survives a restart of the broker. Without this, a confirmed
/// message may be lost.
const PERSISTENT: u8 = 2;

/// Header in which quorum queues count returns of a message. Before RabbitMQ 4.3 every return
/// counts; from then on only those after a consumer's crash, a lost connection or a rejection.
const DELIVERY_COUNT: &str = "x-delivery-count";

pub(super) fn of_message(message: &Message) -> Result<BasicProperties, TransportError> {
    let bytes = message.headers_bytes();
    if bytes > HEADERS_BYTES_MAX {
        let cause = format!("its headers take {bytes} bytes, more than {HEADERS_BYTES_MAX}");
        return Err(TransportError::Other { action: "publishing a message".to_owned(), cause });
    }
    let mut headers = BTreeMap::new();
    for (name, value) in message.headers.iter() {
        let value = match value {
            HeaderValue::Text(text) => AMQPValue::LongString((&**text).into()),
            HeaderValue::Integer(integer) => AMQPValue::LongLongInt(*integer),
            HeaderValue::Bool(flag) => AMQPValue::Boolean(*flag),
        };
        headers.insert(short("a header's name", name)?, value);
    }
    let mut properties = BasicProperties::default()
        .with_delivery_mode(if message.is_transient { TRANSIENT } else { PERSISTENT })
        .with_timestamp(message.timestamp)
        .with_headers(FieldTable::from(headers));
    if !message.id.is_empty() {
        properties = properties.with_message_id(short("message_id", &message.id)?);
    }
    if !message.kind.is_empty() {
        properties = properties.with_type(short("type", &message.kind)?);
    }
    if !message.content_type.is_empty() {
        properties = properties.with_content_type(short("content_type", &message.content_type)?);
    }
    if !message.app_id.is_empty() {
        properties = properties.with_app_id(short("app_id", &message.app_id)?);
    }
    if let Some(correlation) = &message.correlation {
        properties = properties.with_correlation_id(short("correlation_id", correlation)?);
    }
    if let Some(reply_to) = &message.reply_to {
        properties = properties.with_reply_to(short("reply_to", reply_to)?);
    }
    Ok(properties)
}

/// Makes an AMQP short string of at most 255 bytes. The length is checked here, because the library
/// would panic.
pub(super) fn short(what: &str, text: &str) -> Result<ShortString, TransportError> {
    ShortString::try_new(text).map_err(|error| TransportError::Other {
        action: format!("putting {what} into a frame"),
        cause: error.to_string(),
    })
}

/// Reads the message of a delivery. Headers of types that Packhorse does not use are left out.
pub(super) fn to_message(properties: &BasicProperties, body: Vec<u8>) -> Message {
    let shared = |value: &Option<ShortString>| value.as_ref().map(|text| Arc::from(text.as_str()));
    let text = |value: &Option<ShortString>| value.as_ref().map(|text| text.to_string().into()).unwrap_or_default();
    let mut headers = Headers::default();
    if let Some(table) = properties.headers() {
        headers =
            table.into_iter().filter_map(|(name, value)| Some((name.to_string().into(), header(value)?))).collect();
        if !headers.contains_key(FIRST_DEATH_REASON)
            && let Some(reason) = first_death(table)
        {
            headers.insert(FIRST_DEATH_REASON.into(), reason);
        }
    }
    Message {
        id: shared(properties.message_id()).unwrap_or_default(),
        correlation: shared(properties.correlation_id()),
        kind: text(properties.kind()),
        content_type: text(properties.content_type()),
        timestamp: properties.timestamp().unwrap_or_default(),
        app_id: text(properties.app_id()),
        reply_to: shared(properties.reply_to()),
        headers,
        body: body.into(),
        is_transient: *properties.delivery_mode() == Some(TRANSIENT),
        untrusted: None,
    }
}

/// How often a delivery came back. Removes the counting header: it is about this queue only, and
/// must not travel on with the message, for example to the dead-letter queue.
pub(super) fn take_returns(message: &mut Message, redelivered: bool) -> u32 {
    let counted = match message.headers.remove(DELIVERY_COUNT) {
        Some(HeaderValue::Integer(count)) => u32::try_from(count).unwrap_or(0),
        _ => 0,
    };
    // Classic queues give only the flag. A count without the flag is not the broker's.
    if redelivered { counted.max(1) } else { 0 }
}

/// Accepts integers of every width, because clients differ in the width that they choose.
fn header(value: &AMQPValue) -> Option<HeaderValue> {
    Some(match value {
        AMQPValue::LongString(text) => HeaderValue::Text(std::str::from_utf8(text.as_bytes()).ok()?.into()),
        AMQPValue::ShortString(text) => HeaderValue::Text(text.as_str().into()),
        AMQPValue::Boolean(flag) => HeaderValue::Bool(*flag),
        AMQPValue::ShortShortInt(n) => HeaderValue::Integer((*n).into()),
        AMQPValue::ShortShortUInt(n) => HeaderValue::Integer((*n).into()),
        AMQPValue::ShortInt(n) => HeaderValue::Integer((*n).into()),
        AMQPValue::ShortUInt(n) => HeaderValue::Integer((*n).into()),
        AMQPValue::LongInt(n) => HeaderValue::Integer((*n).into()),
        AMQPValue::LongUInt(n) => HeaderValue::Integer((*n).into()),
        AMQPValue::LongLongInt(n) => HeaderValue::Integer(*n),
        AMQPValue::Timestamp(n) => HeaderValue::Integer(i64::try_from(*n).ok()?),
        _ => return None,
    })
}

/// `x-death` lists the deaths of a message, latest first.
fn first_death(table: &FieldTable) -> Option<HeaderValue> {
    let AMQPValue::FieldArray(deaths) = table.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(first) = deaths.as_slice().last()? else { return None };
    header(first.inner().get("reason")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::payload::Payload;
    use lapin::types::FieldArray;

    fn sample() -> Message {
        let mut message = Message::new("task", "j.1", Payload::json("{}"), std::time::SystemTime::UNIX_EPOCH);
        message.correlation = Some("j".into());
        message.reply_to = Some("reply.x".into());
        message.timestamp = 7;
        message.with_bool("redelivered", true).with_text("owner", "main").with_integer("attempt", -2)
    }

    #[test]
    fn an_envelope_comes_back_as_it_went_and_is_persistent() {
        let message = sample();
        let properties = of_message(&message).expect("fits");
        assert_eq!(properties.delivery_mode(), &Some(2));
        assert_eq!(to_message(&properties, message.body.to_vec()), message);
        let light = Message { is_transient: true, ..sample() };
        let properties = of_message(&light).expect("fits");
        assert_eq!(properties.delivery_mode(), &Some(1));
        assert_eq!(to_message(&properties, light.body.to_vec()), light);
        let empty = of_message(&Message::default()).expect("fits");
        assert_eq!(to_message(&empty, Vec::new()), Message::default());
    }

    #[test]
    fn what_does_not_fit_into_a_frame_is_an_error_and_no_panic() {
        let long = "x".repeat(256);
        let mut message = sample();
        message.id = long.as_str().into();
        assert!(of_message(&message).is_err());
        assert!(
            of_message(&Message { headers: Headers::from([(long.into(), HeaderValue::Integer(1))]), ..sample() })
                .is_err()
        );
        assert!(of_message(&sample().with_text("reason", "x".repeat(HEADERS_BYTES_MAX))).is_err());
    }

    #[test]
    fn the_count_of_deliveries_leaves_the_headers() {
        let counted = |redelivered| {
            let mut message = sample().with_integer(DELIVERY_COUNT, 2);
            let returns = take_returns(&mut message, redelivered);
            (returns, message == sample())
        };
        assert_eq!(counted(true), (2, true));
        assert_eq!(counted(false), (0, true));
        assert_eq!((take_returns(&mut sample(), true), take_returns(&mut sample(), false)), (1, 0));
    }

    #[test]
    fn foreign_headers_are_taken_where_they_can_be() {
        let death = |reason: &str| {
            AMQPValue::FieldTable(FieldTable::from(BTreeMap::from([(
                "reason".into(),
                AMQPValue::LongString(reason.into()),
            )])))
        };
        let mut table = FieldTable::default();
        table.insert("n".into(), AMQPValue::ShortInt(3));
        table.insert("half".into(), AMQPValue::Double(0.5));
        table.insert("raw".into(), AMQPValue::LongString(vec![0xff].into()));
        let deaths = FieldArray::from(vec![death("delivery_limit"), death("rejected")]);
        table.insert("x-death".into(), AMQPValue::FieldArray(deaths));
        let message = to_message(&BasicProperties::default().with_headers(table), Vec::new());
        assert_eq!(message.integer("n"), Some(3));
        assert_eq!(message.text(FIRST_DEATH_REASON), Some("rejected"));
        assert_eq!(message.headers.len(), 2);
    }
}
