//! The consumer as a command of its own: the same as `packhorse consumer`.

use std::process::ExitCode;

use clap::Parser;
use packhorse::cli;

fn main() -> ExitCode {
    cli::consumer(cli::args::ConsumerArgs::parse(), &[])
}
