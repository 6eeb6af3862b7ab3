//! Turns command-line arguments into a selection.

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

/// Why command-line arguments are refused.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("nothing to do: name at least one file or directory")]
    Nothing,
    #[error("{path}: {reason}")]
    Unreachable { path: String, reason: String },
    /// A FIFO, a socket or a device.
    #[error("{path}: neither a file nor a directory")]
    Special { path: String },
    /// A path such as `/` or `..`, whose last component is no name for a root.
    #[error("{path}: this path has no last part that could name the root; write NAME={path}")]
    Unnamed { path: String },
    #[error("{path}: its last part is not UTF-8 and cannot name the root; write NAME=PATH")]
    NameNotText { path: String },
    #[error("{first} and {second} would both be called {name:?}; give one another name with NAME=PATH")]
    SameName { name: String, first: String, second: String },
}

/// A path that the user gave.
struct Given {
    name: Option<String>,
    /// Prefix of its root: see [`shared::protocol::workload::files::Root::prefix`].
    prefix: PathBytes,
    /// The one file of the root; `None` for the whole root.
    file: Option<PathBytes>,
    /// The path without links, to tell whether two paths are equal or one is inside the other.
    canonical: PathBuf,
}

impl Given {
    fn look(name: Option<String>, path: &OsStr) -> Result<Self, InputError> {
        let printable = || match path.as_bytes() {
            b"" => "(an empty path)".to_owned(),
            bytes => PathBytes::from(bytes).display(),
        };
        let fail = |error: io::Error| InputError::Unreachable { path: printable(), reason: describe(path, &error) };
        // A link on the command line is always followed: the job's rule for links applies only to
        // links found by a walk.
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

    /// The start of its first line in the report.
    fn printed(&self) -> PathBytes {
        let file = self.file.as_ref().map_or(&b""[..], PathBytes::as_bytes);
        printed([self.prefix.as_bytes(), file].concat())
    }
}

/// A selection of the files and directories at `paths`, and the local directories of its roots.
///
/// A directory is a root; a file belongs to the root of its parent directory as spelt, so that the
/// report's names are those that `find PATH -type f` prints. A path that is given twice, or lies
/// inside another given directory, is taken once. The report is in the byte order of names, except
/// where one path contains `..` that leads into another.
///
/// A path that is itself a link is followed, and a consumer must follow it too. If the link leads
/// outside the file's directory, the file's [`Files`] say [`Links::FollowAnywhere`] in spite of
/// `links`, and the consumer must allow that.
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
    // Maps, since a shell pattern may expand to 100,000 files in as many directories.
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

/// Removes paths that are given twice or lie inside another; of two spellings the first stays.
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
