//! Saying things on stderr and stdout.

use std::io::{self, Write};
use std::sync::Arc;

use reducer::report::ReportError;
use shared::notice::Notify;

use super::Failure;

/// A sentence for people. A closed stderr is no reason to fail.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "packhorse: {text}");
}

/// The same, for those who take a function.
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

/// Prints results. A closed stdout is not an error: `Ok(false)`.
pub fn print(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::unfinished(format!("cannot write to standard output: {error}"))),
    }
}
