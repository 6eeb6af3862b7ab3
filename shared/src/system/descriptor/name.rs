//! Which paths name a descriptor rather than a file.

use std::fs;
use std::path::Path;

use crate::system::resolve::{directory_of, links};

/// Directories in which the system shows this process's open descriptors. The first two exist on
/// systems without `/proc` as well.
const OWN: [&str; 3] = ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];

/// The number of the descriptor of this process that a path names: `/dev/stdout`, `/dev/fd/3`,
/// `/proc/self/fd/3` and links to them. Opening such a path would open the file again and write
/// from its beginning, so users mean writing to the descriptor itself.
pub fn number_of(path: &Path) -> Option<u32> {
    links(path).find_map(|path| match path.to_str() {
        Some("/dev/stdin") => Some(0),
        Some("/dev/stdout") => Some(1),
        Some("/dev/stderr") => Some(2),
        _ => number_in(&path).filter(|_| is_own(directory_of(&path))),
    })
}

/// Whether a path names a descriptor of another process, such as `/proc/1/fd/1`. The file behind it
/// must not be replaced: it may have no name any more, and the other process continues to write to
/// it.
pub fn is_descriptor_of_another(path: &Path) -> bool {
    links(path).any(|path| {
        let directory = fs::canonicalize(directory_of(&path));
        number_in(&path).is_some() && directory.is_ok_and(|directory| is_of_a_process(&directory))
    }) && number_of(path).is_none()
}

fn number_in(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    is_plain.then(|| name.parse().ok()).flatten()
}

fn is_own(directory: &Path) -> bool {
    OWN.iter().any(|own| directory == Path::new(own)) || is_own_by_number(directory).unwrap_or(false)
}

/// Whether the path names this process or one of its threads by number.
fn is_own_by_number(directory: &Path) -> Option<bool> {
    let (directory, own) = (fs::canonicalize(directory).ok()?, fs::canonicalize("/proc/self").ok()?);
    Some(directory.starts_with(own) && is_of_a_process(&directory))
}

/// Whether this is `/proc/PID/fd` or `/proc/PID/task/TID/fd`, without links.
fn is_of_a_process(directory: &Path) -> bool {
    let Ok(rest) = directory.strip_prefix("/proc") else { return false };
    let parts: Vec<_> = rest.iter().filter_map(|part| part.to_str()).collect();
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    match parts[..] {
        [process, "fd"] => is_number(process),
        [process, "task", thread, "fd"] => is_number(process) && is_number(thread),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn names_of_descriptors_are_told_from_names_of_files() {
        let of = |path: &str| number_of(Path::new(path));
        assert_eq!((of("/dev/stdin"), of("/dev/stdout"), of("/dev/stderr")), (Some(0), Some(1), Some(2)));
        let process = std::process::id();
        for own in [
            "/dev/fd/3".to_owned(),
            "/proc/self/fd/3".to_owned(),
            "/proc/self/../self/fd/3".to_owned(),
            "//dev/../dev/fd/3".to_owned(),
            format!("/proc/{process}/fd/3"),
            format!("/proc/{process}/task/{process}/fd/3"),
        ] {
            assert_eq!(of(&own), Some(3), "{own}");
            assert!(!is_descriptor_of_another(Path::new(&own)), "{own}");
        }
        for other in ["", "-", "1", "stdout", "/dev/null", "/dev/fd", "/dev/fd/x", "/dev/fd/01", "/dev/fd/+1"] {
            assert_eq!(of(other), None, "{other}");
            assert!(!is_descriptor_of_another(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn links_to_them_are_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for (target, link) in [("/dev/stdout", "one"), ("one", "two"), ("/dev/fd", "all"), ("self", "self")] {
            symlink(target, at(link)).expect("a link");
        }
        assert_eq!((number_of(&at("one")), number_of(&at("two"))), (Some(1), Some(1)));
        assert_eq!((number_of(&at("all/7")), number_of(&at("self"))), (Some(7), None));
        assert_eq!(number_of(&at("none")), None);
    }

    #[test]
    fn a_descriptor_of_another_process_is_told() {
        let parent = std::os::unix::process::parent_id();
        let path = PathBuf::from(format!("/proc/{parent}/fd/1"));
        assert!(is_descriptor_of_another(&path));
        assert_eq!(number_of(&path), None);
    }
}
