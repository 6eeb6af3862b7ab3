//! Which of the standard descriptors were closed when the process began.
//!
//! Before `main` the standard library opens `/dev/null` in place of closed ones, so that no other
//! file gets their numbers. After that, a closed descriptor looks the same as one that a supervisor
//! has opened on `/dev/null`. So this module checks earlier: the system calls the functions in this
//! program section before `main`.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::io::{Errno, fcntl_getfd};

/// One bit for each of the descriptors 0, 1 and 2.
static CLOSED: AtomicU8 = AtomicU8::new(0);

const STANDARD: std::ops::Range<RawFd> = 0..3;

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static LOOK: extern "C" fn() = look;

/// Makes one system call for each descriptor. It must not use anything that the standard library
/// has to set up first.
extern "C" fn look() {
    for number in STANDARD {
        // SAFETY: the value does not outlive the call, and only the kernel uses the number.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl_getfd(descriptor) == Err(Errno::BADF) {
            CLOSED.fetch_or(1 << number, Ordering::Relaxed);
        }
    }
}

/// Whether `number` is a standard descriptor that was closed when the process began.
pub(super) fn was_closed(number: RawFd) -> bool {
    STANDARD.contains(&number) && CLOSED.load(Ordering::Relaxed) & (1 << number) != 0
}
