//! The reducer as a command of its own: the same as `packhorse reducer`.

use std::process::ExitCode;

use packhorse::cli;

fn main() -> ExitCode {
    cli::args::parse().map_or_else(|code| code, cli::reducer)
}
