//! Saying things on stderr, and printing results on stdout.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use reducer::report::ReportError;
use shared::protocol::notice::Notify;
use shared::system::descriptor;

use super::Failure;

/// A sentence for people. A closed stderr is no reason to fail.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "packhorse: {text}");
}

/// Says why a command ends, and gives its exit code.
pub fn end(failure: Failure) -> ExitCode {
    complain(&failure.text);
    failure.exit.into()
}

/// The same as [`complain`], for those who take a function.
pub fn notify() -> Notify {
    Arc::new(|text| complain(&text))
}

/// Several lines as they are.
pub fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// What writing a report came to. A reader who has had enough is no error.
pub fn written(result: Result<(), ReportError>) -> Result<(), Failure> {
    match result {
        Err(error) if !error.is_broken_pipe() => Err(Failure::unfinished(error)),
        _ => Ok(()),
    }
}

/// Whether results can be printed: for a command that prints after it has changed something, or worked long.
pub fn can_print() -> Result<(), Failure> {
    descriptor::stdout().map(drop).map_err(|error| cannot_print(&error))
}

/// Prints results. A reader who has had enough is not an error: `Ok(false)`.
pub fn print(bytes: &[u8]) -> Result<bool, Failure> {
    printed(descriptor::stdout().and_then(|mut out| out.write_all(bytes)))
}

/// What printing came to.
pub fn printed(result: io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(cannot_print(&error)),
    }
}

fn cannot_print(error: &io::Error) -> Failure {
    Failure::unfinished(format!("cannot write to standard output: {error}"))
}

/// Prints lines for those who cannot stop when that fails. The first failure is kept for the command's end.
#[derive(Debug, Default)]
pub struct Lines {
    failed: Mutex<Option<Failure>>,
}

impl Lines {
    /// One that nothing hinders from printing yet.
    pub fn begin() -> Result<Arc<Self>, Failure> {
        can_print()?;
        Ok(Arc::default())
    }

    /// Prints a line.
    pub fn print(&self, line: &str) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_none() {
            *failed = print(format!("{line}\n").as_bytes()).err();
        }
    }

    /// What printing came to.
    pub fn end(&self) -> Result<(), Failure> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}
