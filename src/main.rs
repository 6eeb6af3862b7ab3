//! The all-in-one command.

use std::process::ExitCode;

use clap::Parser;
use packhorse::cli;

fn main() -> ExitCode {
    cli::packhorse(cli::args::Packhorse::parse())
}
