//! One file of a task: its path, its size and its times.
//!
//! In JSON an item is an array, because a plan may have 100 million of them: an array is a third
//! shorter than an object and is parsed in half the time.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::path::PathBytes;

/// A file's last write and last change of any kind, in nanoseconds since 1970 (UTC). Times before
/// 1678 or after 2261 do not fit and become the nearest that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// `st_mtime`: any user may set it to any time.
    pub modified: i64,
    /// `st_ctime`: only the file system sets it.
    pub changed: i64,
}

impl Times {
    /// Takes pairs of seconds and nanoseconds.
    pub fn new(modified: (i64, i64), changed: (i64, i64)) -> Self {
        let nanos = |(seconds, nanos): (i64, i64)| {
            let nearest = if seconds < 0 { i64::MIN } else { i64::MAX };
            i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).unwrap_or(nearest)
        };
        Self { modified: nanos(modified), changed: nanos(changed) }
    }
}

/// One file to read. In JSON it is `[PATH, SIZE, MTIME, CTIME]`. CTIME is left out if it equals
/// MTIME, and both if no times are known. PATH is a string, or an object with `path_base64` if it
/// is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Relative to the root, without empty, `.` or `..` components.
    pub path: PathBytes,
    /// Size at planning, in bytes.
    pub size: u64,
    /// Times at planning, if the planner records them.
    pub times: Option<Times>,
}

impl Item {
    /// Whether both are the same file with the same content, as far as size and times show. Always
    /// false without times.
    pub fn is_unchanged(&self, other: &Self) -> bool {
        self.times.is_some() && self == other
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        match std::str::from_utf8(self.path.as_bytes()) {
            Ok(text) => array.serialize_element(text)?,
            Err(_) => array.serialize_element(&self.path)?,
        }
        array.serialize_element(&self.size)?;
        if let Some(Times { modified, changed }) = &self.times {
            array.serialize_element(modified)?;
            if changed != modified {
                array.serialize_element(changed)?;
            }
        }
        array.end()
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[PATH, SIZE], [PATH, SIZE, MTIME] or [PATH, SIZE, MTIME, CTIME]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Item, A::Error> {
        let Some(Path(path)) = array.next_element()? else { return Err(de::Error::invalid_length(0, &self)) };
        let Some(size) = array.next_element()? else { return Err(de::Error::invalid_length(1, &self)) };
        let mut times = None;
        if let Some(modified) = array.next_element()? {
            let changed = array.next_element()?.unwrap_or(modified);
            times = Some(Times { modified, changed });
            if array.next_element::<IgnoredAny>()?.is_some() {
                return Err(de::Error::invalid_length(5, &self));
            }
        }
        Ok(Item { path, size, times })
    }
}

/// A path that is a string in JSON if it is UTF-8.
struct Path(PathBytes);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PathVisitor)
    }
}

struct PathVisitor;

impl<'de> Visitor<'de> for PathVisitor {
    type Value = Path;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path: a string, or an object with path_base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Path, E> {
        Ok(Path(text.as_bytes().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Path, A::Error> {
        PathBytes::deserialize(MapAccessDeserializer::new(object)).map(Path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(path: &[u8], times: Option<(i64, i64)>) -> Item {
        let times = times.map(|(modified, changed)| Times { modified, changed });
        Item { path: path.into(), size: 7, times }
    }

    #[test]
    fn what_is_the_same_or_is_not_known_is_left_out() {
        for (item, text) in [
            (item(b"a/b", None), r#"["a/b",7]"#),
            (item(b"a", Some((-5, -5))), r#"["a",7,-5]"#),
            (item(b"\xff", Some((5, 6))), r#"[{"path_base64":"/w=="},7,5,6]"#),
        ] {
            assert_eq!(serde_json::to_string(&item).expect("JSON"), text);
            assert_eq!(serde_json::from_str::<Item>(text).expect(text), item);
        }
    }

    #[test]
    fn times_that_do_not_fit_become_the_nearest_that_do() {
        let of = |seconds, nanos| Times::new((seconds, nanos), (0, 0)).modified;
        assert_eq!((of(1, 5), of(-1, 500_000_000)), (1_000_000_005, -500_000_000));
        // The second holds both the earliest time that fits and ones that do not.
        assert_eq!((of(-9_223_372_037, 145_224_192), of(-9_223_372_037, 145_224_191)), (i64::MIN, i64::MIN));
        assert_eq!(of(-9_223_372_037, 145_224_193), i64::MIN + 1);
        assert_eq!((of(-11_676_096_000, 500_000_000), of(i64::MIN, 999_999_999)), (i64::MIN, i64::MIN));
        assert_eq!((of(9_223_372_037, 0), of(i64::MAX, 0)), (i64::MAX, i64::MAX));
    }

    #[test]
    fn an_item_of_another_form_is_refused() {
        for bad in [
            "[]",
            r#"["a"]"#,
            r#"["a",-1]"#,
            r#"["a",1,2,3,4]"#,
            r#"["a",1,null]"#,
            r#"["a",1,9223372036854775808]"#,
            r#"[1,1]"#,
            r#"[{},1]"#,
            r#"{"path":"a","size":1}"#,
        ] {
            assert!(serde_json::from_str::<Item>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_item_round_trips(
            path in proptest::collection::vec(any::<u8>(), 0..40),
            times in any::<Option<(i64, i64)>>(),
        ) {
            let item = item(&path, times);
            let json = serde_json::to_vec(&item).expect("JSON");
            prop_assert_eq!(serde_json::from_slice::<Item>(&json).expect("JSON"), item);
        }
    }
}
