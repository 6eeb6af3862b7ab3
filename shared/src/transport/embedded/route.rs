//! Topic routing: which queues an exchange gives a message to.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic exchange with its bindings.
#[derive(Debug, Default)]
pub(super) struct LiveExchange {
    pub(super) alternate: Option<String>,
    bindings: Vec<(String, Arc<str>)>,
}

impl LiveExchange {
    pub(super) fn new(alternate: Option<String>) -> Self {
        Self { alternate, bindings: Vec::new() }
    }

    /// Binding twice does nothing.
    pub(super) fn bind(&mut self, key: &str, queue: &Arc<str>) {
        if !self.bindings.iter().any(|(bound, to)| bound == key && to == queue) {
            self.bindings.push((key.to_owned(), queue.clone()));
        }
    }

    pub(super) fn unbind(&mut self, queue: &str) {
        self.bindings.retain(|(_, to)| &**to != queue);
    }

    /// Each queue once, even if several of its bindings match.
    fn route(&self, key: &str) -> Vec<Arc<str>> {
        let mut queues: Vec<Arc<str>> = Vec::new();
        for (pattern, queue) in &self.bindings {
            if !queues.contains(queue) && matches(pattern, key) {
                queues.push(queue.clone());
            }
        }
        queues
    }
}

/// The queues for a message, or those of the alternate exchange if there are none. `None` if the
/// exchange does not exist; an alternate that does not exist routes to no queue.
pub(super) fn route(exchanges: &BTreeMap<String, LiveExchange>, name: &str, key: &str) -> Option<Vec<Arc<str>>> {
    let mut exchange = exchanges.get(name)?;
    // Alternates may form a circle; a path without a circle visits each exchange at most once.
    for _ in 0..exchanges.len() {
        let queues = exchange.route(key);
        let alternate = exchange.alternate.as_ref().and_then(|alternate| exchanges.get(alternate));
        match alternate {
            Some(alternate) if queues.is_empty() => exchange = alternate,
            _ => return Some(queues),
        }
    }
    Some(Vec::new())
}

/// Whether a binding's key matches a routing key. Words are separated by dots; `*` matches one
/// word, `#` any number of words. An empty text has no words.
pub(super) fn matches(pattern: &str, key: &str) -> bool {
    let (mut pattern, mut key) = (words(pattern), words(key));
    // Where to continue after a mismatch: the pattern after the last `#`, and the words from which
    // that `#` takes one more. Only the last `#` matters, because an earlier `#` that takes more
    // would leave fewer words for the same rest.
    let mut retry = None;
    loop {
        let word = pattern.next();
        if word == Some("#") {
            retry = Some((pattern.clone(), key.clone()));
            continue;
        }
        let fits = match (word, key.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => true,
            (word, found) => word == found,
        };
        if fits {
            continue;
        }
        let Some((behind, mut from)) = retry else { return false };
        if from.next().is_none() {
            return false;
        }
        (pattern, key) = (behind.clone(), from.clone());
        retry = Some((behind, from));
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split('.').skip(usize::from(text.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_match_as_in_amqp() {
        let yes = [
            ("a.b", "a.b"),
            ("a.*", "a.b"),
            ("*.*.o", "digest.root.o"),
            ("#", ""),
            ("#", "a.b.c"),
            ("a.#", "a"),
            ("a.#.z", "a.z"),
            ("a.#.z", "a.b.z.z"),
            ("#.b.#", "a.b.c"),
            ("*.#", "a"),
            ("a.*.c", "a..c"),
            ("", ""),
        ];
        for (pattern, key) in yes {
            assert!(matches(pattern, key), "{pattern:?} takes {key:?}");
        }
        let no = [("a.b", "a.c"), ("a.*", "a"), ("a.*", "a.b.c"), ("*", ""), ("a", ""), ("#.b", "b.a"), ("a#", "ab")];
        for (pattern, key) in no {
            assert!(!matches(pattern, key), "{pattern:?} does not take {key:?}");
        }
    }

    /// The definition, written as simply as possible.
    fn defined(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern, key) {
            ([], []) => true,
            (["#", rest @ ..], _) => defined(rest, key) || matches!(key, [_, fewer @ ..] if defined(pattern, fewer)),
            (["*", rest @ ..], [_, fewer @ ..]) => defined(rest, fewer),
            ([word, rest @ ..], [found, fewer @ ..]) => word == found && defined(rest, fewer),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "#"]), 0..7),
            key in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..7),
        ) {
            prop_assert_eq!(matches(&pattern.join("."), &key.join(".")), defined(&pattern, &key));
        }
    }

    #[test]
    fn alternates_in_a_circle_route_to_nothing() {
        let mut exchanges = BTreeMap::new();
        for (name, alternate) in [("a", "b"), ("b", "a"), ("c", "gone")] {
            exchanges.insert(name.to_owned(), LiveExchange::new(Some(alternate.to_owned())));
        }
        assert_eq!(route(&exchanges, "a", "k"), Some(Vec::new()));
        assert_eq!(route(&exchanges, "c", "k"), Some(Vec::new()));
        assert_eq!(route(&exchanges, "d", "k"), None);
    }
}
