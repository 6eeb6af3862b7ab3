//! The reducer as a command of its own: the same as `packhorse reducer`.

use std::process::ExitCode;

use clap::Parser;
use packhorse::cli;

fn main() -> ExitCode {
    cli::reducer(cli::args::ReducerArgs::parse())
}
