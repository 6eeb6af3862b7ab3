//! The names of a job's roots.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use shared::protocol::id::Class;
use shared::protocol::path::{PathBytes, to_base64};
use shared::protocol::workload::files::Root;

use super::InputError;

/// How roots get their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A number and the directory's path without links, with the class `local`. One process plans
    /// and works, so no user sees the name. The path distinguishes two directories that have the
    /// same relative path in different working directories.
    Local,
    /// The last component of the directory's path, unless the user wrote `NAME=PATH`. Consumers on
    /// several machines map the name to their own directories.
    Shared,
}

impl Naming {
    /// Splits `NAME=PATH` if this naming has such a form; otherwise the whole argument is the path.
    pub(super) fn split(self, argument: &OsStr) -> (Option<String>, OsString) {
        let whole = (None, argument.to_owned());
        let Some(equals) = argument.as_bytes().iter().position(|&b| b == b'=') else { return whole };
        let (name, path) = (&argument.as_bytes()[..equals], &argument.as_bytes()[equals + 1..]);
        // An argument that exists as a path is one, even if it contains '='. A user who means a
        // name can write NAME=./PATH.
        let is_name = !name.is_empty() && !name.contains(&b'/');
        if self == Self::Local || !is_name || Path::new(argument).symlink_metadata().is_ok() {
            return whole;
        }
        match std::str::from_utf8(name) {
            Ok(name) => (Some(name.to_owned()), OsString::from_vec(path.to_vec())),
            Err(_) => whole,
        }
    }

    /// The name of the root with `prefix`, which the user may have `given`.
    pub(super) fn name(self, prefix: &PathBytes, given: Option<String>, index: usize) -> Result<String, InputError> {
        match (self, given) {
            (Self::Local, _) => Ok(local_name(prefix, index)),
            (Self::Shared, Some(name)) => Ok(name),
            (Self::Shared, None) => last_component(prefix),
        }
    }

    pub(super) fn root(self, name: String, prefix: PathBytes) -> Root {
        let class = match self {
            Self::Local => Class::from_name(b"local"),
            Self::Shared => Root::class_of(&name),
        };
        Root { name, class, prefix }
    }
}

fn local_name(prefix: &PathBytes, index: usize) -> String {
    let spelt = Path::new(OsStr::from_bytes(directory(prefix)));
    let canonical = fs::canonicalize(spelt).unwrap_or_else(|_| spelt.to_owned());
    match canonical.to_str() {
        Some(text) => format!("{index} {text}"),
        None => format!("{index} base64 {}", to_base64(canonical.as_os_str().as_bytes())),
    }
}

fn last_component(prefix: &PathBytes) -> Result<String, InputError> {
    let path = directory(prefix);
    let last = path.rsplit(|&b| b == b'/').find(|part| !part.is_empty()).unwrap_or_default();
    if matches!(last, b"" | b"." | b"..") {
        return Err(InputError::Unnamed { path: PathBytes(path.to_vec()).display() });
    }
    String::from_utf8(last.to_vec()).map_err(|_| InputError::NameNotText { path: PathBytes(path.to_vec()).display() })
}

/// The directory that a prefix stands for.
pub(super) fn directory(prefix: &PathBytes) -> &[u8] {
    match prefix.as_bytes() {
        b"" => b".",
        b"/" => b"/",
        spelt => spelt.strip_suffix(b"/").unwrap_or(spelt),
    }
}
