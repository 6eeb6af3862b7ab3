//! Files that the kernel makes up as they are read, such as those of `/proc` and `/sys`.
//!
//! What it says of them is made up as well: a size of nothing or of a whole page, and the time at which
//! someone first looked.

use std::fs::File;

/// The types of their file systems (`linux/magic.h`): proc, sysfs, cgroup, cgroup2, debugfs, tracefs,
/// securityfs, configfs.
#[cfg(target_os = "linux")]
const MADE_UP: [u64; 8] =
    [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x6265_6570];

/// Whether a file is one of them.
#[cfg(target_os = "linux")]
pub(super) fn is_made_up(file: &File) -> bool {
    let of = rustix::fs::fstatfs(file).map(|system| u64::try_from(system.f_type).unwrap_or(0));
    of.is_ok_and(|of| MADE_UP.contains(&of))
}

/// Elsewhere there are none.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_made_up(_file: &File) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_told_from_those_on_disks() {
        let is = |path: &str| is_made_up(&File::open(path).expect("it is there"));
        assert!(is("/proc/version") && is("/proc/sys/kernel/ostype") && is("/sys/devices/system/cpu/online"));
        assert!(!is_made_up(&tempfile::tempfile().expect("a file")) && !is("/dev/null"));
    }
}
