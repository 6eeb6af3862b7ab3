//! Names in JSON, against an independent decoder.

use serde_json::Value;

use crate::protocol::id::{JobId, encode};
use crate::protocol::path::PathBytes;

/// Every name is unchanged by writing and reading its JSON, also with an independent decoder. The
/// form for people is one line. Any JSON that reads as a name is written as the same name. Every
/// name makes an id.
pub fn names(input: &[u8]) {
    let name = PathBytes(input.to_vec());
    let json = serde_json::to_vec(&name).expect("a name is JSON");
    assert_eq!(serde_json::from_slice::<PathBytes>(&json).expect("it reads"), name);
    let value: Value = serde_json::from_slice(&json).expect("it is JSON");
    let bytes = match (value["path"].as_str(), value["path_base64"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(text)) => decoded(text.as_bytes()),
        other => panic!("one key is there, not {other:?}"),
    };
    assert_eq!(bytes, input);
    assert_eq!(value["path"].is_string(), std::str::from_utf8(input).is_ok(), "UTF-8 stays readable");
    assert!(!name.display().chars().any(char::is_control));
    if let Ok(read) = serde_json::from_slice::<PathBytes>(input) {
        let again = serde_json::to_vec(&read).expect("a name is JSON");
        assert_eq!(serde_json::from_slice::<PathBytes>(&again).expect("it reads"), read);
    }
    encode(input).parse::<JobId>().expect("every name makes an id");
}

/// Decodes base64 with padding (RFC 4648, section 4), six bits at a time.
fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for &letter in text.iter().take_while(|&&letter| letter != b'=') {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("{letter:?} is not of the alphabet"),
        };
        (bits, held) = ((bits << 6) | u32::from(six), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    assert!(text.len().is_multiple_of(4) && bits == 0, "padded, and nothing is left over");
    bytes
}
