//! The identity of a directory.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

#[cfg(target_os = "linux")]
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, makedev, statx};
use rustix::fs::{Dev, Stat, fstat, stat};

/// Identifies a directory and the mount that it is on. Equal identities are certainly the same
/// directory only while one of the two is open: a later directory may get the same numbers, and
/// some file systems give a directory new numbers after they forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryIdentity {
    device: Dev,
    inode: u64,
    /// Mount id, if the system reports it (Linux 5.8). If the same directory is mounted twice, the
    /// two have different mounts beneath them.
    mount: Option<u64>,
}

impl DirectoryIdentity {
    /// The identity of an open directory.
    pub fn of(dir: impl AsFd) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(told) = told(statx(&dir, "", AtFlags::EMPTY_PATH, ASKED)) {
            return told;
        }
        Ok(Self::of_stat(&fstat(dir)?))
    }

    /// The identity of the directory that a path leads to now. Links are followed, and a directory
    /// that is mounted on demand gets mounted.
    pub fn at(path: &Path) -> io::Result<Self> {
        // The path ends in `.`, because a request for the directory itself would not trigger a
        // mount on demand.
        let path = path.join(".");
        #[cfg(target_os = "linux")]
        if let Some(told) = told(statx(CWD, &path, AtFlags::empty(), ASKED)) {
            return told;
        }
        Ok(Self::of_stat(&stat(&path)?))
    }

    fn of_stat(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino, mount: None }
    }
}

#[cfg(target_os = "linux")]
const ASKED: StatxFlags = StatxFlags::INO.union(StatxFlags::MNT_ID);

/// `None` if the system call is missing, or a sandbox does not know it.
#[cfg(target_os = "linux")]
fn told(answer: rustix::io::Result<Statx>) -> Option<io::Result<DirectoryIdentity>> {
    use rustix::io::Errno;

    Some(match answer {
        Err(Errno::NOSYS | Errno::PERM) => return None,
        Err(errno) => Err(errno.into()),
        Ok(found) => Ok(DirectoryIdentity {
            device: makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            mount: (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id),
        }),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_leads_to_the_directory_that_is_there_now() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for name in ["a", "b"] {
            fs::create_dir(at(name)).expect("made");
        }
        symlink("a", at("link")).expect("a link");
        let open = File::open(at("link")).expect("opened");
        let identity = DirectoryIdentity::of(&open).expect("it is open");
        let is_it = |name: &str| DirectoryIdentity::at(&at(name)).expect("it is there") == identity;
        assert!(is_it("a") && is_it("link") && !is_it("b"));
        fs::rename(at("a"), at("gone")).expect("renamed");
        assert!(DirectoryIdentity::at(&at("link")).is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
        fs::create_dir(at("a")).expect("made");
        assert!(!is_it("link") && is_it("gone"));
        fs::write(at("file"), "").expect("written");
        assert!(DirectoryIdentity::at(&at("file")).is_err());
    }
}
