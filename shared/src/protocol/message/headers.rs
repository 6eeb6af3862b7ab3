//! The headers of a message.

use std::borrow::Cow;
use std::sync::Arc;

/// A header's value: one of the three AMQP table types that Packhorse uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// `longstr`
    Text(Arc<str>),
    /// `long-long-int`
    Integer(i64),
    /// `boolean`
    Bool(bool),
}

/// A header: its name and its value.
pub type Header = (Cow<'static, str>, HeaderValue);

/// A task or an outcome has about so many headers.
const USUAL: usize = 12;

/// Headers in the order of their names, each once. A message has few of them and is made and read very
/// often, so this is a list: a tree would take several allocations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<Header>);

impl Headers {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(key, _)| (**key).cmp(name))
    }

    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.find(name).ok().map(|place| &self.0[place].1)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Sets a header. To make many, collect them.
    pub fn insert(&mut self, name: Cow<'static, str>, value: HeaderValue) {
        match self.find(&name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => {
                if self.0.capacity() == 0 {
                    self.0.reserve_exact(USUAL);
                }
                self.0.insert(place, (name, value));
            }
        }
    }

    /// Sets a header unless there is one of this name.
    pub fn insert_new(&mut self, name: &'static str, value: impl FnOnce() -> HeaderValue) {
        if !self.contains_key(name) {
            self.insert(name.into(), value());
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<HeaderValue> {
        self.find(name).ok().map(|place| self.0.remove(place).1)
    }

    pub fn retain(&mut self, mut keeps: impl FnMut(&str, &HeaderValue) -> bool) {
        self.0.retain(|(name, value)| keeps(name, value));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Header> for Headers {
    /// If a name comes twice, the last one counts.
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        let mut list: Vec<_> = headers.into_iter().collect();
        list.reverse();
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        list.dedup_by(|(later, _), (kept, _)| later == kept);
        Self(list)
    }
}

impl<const N: usize> From<[Header; N]> for Headers {
    fn from(headers: [Header; N]) -> Self {
        headers.into_iter().collect()
    }
}

impl IntoIterator for Headers {
    type Item = Header;
    type IntoIter = std::vec::IntoIter<Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Bytes of a header in a frame: its name, its value, and their lengths and type.
pub(crate) fn header_bytes(name: &str, value: &HeaderValue) -> usize {
    let value = match value {
        HeaderValue::Text(text) => text.len(),
        HeaderValue::Integer(_) => size_of::<i64>(),
        HeaderValue::Bool(_) => 1,
    };
    name.len() + value + 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &Headers) -> Vec<(&str, i64)> {
        let integer = |(name, value)| match value {
            &HeaderValue::Integer(value) => (name, value),
            _ => panic!("{name} is an integer"),
        };
        headers.iter().map(integer).collect()
    }

    #[test]
    fn a_name_has_one_value_the_last() {
        let header = |name: &'static str, value| (Cow::from(name), HeaderValue::Integer(value));
        let collected = Headers::from([header("b", 1), header("a", 2), header("b", 3), header("a", 4)]);
        let mut inserted = Headers::default();
        for (name, value) in [("b", 1), ("a", 2), ("b", 3), ("a", 4)] {
            inserted.insert(name.into(), HeaderValue::Integer(value));
        }
        assert_eq!(names(&collected), [("a", 4), ("b", 3)]);
        assert_eq!(collected, inserted);
        assert_eq!(inserted.remove("a"), Some(HeaderValue::Integer(4)));
        assert_eq!(inserted.remove("c"), None);
        assert_eq!((inserted.get("a"), inserted.len()), (None, 1));
    }
}
