//! The producer as a command of its own: the same as `packhorse producer`.

use std::process::ExitCode;

use packhorse::cli;

fn main() -> ExitCode {
    cli::args::parse().map_or_else(|code| code, cli::producer)
}
