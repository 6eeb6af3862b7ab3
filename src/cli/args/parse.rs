//! From a command line to its arguments.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Exit, term};

/// The arguments, or how the command ends without them: with its help or version, which are results and
/// have to arrive as such, or with what is wrong.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|told| {
        if told.use_stderr() {
            // A closed stderr is no reason to fail otherwise.
            let _ = told.print();
            return Exit::Usage.into();
        }
        let print = || told.print().and_then(|()| io::stdout().flush());
        let printed = term::can_print().and_then(|()| term::printed(print()));
        printed.map_or_else(term::end, |_| Exit::Success.into())
    })
}
