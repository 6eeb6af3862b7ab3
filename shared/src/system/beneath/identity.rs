//! Which directory a path leads to.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

#[cfg(target_os = "linux")]
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, makedev, statx};
use rustix::fs::{Dev, Stat, fstat, stat};

/// Which directory something is, and on which mount. Two are surely one only while one of them is open: later
/// another may get the same numbers, and some file systems give a directory others when they forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryIdentity {
    device: Dev,
    inode: u64,
    /// Where the system tells it (Linux 5.8): the same directory mounted once more has other mounts in it.
    mount: Option<u64>,
}

impl DirectoryIdentity {
    /// Of an open directory.
    pub fn of(dir: impl AsFd) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(told) = told(statx(&dir, "", AtFlags::EMPTY_PATH, ASKED)) {
            return told;
        }
        Ok(Self::of_stat(&fstat(dir)?))
    }

    /// Of the directory that a path leads to now, links and all. One that is mounted when somebody asks for it
    /// is mounted.
    pub fn at(path: &Path) -> io::Result<Self> {
        // The question is for something in it: for the directory alone nothing would be mounted.
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

/// `None` where the call is missing, or a sandbox does not know it.
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
