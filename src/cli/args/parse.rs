//! From a command line to its arguments.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Exit, term};

/// Parses the command line. For --help, --version or a usage error, prints the text and gives the
/// exit code. Help and version are results: they go to stdout, and a failed write is an error.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|told| {
        if told.use_stderr() {
            // A closed stderr does not change the exit code.
            let _ = told.print();
            return Exit::Usage.into();
        }
        let print = || told.print().and_then(|()| io::stdout().flush());
        let printed = term::can_print().and_then(|()| term::printed(print()));
        printed.map_or_else(term::end, |_| Exit::Success.into())
    })
}
