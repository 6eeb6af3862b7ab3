//! What stands for a plan: a hash over each of its tasks and all before it.

use sha1::{Digest as _, Sha1};

use super::PlanHash;

impl PlanHash {
    /// Of a plan without tasks, and of every task that follows from its job's spec alone.
    pub fn start() -> Self {
        Self("start".to_owned())
    }

    /// Of a plan up to a task of which these items alone are asked for, by their numbers in it.
    pub fn rest(&self, items: &[u32]) -> Self {
        let items: Vec<String> = items.iter().map(u32::to_string).collect();
        self.then(&["rest", &items.join(",")])
    }

    /// Of the plan that goes on with a task whose content is `parts`: SHA-1 of the hash before it and of them, joined
    /// by newlines. Hashing a plan is a hundredth of the work on small files, so speed counts here.
    pub(crate) fn then(&self, parts: &[&str]) -> Self {
        let mut hash = Sha1::new_with_prefix(&self.0);
        for part in parts {
            hash.update("\n");
            hash.update(part);
        }
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf 'start\nphotos\n{}\n' | sha1sum`, and so on.
    #[test]
    fn another_language_comes_to_the_same_hash() {
        let one = PlanHash::start().then(&["photos", "{}", ""]);
        assert_eq!(one.as_str(), "d8b6c2b038d0004ed77031e5c742b2d35a50da4c");
        assert_eq!(one.rest(&[0, 7]).as_str(), "6dab1ac8621c4a4e5c78c8841824955514bb0523");
    }
}
