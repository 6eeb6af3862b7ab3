//! The property of frames that fuzz targets and tests check.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{self, Ask, Tell};

/// Reading arbitrary bytes from the pipe never panics. A frame that is read lies within the input,
/// and writing it and reading it again yields the same head and body.
pub fn frame(input: &[u8]) {
    each::<Tell>(input);
    each::<Ask>(input);
}

fn each<H: Serialize + DeserializeOwned>(input: &[u8]) {
    let mut rest = input;
    loop {
        let before = rest.len();
        let Ok((head, body)) = frame::read::<H>(&mut rest) else { break };
        assert!(before - rest.len() >= 8 + body.len(), "a body of bytes that did not come");
        let mut bytes = Vec::new();
        frame::write(&mut bytes, &head, &body).expect("what was read can be written");
        let mut again = &bytes[..];
        let (read, same): (H, _) = frame::read(&mut again).expect("what was written reads");
        let text = |head: &H| serde_json::to_string(head).expect("it has text keys");
        assert!(again.is_empty() && same == body && text(&read) == text(&head));
    }
}
