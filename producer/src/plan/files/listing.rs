//! One directory, sorted so that a depth-first walk meets its files in the byte order of paths.

use std::cmp::Ordering;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, FileType, statat};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// A link that is not followed.
    Symlink,
    /// A link to be followed that leads nowhere, or an entry that cannot be examined.
    Broken,
    Fifo,
    Socket,
    Device,
}

impl Kind {
    pub(super) fn of(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            _ => Self::Device,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The kind of the entry, or of the target if it is a link that was followed.
    pub kind: Kind,
    /// Whether the entry is a link that was followed.
    pub linked: bool,
}

#[derive(Debug)]
struct Slot {
    start: usize,
    len: u32,
    entry: Entry,
}

/// The entries of one directory that are still to be visited. Each costs the bytes of its name and
/// 16 more.
#[derive(Debug, Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    slots: Vec<Slot>,
    next: usize,
}

impl Listing {
    /// Lists a directory. If an error ends the reading, the entries read so far are returned with
    /// it.
    pub(super) fn read(dir: BorrowedFd<'_>, follow: bool) -> (Self, Option<io::Error>) {
        let mut listing = Self::default();
        let error = listing.fill(dir, follow).err();
        let names = &listing.names;
        let key = |slot: &Slot| (&names[slot.start..][..slot.len as usize], slot.entry.kind == Kind::Directory);
        listing.slots.sort_unstable_by(|a, b| compare(key(a), key(b)));
        (listing, error)
    }

    fn fill(&mut self, dir: BorrowedFd<'_>, follow: bool) -> io::Result<()> {
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let len = u32::try_from(name.len()).expect("no file system has names of 4 GiB");
            let seen = look(dir, entry.file_name(), entry.file_type(), follow);
            self.slots.push(Slot { start: self.names.len(), len, entry: seen });
            self.names.extend_from_slice(name);
        }
        Ok(())
    }

    /// The next entry and its name.
    pub(super) fn next(&mut self) -> Option<(Entry, &OsStr)> {
        let slot = self.slots.get(self.next)?;
        self.next += 1;
        Some((slot.entry, OsStr::from_bytes(&self.names[slot.start..][..slot.len as usize])))
    }
}

/// Compares in byte order, a directory as its name with a slash.
fn compare((a, a_is_dir): (&[u8], bool), (b, b_is_dir): (&[u8], bool)) -> Ordering {
    let common = a.len().min(b.len());
    a[..common].cmp(&b[..common]).then_with(|| {
        let slash = |is_dir: bool| is_dir.then_some(&b'/');
        a[common..].iter().chain(slash(a_is_dir)).cmp(b[common..].iter().chain(slash(b_is_dir)))
    })
}

fn look(dir: BorrowedFd<'_>, name: &CStr, file_type: FileType, follow: bool) -> Entry {
    let ask =
        |flags| statat(dir, name, flags).map_or(Kind::Broken, |stat| Kind::of(FileType::from_raw_mode(stat.st_mode)));
    // Some file systems do not report the type with the name.
    let kind = if file_type == FileType::Unknown { ask(AtFlags::SYMLINK_NOFOLLOW) } else { Kind::of(file_type) };
    if kind != Kind::Symlink || !follow {
        return Entry { kind, linked: false };
    }
    // The target decides the link's place in the order: the files of a directory are `link/...`.
    Entry { kind: ask(AtFlags::empty()), linked: true }
}
