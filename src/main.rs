//! The all-in-one command.

use std::process::ExitCode;

use packhorse::cli;

fn main() -> ExitCode {
    cli::args::parse().map_or_else(|code| code, cli::packhorse)
}
