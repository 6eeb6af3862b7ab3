//! The property of sums over the parts of outcomes.

use std::collections::BTreeMap;

use crate::report::sum_of;

/// Parts are either refused, or add up exactly to the sum of an independent reader. Returns the sum
/// if no part is refused.
pub fn parts(parts: &[&[u8]]) -> Option<BTreeMap<Vec<u8>, u64>> {
    let sum: Option<BTreeMap<Vec<u8>, u64>> = sum_of(parts).ok().map(|words| words.into_iter().collect());
    let mut exact = Some(BTreeMap::<Vec<u8>, u64>::new());
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            exact = exact.and_then(|mut exact| {
                let (count, word, behind) = line(rest)?;
                rest = behind;
                let entry = exact.entry(word.to_vec()).or_default();
                *entry = entry.checked_add(count)?;
                Some(exact)
            });
            if exact.is_none() {
                break;
            }
        }
    }
    assert_eq!(sum, exact);
    sum
}

/// Parses one line: its count, its word, and the text after the line.
fn line(text: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let mut count = 0_u64;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => count = count.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b'\t' if at > 0 && count <= 281_474_976_710_656 => {
                let end = at + text[at..].iter().position(|&byte| byte == b'\n')?;
                return Some((count, &text[at + 1..end], &text[end + 1..]));
            }
            _ => return None,
        }
    }
    None
}
