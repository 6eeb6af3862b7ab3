//! The producer as a command of its own: the same as `packhorse producer`.

use std::process::ExitCode;

use clap::Parser;
use packhorse::cli;

fn main() -> ExitCode {
    cli::producer(cli::args::ProducerArgs::parse())
}
