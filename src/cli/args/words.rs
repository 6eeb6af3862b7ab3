//! The grammar of `words`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use reducer::report::Target;
use shared::protocol::workload::words::{Manner, Mode};

use super::time::seconds;
use super::{FilesArgs, JobArgs, SubmitArgs, target};
use crate::cli::exit::EXIT_CODES;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Blank, tab, newline, vertical tab, form feed, carriage return
    Ascii,
    /// Unicode's white space, in UTF-8; bytes that are not UTF-8 are part of words
    Unicode,
}

#[derive(Debug, Clone, Args)]
pub struct MannerArgs {
    /// What separates words
    #[arg(long, value_name = "MODE", value_enum, default_value_t = ModeArg::Ascii)]
    pub mode: ModeArg,

    /// Show characters, too: bytes other than UTF-8 continuation bytes
    #[arg(short = 'm', long)]
    pub chars: bool,

    /// Print the number of words so far, every 2 seconds or as often as given
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", require_equals = true)]
    #[arg(value_parser = seconds)]
    pub watch: Option<Duration>,
}

impl MannerArgs {
    pub fn manner(&self, frequencies: bool) -> Manner {
        let mode = match self.mode {
            ModeArg::Ascii => Mode::Ascii,
            ModeArg::Unicode => Mode::Unicode,
        };
        Manner { mode, characters: self.chars, frequencies }
    }
}

#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct WordsArgs {
    #[command(flatten)]
    pub files: FilesArgs,

    #[command(flatten)]
    pub manner: MannerArgs,

    /// Write to FILE how often each word occurs: COUNT, a tab, WORD, the most frequent first
    #[arg(long, value_name = "FILE", value_parser = target())]
    pub frequencies: Option<Target>,

    /// Only the N most frequent words
    #[arg(long, value_name = "N", requires = "frequencies")]
    pub top: Option<u64>,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ProducerWordsArgs {
    #[command(flatten)]
    pub files: FilesArgs,

    #[command(flatten)]
    pub manner: MannerArgs,

    /// Count how often each word occurs; the reducer writes it to JOB.frequencies in its --output-dir
    #[arg(long)]
    pub frequencies: bool,

    #[command(flatten)]
    pub job: SubmitArgs,
}
