//! Property of sealed messages: a message that was not sealed with the key does not open.

use crate::protocol::message::{Message, SEALED};
use crate::protocol::seal::Keyring;

use super::text;

/// The key of the fuzz targets. It protects nothing.
const KEY: &str = "known AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const ROUTING_KEY: &str = "digest.photos.main";

/// A message that is not sealed with `KEY` never opens. A sealed message opens unchanged, and
/// does not open with one bit changed. No key file makes its reader panic.
pub fn seal(input: &[u8]) {
    let keyring: Keyring = KEY.parse().expect("a key");
    let _ = String::from_utf8_lossy(input).parse::<Keyring>();
    let message = text::read(input);
    let forged = Message { content_type: SEALED.into(), ..message.clone() }.with_text("key", "known");
    for met in [forged, message.clone()] {
        let opened = keyring.open(ROUTING_KEY, met.clone());
        assert!(opened.untrusted.is_some(), "it opens: {met:?}");
        assert_eq!(Message { untrusted: None, ..Message::clone(&opened) }, met, "what does not open stays as it came");
    }
    if message.content_type == SEALED {
        return;
    }
    let sealed = keyring.seal(ROUTING_KEY, message.clone());
    let at = input.iter().fold(0_usize, |at, &byte| at.wrapping_mul(31).wrapping_add(byte.into())) % sealed.body.len();
    let mut body = sealed.body.to_vec();
    body[at] ^= 1 << (input.len() % 8);
    let changed = Message { body: body.into(), ..sealed.clone() };
    assert!(keyring.open(ROUTING_KEY, changed).untrusted.is_some(), "byte {at} was changed");
    assert!(keyring.open("digest.photos.other", sealed.clone()).untrusted.is_some(), "it came another way");
    assert_eq!(*keyring.open(ROUTING_KEY, sealed), message);
}
