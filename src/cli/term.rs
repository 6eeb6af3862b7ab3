//! Messages on stderr, and results on stdout.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use reducer::report::ReportError;
use shared::protocol::notice::Notify;
use shared::system::descriptor;

use super::Failure;

/// Prints a sentence for the user to stderr. A closed stderr is no reason to fail.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "packhorse: {text}");
}

/// Prints why a command ends, and gives its exit code.
pub fn end(failure: Failure) -> ExitCode {
    complain(&failure.text);
    failure.exit.into()
}

/// [`complain`] as a function to pass on.
pub fn notify() -> Notify {
    Arc::new(|text| complain(&text))
}

/// Prints lines to stderr as they are.
pub fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The result of writing a report. A closed pipe is no error.
pub fn written(result: Result<(), ReportError>) -> Result<(), Failure> {
    match result {
        Err(error) if !error.is_broken_pipe() => Err(Failure::unfinished(error)),
        _ => Ok(()),
    }
}

/// Checks whether results can be printed, before a command changes something or works for long.
pub fn can_print() -> Result<(), Failure> {
    descriptor::stdout().map(drop).map_err(|error| cannot_print(&error))
}

/// Prints results. A closed pipe is no error: `Ok(false)`.
pub fn print(bytes: &[u8]) -> Result<bool, Failure> {
    printed(descriptor::stdout().and_then(|mut out| out.write_all(bytes)))
}

/// The result of printing, as for [`print()`].
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

/// Prints lines for callers that cannot stop when printing fails. The first failure is kept for the
/// command's end.
#[derive(Debug, Default)]
pub struct Lines {
    failed: Mutex<Option<Failure>>,
}

impl Lines {
    /// Checks first whether results can be printed.
    pub fn begin() -> Result<Arc<Self>, Failure> {
        can_print()?;
        Ok(Arc::default())
    }

    pub fn print(&self, line: &str) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_none() {
            *failed = print(format!("{line}\n").as_bytes()).err();
        }
    }

    /// The first failure, if there was one.
    pub fn end(&self) -> Result<(), Failure> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}
