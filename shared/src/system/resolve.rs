//! Resolves links in a path whose file may not exist yet.

use std::fs;
use std::path::{Path, PathBuf};

/// Links to follow, at most: as many as the operating system follows.
const LINKS_MAX: usize = 40;

/// The file that opening or creating this path reaches. Links are followed, even one whose target
/// does not exist yet.
pub fn resolve(path: &Path) -> PathBuf {
    let path = links(path).last().unwrap_or_default();
    match (fs::canonicalize(directory_of(&path)), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path,
    }
}

/// The path itself, then the target of each link in turn. Only the last component is checked for a
/// link.
pub(crate) fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |path: &PathBuf| Some(directory_of(path).join(fs::read_link(path).ok()?));
    std::iter::successors(Some(path.to_owned()), next).take(LINKS_MAX + 1)
}

/// The directory that contains `path`.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_to_nothing_leads_where_a_file_would_be_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("d")).expect("made");
        for (target, link) in [("d/new", "one"), ("one", "two"), ("../two", "d/three"), ("self", "self")] {
            symlink(target, at(link)).expect("a link");
        }
        let new = fs::canonicalize(at("d")).expect("it is there").join("new");
        for name in ["d/new", "one", "two", "d/three", "d/../one"] {
            assert_eq!(resolve(&at(name)), new, "{name}");
        }
        fs::write(at("two"), "made").expect("written");
        assert!(new.exists());
        assert_eq!(resolve(&at("two")), new);
        assert_eq!(resolve(&at("self")).file_name(), at("self").file_name());
    }
}
