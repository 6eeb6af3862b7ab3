//! Which of the standard descriptors were closed when the process began.
//!
//! The standard library opens `/dev/null` in their place before `main`, so that no other file gets their
//! numbers. From then on a closed one cannot be told from one that a supervisor has sent to `/dev/null`,
//! read-write as well. So this looks before: the system calls what stands in that section of a program
//! before its `main`.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::io::{Errno, fcntl_getfd};

/// A bit for each of the descriptors 0, 1 and 2.
static CLOSED: AtomicU8 = AtomicU8::new(0);

const STANDARD: std::ops::Range<RawFd> = 0..3;

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static LOOK: extern "C" fn() = look;

/// Makes one system call for each, and nothing that needs the standard library at work.
extern "C" fn look() {
    for number in STANDARD {
        // SAFETY: the value does not outlive the call, and nothing but the kernel looks at the number.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl_getfd(descriptor) == Err(Errno::BADF) {
            CLOSED.fetch_or(1 << number, Ordering::Relaxed);
        }
    }
}

/// Whether it is a standard descriptor that was closed when the process began.
pub(super) fn was_closed(number: RawFd) -> bool {
    STANDARD.contains(&number) && CLOSED.load(Ordering::Relaxed) & (1 << number) != 0
}
