//! The consumer as a command of its own: the same as `packhorse consumer`.

use std::process::ExitCode;

use packhorse::cli;
use packhorse::consumer::Workers;

fn main() -> ExitCode {
    cli::args::parse().map_or_else(|code| code, |args| cli::consumer(args, &[], Workers::new()))
}
