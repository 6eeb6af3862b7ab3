//! The kinds of file systems: how reliable a file's stamp is, and how it must be read.

use std::collections::BTreeMap;
use std::fs::File;

use super::ReadError;
use super::stamp::{Device, Stamp};

/// The kind of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// The kernel makes the content up as it is read, as in `/proc` and `/sys`. The attributes are
    /// made up as well: a size of 0 or of a whole page, and the time of the first access.
    MadeUp,
    /// On a local disk or in memory: the kernel knows of every change.
    Local,
    /// Local, with times of even seconds.
    Fat,
    /// Local, with times in hundredths of a second.
    ExFat,
    /// Served by another machine or process, stacked on others, or unknown: NFS, SMB, FUSE. The
    /// kernel may report cached attributes.
    Elsewhere,
}

/// Types of file systems (`linux/magic.h`). Proc, sysfs, cgroup, cgroup2, debugfs, tracefs,
/// securityfs, configfs:
#[cfg(target_os = "linux")]
const MADE_UP: [u64; 8] =
    [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x6265_6570];

/// Ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, F2FS, ZFS, bcachefs, NTFS, JFS, ReiserFS, NILFS, UDF,
/// ISO 9660, HFS, HFS+, UBIFS, JFFS2, SquashFS, EROFS. A local file system that is missing here is
/// only read a little slower.
#[cfg(target_os = "linux")]
const LOCAL: [u64; 20] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x8584_58f6,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x7366_746e,
    0x3153_464a,
    0x5265_4973,
    0x3434,
    0x1501_3346,
    0x9660,
    0x4244,
    0x482b,
    0x2405_1905,
    0x72b6,
    0x7371_7368,
    0xe0f5_e1e2,
];

#[cfg(target_os = "linux")]
const FAT: u64 = 0x4d44;

#[cfg(target_os = "linux")]
const EXFAT: u64 = 0x2011_bab0;

impl System {
    #[cfg(target_os = "linux")]
    fn of(file: &File) -> Self {
        let found = rustix::fs::fstatfs(file).ok();
        Self::of_type(found.and_then(|found| u64::try_from(found.f_type).ok()).unwrap_or(0))
    }

    /// Other systems have only one way to read the attributes.
    #[cfg(not(target_os = "linux"))]
    fn of(_file: &File) -> Self {
        Self::Local
    }

    #[cfg(target_os = "linux")]
    fn of_type(number: u64) -> Self {
        match number {
            FAT => Self::Fat,
            EXFAT => Self::ExFat,
            _ if MADE_UP.contains(&number) => Self::MadeUp,
            _ if LOCAL.contains(&number) => Self::Local,
            _ => Self::Elsewhere,
        }
    }

    /// Whether the kernel may report outdated attributes.
    pub(super) fn may_be_stale(self) -> bool {
        self == Self::Elsewhere
    }
}

/// The file systems that a task has met. The kind of each is asked once.
#[derive(Debug, Default)]
pub(super) struct Systems {
    met: BTreeMap<Device, System>,
    last: Option<(Device, System)>,
}

impl Systems {
    /// The stamp of a regular file, and the kind of its file system. Consecutive files usually lie
    /// on the same one, so the stamp is first read in the way that fits the last, and read again if
    /// the kind differs.
    pub(super) fn look(&mut self, file: &File) -> Result<(System, Stamp), ReadError> {
        let asked = self.last.map_or(System::Local, |(_, system)| system);
        let (device, stamp) = Stamp::of(file, asked.may_be_stale())?;
        let system = match self.last {
            Some((last, system)) if last == device => system,
            _ => *self.met.entry(device).or_insert_with(|| System::of(file)),
        };
        self.last = Some((device, system));
        if system.may_be_stale() == asked.may_be_stale() {
            return Ok((system, stamp));
        }
        Ok((system, Stamp::of(file, system.may_be_stale())?.1))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn types_of_file_systems_are_told_apart() {
        for (number, system) in [
            (0x9fa0, System::MadeUp),
            (0xef53, System::Local),
            (0x9123_683e, System::Local),
            (0x4d44, System::Fat),
            (0x2011_bab0, System::ExFat),
            // NFS, CIFS, SMB 2, FUSE, 9P, Ceph, AFS, overlayfs, and an unknown one.
            (0x6969, System::Elsewhere),
            (0xff53_4d42, System::Elsewhere),
            (0xfe53_4d42, System::Elsewhere),
            (0x6573_5546, System::Elsewhere),
            (0x0102_1997, System::Elsewhere),
            (0x00c3_6400, System::Elsewhere),
            (0x5346_414f, System::Elsewhere),
            (0x794c_7630, System::Elsewhere),
            (0, System::Elsewhere),
        ] {
            assert_eq!(System::of_type(number), system, "{number:#x}");
        }
    }

    #[test]
    fn a_task_may_meet_several_file_systems() {
        let on_disk = tempfile::NamedTempFile::new().expect("a file");
        let mut systems = Systems::default();
        for _ in 0..2 {
            for path in ["/proc/version", "/proc/sys/kernel/ostype", "/sys/devices/system/cpu/online"] {
                let (system, _) = systems.look(&File::open(path).expect("it is there")).expect("a regular file");
                assert_eq!(system, System::MadeUp, "{path}");
            }
            let (system, stamp) = systems.look(on_disk.as_file()).expect("a regular file");
            assert_ne!(system, System::MadeUp);
            assert_eq!(stamp, Stamp::of(on_disk.as_file(), system.may_be_stale()).expect("a regular file").1);
        }
        assert!((2..=4).contains(&systems.met.len()), "{systems:?}");
        let refused = systems.look(&File::open("/dev/null").expect("it is there"));
        assert!(matches!(refused, Err(ReadError::NotThere(_))));
    }

    #[test]
    fn both_questions_have_the_same_answer() {
        let file = tempfile::tempfile().expect("a file");
        let [plain, forced] = [System::Local, System::Elsewhere].map(|system| Stamp::of(&file, system.may_be_stale()));
        assert_eq!(plain.expect("a regular file"), forced.expect("a regular file"));
    }
}
