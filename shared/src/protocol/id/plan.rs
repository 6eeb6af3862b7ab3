//! The hash of a plan: each task's hash covers its content and the hash of the task before.

use sha1::{Digest as _, Sha1};

use super::{PlanHash, hex};

impl PlanHash {
    /// The hash of a plan without tasks, and of every task that follows from its job's spec alone.
    pub fn start() -> Self {
        Self("start".into())
    }

    /// The hash of a plan up to a task of which only these items (by number in the task) are asked
    /// for.
    pub fn rest(&self, items: &[u32]) -> Self {
        let items: Vec<String> = items.iter().map(u32::to_string).collect();
        self.then(&[b"rest", items.join(",").as_bytes()])
    }

    /// The hash of this plan with one more task, whose content is `parts`: SHA-1 of this hash and
    /// of the parts, joined by newlines. Speed matters: hashing is a hundredth of the work on small
    /// files.
    pub(crate) fn then(&self, parts: &[&[u8]]) -> Self {
        let mut hash = Sha1::new_with_prefix(self.as_str());
        for part in parts {
            hash.update("\n");
            hash.update(part);
        }
        Self(hex(&hash.finalize()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from `printf 'start\nphotos\napplication/json\n\n{}' | sha1sum`, and so on.
    #[test]
    fn another_language_comes_to_the_same_hash() {
        let one = PlanHash::start().then(&[b"photos", b"application/json", b"", b"{}"]);
        assert_eq!(one.as_str(), "382c52bf12759a4f4a15f1f6187e5b5eb06435ad");
        assert_eq!(one.rest(&[0, 7]).as_str(), "4f21cee372293bd5d5c4a8932b47d66077210d0b");
    }
}
