//! Exit codes.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success,
    /// Finished, but some items failed. For `health`, `ready` and `doctor`: a check failed.
    ItemsFailed,
    /// The command line or the configuration is wrong; nothing was done.
    Usage,
    /// Could not finish, or was cancelled.
    Unfinished,
    Interrupted,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::ItemsFailed => 1,
            Self::Usage => 2,
            Self::Unfinished => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Shown by --help and in man pages.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    all well
  1    finished, but some items failed
  2    the command line or the configuration is wrong; nothing was done
  3    could not finish, or the job was cancelled
  130  stopped by a signal";
