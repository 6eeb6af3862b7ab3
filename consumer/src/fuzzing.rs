//! Properties that hold for any untrusted input. Tests call them with generated inputs, fuzz
//! targets (`fuzz/`) with inputs that they find.
//!
//! Each function panics when its property does not hold.

pub use crate::isolation::fuzzing::frame;
pub use crate::work::words_property as words;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Sequences of valid frames, some with one byte changed.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let head = prop::sample::select(vec![
            r#""Ready""#,
            r#"{"Piece":"application/json"}"#,
            r#"{"Failed":{"reason":"no memory"}}"#,
            r#"{"Rejected":{"Schema":{"version":2}}}"#,
            r#"{"Item":{"workload":"words","planned_at":null,"content_type":"text/plain"}}"#,
            r#"{"Site":{"roots":[["r",{"path_base64":"/w=="}]],"follow_outside":true}}"#,
        ]);
        let frame = (head, any::<Vec<u8>>()).prop_map(|(head, body)| {
            let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("it is short").to_le_bytes();
            [&length(head.as_bytes())[..], &length(&body), head.as_bytes(), &body].concat()
        });
        let change = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
        (prop::collection::vec(frame, 0..4), change).prop_map(|(frames, change)| {
            let mut bytes = frames.concat();
            if let (Some((at, byte)), false) = (change, bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
    }

    /// Texts with many separators, and bytes of any kind.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof!["[ab \t\n\u{a0}]{0,200}".prop_map(String::into_bytes), any::<Vec<u8>>()]
    }

    proptest! {
        #[test]
        fn frames_that_read_are_written_as_they_were(input in prop_oneof![frames(), any::<Vec<u8>>()]) {
            super::frame(&input);
        }

        #[test]
        fn parts_hold_each_word_of_a_file(input in texts()) {
            super::words(&input);
        }
    }
}
