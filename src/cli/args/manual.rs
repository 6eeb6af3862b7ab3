//! `packhorse completions` and `packhorse man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Put the script where your shell looks for it, for instance:
  packhorse completions bash > ~/.local/share/bash-completion/completions/packhorse
  packhorse completions zsh > ~/.zfunc/_packhorse      (with ~/.zfunc in fpath)
  packhorse completions fish > ~/.config/fish/completions/packhorse.fish")]
pub struct CompletionsArgs {
    /// The shell to print completions for
    #[arg(value_name = "SHELL")]
    pub shell: Shell,

    /// The command to complete: packhorse, producer, consumer or reducer
    #[arg(long, value_name = "COMMAND", default_value = "packhorse", hide_possible_values = true)]
    pub command: Program,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Read one page, or put all of them where man looks for them:
  packhorse man packhorse-sha1 | man -l -
  packhorse man --output-dir ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The page to print: a command, or a command and its subcommand joined by a hyphen
    #[arg(value_name = "PAGE", default_value = "packhorse", conflicts_with = "output_dir")]
    pub page: String,

    /// Write all pages to DIR, as PAGE.1, and print none
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// The all-in-one command
    Packhorse,
    /// The producer
    Producer,
    /// The consumer
    Consumer,
    /// The reducer
    Reducer,
}
