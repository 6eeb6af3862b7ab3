//! The file system that a root lies on. When two consumers of one root give different answers, it
//! shows whether they serve different trees, or one of them has not mounted the root.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use shared::protocol::message::RootState;

/// The state of a path now; `None` where the system does not tell.
pub(super) fn look(name: &str, path: &Path) -> Option<RootState> {
    let path = fs::canonicalize(path).ok()?;
    let (system, source) = mounted(&fs::read("/proc/self/mountinfo").ok()?, path.as_os_str().as_bytes())?;
    let is_empty = fs::read_dir(&path).ok()?.next().is_none();
    Some(RootState { name: name.to_owned(), system, source, is_empty })
}

/// The type and the source of the file system that a path without links lies on, by
/// `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
fn mounted(table: &[u8], path: &[u8]) -> Option<(String, String)> {
    let mut found: Option<(usize, (String, String))> = None;
    for line in table.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let dash = fields.iter().position(|field| *field == b"-");
        let Some((point, rest)) = fields.get(4).zip(dash.and_then(|dash| fields.get(dash + 1..))) else { continue };
        let point = unescaped(point);
        // The last mount at one place hides the earlier ones.
        let is_deeper = found.as_ref().is_none_or(|(length, _)| point.len() >= *length);
        if let ([system, source, ..], true) = (rest, is_deeper && is_at_or_below(path, &point)) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(&unescaped(bytes)).into_owned();
            found = Some((point.len(), (text(system), text(source))));
        }
    }
    found.map(|(_, mount)| mount)
}

fn is_at_or_below(path: &[u8], point: &[u8]) -> bool {
    let rest = path.strip_prefix(point);
    point == b"/" || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Decodes octal escapes: mountinfo writes a space as `\040`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::with_capacity(field.len()), 0);
    while at < field.len() {
        let octal = field.get(at + 1..at + 4).filter(|_| field[at] == b'\\');
        let octal = octal.and_then(|octal| std::str::from_utf8(octal).ok());
        match octal.and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                at += 4;
            }
            None => {
                bytes.push(field[at]);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
        23 22 0:5 / /proc rw shared:2 - proc proc rw\n\
        41 22 0:40 / /mnt/photos rw shared:3 - nfs4 nas:/export/photos rw,vers=4.2\n\
        42 22 0:41 / /mnt/my\\040files rw - tmpfs none rw\n\
        43 41 0:42 / /mnt/photos rw - fuse.sshfs me@far:/photos rw\n\
        a line that is none\n";

    #[test]
    fn a_path_lies_on_what_is_mounted_deepest_and_last() {
        let of = |path: &str| mounted(TABLE, path.as_bytes()).map(|(system, source)| format!("{system} {source}"));
        assert_eq!(of("/srv").as_deref(), Some("ext4 /dev/vda1"));
        assert_eq!(of("/mnt/photos").as_deref(), Some("fuse.sshfs me@far:/photos"));
        assert_eq!(of("/mnt/photos/2020").as_deref(), Some("fuse.sshfs me@far:/photos"));
        assert_eq!(of("/mnt/photos2").as_deref(), Some("ext4 /dev/vda1"));
        assert_eq!(of("/mnt/my files/a").as_deref(), Some("tmpfs none"));
        assert_eq!(mounted(b"", b"/srv"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_looked_at_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = look("t", directory.path()).expect("Linux tells");
        assert!(state.is_empty && state.name == "t" && !state.system.is_empty(), "{state:?}");
        fs::write(directory.path().join("f"), "f").expect("written");
        assert!(!look("t", directory.path()).expect("Linux tells").is_empty);
        assert_eq!(look("t", &directory.path().join("none")), None);
    }
}
