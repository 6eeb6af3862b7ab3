//! A message as a text that a fuzzer can change piece by piece: a line for each property and
//! header, an empty line, the body.
//!
//! `id`, `correlation`, `type`, `content_type` and `reply_to` name properties. A header is `h NAME
//! VALUE`; the value is a number, `true`, `false`, or a text.

use bytes::Bytes;

use crate::protocol::message::{HeaderValue, Message};

/// Reads a message. Every input is a message: lines of another form are ignored.
pub(super) fn read(input: &[u8]) -> Message {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((input, &input[input.len()..]), |end| (&input[..end], &input[end + 2..]));
    let mut message = Message { body: Bytes::copy_from_slice(body), ..Message::default() };
    for line in head.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once(' ') else { continue };
        let value = value.to_owned();
        match name {
            "id" => message.id = value.into(),
            "correlation" => message.correlation = Some(value.into()),
            "type" => message.kind = value.into(),
            "content_type" => message.content_type = value.into(),
            "reply_to" => message.reply_to = Some(value.into()),
            "h" => {
                if let Some((name, value)) = value.split_once(' ') {
                    header(&mut message, name, value);
                }
            }
            _ => {}
        }
    }
    message
}

fn header(message: &mut Message, name: &str, value: &str) {
    let value = match (value.parse(), value.parse()) {
        (Ok(integer), _) => HeaderValue::Integer(integer),
        (_, Ok(flag)) => HeaderValue::Bool(flag),
        _ => HeaderValue::Text(value.into()),
    };
    message.headers.insert(name.to_owned().into(), value);
}

/// Writes a message, to make seeds from real messages.
#[cfg(test)]
pub(super) fn write(message: &Message) -> Vec<u8> {
    let mut text = format!("id {}\ntype {}\ncontent_type {}\n", message.id, message.kind, message.content_type);
    for (name, value) in [("correlation", &message.correlation), ("reply_to", &message.reply_to)] {
        text.extend(value.iter().flat_map(|value| [name, " ", value, "\n"]));
    }
    for (name, value) in message.headers.iter() {
        let value = match value {
            HeaderValue::Text(text) => text.to_string(),
            HeaderValue::Integer(integer) => integer.to_string(),
            HeaderValue::Bool(flag) => flag.to_string(),
        };
        text.push_str(&format!("h {name} {value}\n"));
    }
    [text.as_bytes(), b"\n", &message.body].concat()
}
