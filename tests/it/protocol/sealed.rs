//! The example of a sealed message: its nonce is random, so it cannot be compared.

use shared::protocol::message::Message;
use shared::protocol::path::{from_base64, to_base64};
use shared::protocol::seal::Keyring;
use shared::protocol::topology;

use super::{now, show, task_of_photos};

/// The sealed example on the page opens, with the key on the page, to the task on the page.
#[test]
fn the_sealed_example_opens() {
    let page = include_str!("../../../docs/PROTOCOL.md");
    let line = "example AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    assert!(page.contains(line));
    let keys: Keyring = line.parse().expect("a key");
    let plain = task_of_photos().to_message(now());
    let mut sealed = keys.seal("digest.photos.main", plain.clone());
    let made = to_base64(&sealed.body);
    let shown = |sealed: &Message| show(topology::TASKS, "digest.photos.main", sealed);
    sealed.body = bytes::Bytes::new();
    let envelope = shown(&sealed);
    let (_, rest) = page.split_once(&envelope).unwrap_or_else(|| panic!("docs/PROTOCOL.md lacks:\n\n{envelope}"));
    let body = rest.lines().next().expect("a body");
    sealed.body = from_base64(body).expect("base64").into();
    assert_eq!(*keys.open("digest.photos.main", sealed), plain, "docs/PROTOCOL.md lacks:\n\n{made}");
}
