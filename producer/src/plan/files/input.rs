//! From command-line arguments to a selection.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use shared::protocol::path::PathBytes;
use shared::protocol::workload::files::{Links, Selection, Start, printed};
use shared::system::beneath::os_text;

use super::naming::{Naming, directory};

/// Why arguments make no selection.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No arguments.
    #[error("nothing to do: name at least one file or directory")]
    Nothing,
    /// A path that cannot be looked at.
    #[error("{path}: {reason}")]
    Unreachable {
        /// The path, printable.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// A FIFO, a socket or a device.
    #[error("{path}: neither a file nor a directory")]
    Special {
        /// The path, printable.
        path: String,
    },
    /// A root whose path says no name.
    #[error("{path}: this path does not say what consumers call it; write NAME={path}")]
    Unnamed {
        /// The path, printable.
        path: String,
    },
    /// A root whose path ends in bytes that are no text.
    #[error("{path}: its last part is not UTF-8 and cannot be a name; write NAME=PATH")]
    NameNotText {
        /// The path, printable.
        path: String,
    },
    /// Two roots of one name.
    #[error("{first} and {second} would both be called {name:?}; give one another name with NAME=PATH")]
    SameName {
        /// The name.
        name: String,
        /// One root, printable.
        first: String,
        /// The other.
        second: String,
    },
}

/// A path that the user gave.
struct Given {
    name: Option<String>,
    /// Of its root: see [`shared::protocol::workload::files::Root::prefix`].
    prefix: PathBytes,
    /// The one file to take, or all of the root.
    file: Option<PathBytes>,
    /// Without links: what tells whether two paths are one, and one is inside another.
    canonical: PathBuf,
}

impl Given {
    fn look(name: Option<String>, path: &OsStr) -> Result<Self, InputError> {
        let printable = || match path.as_bytes() {
            b"" => "(an empty path)".to_owned(),
            bytes => PathBytes::from(bytes).display(),
        };
        let fail = |error: io::Error| InputError::Unreachable { path: printable(), reason: describe(path, &error) };
        // A path on the command line is followed when it is a link, whatever the job says about
        // the links that a walk comes upon.
        let metadata = fs::metadata(path).map_err(fail)?;
        let canonical = fs::canonicalize(path).map_err(fail)?;
        let spelt = path.as_bytes();
        let (prefix, file) = if metadata.is_dir() {
            let end = spelt.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
            ([&spelt[..end], b"/"].concat(), None)
        } else if metadata.is_file() {
            let (prefix, file) = spelt.split_at(spelt.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1));
            (prefix.to_vec(), Some(file.into()))
        } else {
            return Err(InputError::Special { path: printable() });
        };
        Ok(Self { name, prefix: PathBytes(prefix), file, canonical })
    }

    /// What its first line in the report begins with.
    fn printed(&self) -> PathBytes {
        let file = self.file.as_ref().map_or(&b""[..], PathBytes::as_bytes);
        printed([self.prefix.as_bytes(), file].concat())
    }
}

/// A selection of the files and directories at `paths`, and the local directories of its roots.
///
/// A directory is a root; a file belongs to the root of its parent directory as spelt, so that the
/// report's names are those that `find PATH -type f` prints. What is given twice, or inside
/// another given directory, is taken once. The report is in the byte order of names, except where
/// one path is spelt through `..` of another.
///
/// A path that is itself a link is followed. To digest a file so named, a consumer has to follow
/// the link too: where it leads outside the file's directory, its [`Files`] say
/// [`Links::FollowAnywhere`] whatever `links` says, and the consumer must allow that.
///
/// [`Files`]: shared::protocol::workload::files::Files
pub fn selection(paths: &[OsString], naming: Naming, links: Links) -> Result<(Selection, Vec<PathBuf>), InputError> {
    if paths.is_empty() {
        return Err(InputError::Nothing);
    }
    let look = |argument: &OsString| {
        let (name, path) = naming.split(argument);
        Given::look(name, &path)
    };
    let mut given = outermost(paths.iter().map(look).collect::<Result<_, _>>()?);
    given.sort_by_cached_key(|one| (one.printed(), one.name.clone()));
    let mut selection = Selection { links, roots: Vec::new(), starts: Vec::new(), strict_times: false };
    let mut dirs = Vec::new();
    // A shell expands one pattern to 100,000 files in as many directories: no search through roots.
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_prefix: BTreeMap<(PathBytes, Option<String>), usize> = BTreeMap::new();
    for Given { name, prefix, file, .. } in given {
        let key = (prefix, name);
        if let Some(&root) = by_prefix.get(&key) {
            selection.starts.push(Start { root, file });
            continue;
        }
        let (prefix, name) = key.clone();
        let next = selection.roots.len();
        let name = naming.name(&prefix, name, next)?;
        let root = *by_name.entry(name.clone()).or_insert(next);
        by_prefix.insert(key, root);
        selection.starts.push(Start { root, file });
        if root == next {
            dirs.push(Path::new(OsStr::from_bytes(directory(&prefix))).to_owned());
            selection.roots.push(naming.root(name, prefix));
        } else if selection.roots[root].prefix != prefix {
            let [first, second] =
                [&selection.roots[root].prefix, &prefix].map(|prefix| PathBytes::from(directory(prefix)).display());
            return Err(InputError::SameName { name, first, second });
        }
    }
    Ok((selection, dirs))
}

/// Without those that are given twice or lie inside another; of two spellings the first stays.
fn outermost(mut given: Vec<Given>) -> Vec<Given> {
    // A directory comes before what is inside it, and the sort is stable.
    given.sort_by(|a, b| a.canonical.cmp(&b.canonical));
    let mut kept: Vec<Given> = Vec::new();
    let mut tree: Option<PathBuf> = None;
    for one in given {
        let inside = tree.as_ref().is_some_and(|dir| one.canonical.starts_with(dir));
        if inside || kept.last().is_some_and(|last| last.canonical == one.canonical) {
            continue;
        }
        if one.file.is_none() {
            tree = Some(one.canonical.clone());
        }
        kept.push(one);
    }
    kept
}

fn describe(path: &OsStr, error: &io::Error) -> String {
    let dangling = error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_ok();
    if dangling { format!("{} (a dangling link)", os_text(error)) } else { os_text(error) }
}
