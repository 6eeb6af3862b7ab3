//! `packhorse completions` and `packhorse man`. Both are generated from the grammar, so they say
//! the same as `--help`.

use clap::{CommandFactory, ValueEnum};
use clap_mangen::Man;

use super::args::manual::{CompletionsArgs, ManArgs, Program};
use super::args::{ConsumerArgs, Packhorse, ProducerArgs, ReducerArgs};
use super::exit::EXIT_CODES;
use super::{Exit, Failure, term};

impl Program {
    fn grammar(self) -> clap::Command {
        match self {
            Self::Packhorse => Packhorse::command(),
            Self::Producer => ProducerArgs::command(),
            Self::Consumer => ConsumerArgs::command(),
            Self::Reducer => ReducerArgs::command(),
        }
    }
}

pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut grammar = args.command.grammar();
    let name = grammar.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut grammar, name, &mut script);
    term::print(&script)?;
    Ok(Exit::Success)
}

/// Prints a page, or writes all of them.
pub fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let pages: Vec<(String, clap::Command)> =
        Program::value_variants().iter().flat_map(|program| pages(program.grammar())).collect();
    let Some(directory) = &args.output_dir else {
        let Some((_, grammar)) = pages.iter().find(|(name, _)| *name == args.page) else {
            let names: Vec<_> = pages.into_iter().map(|(name, _)| name).collect();
            return Err(Failure::usage(format!("there is no page {:?}; there are {}", args.page, names.join(", "))));
        };
        term::print(&render(grammar)?)?;
        return Ok(Exit::Success);
    };
    std::fs::create_dir_all(directory)
        .map_err(|error| Failure::usage(format!("cannot use --output-dir {}: {error}", directory.display())))?;
    for (name, grammar) in &pages {
        let path = directory.join(format!("{name}.1"));
        std::fs::write(&path, render(grammar)?)
            .map_err(|error| Failure::unfinished(format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(Exit::Success)
}

/// The command and its subcommands, each by the name of its page.
fn pages(grammar: clap::Command) -> Vec<(String, clap::Command)> {
    let mut grammar = grammar.disable_help_subcommand(true);
    grammar.build();
    let name = grammar.get_display_name().unwrap_or_else(|| grammar.get_name()).to_owned();
    let below: Vec<_> = grammar.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().flat_map(pages).collect();
    std::iter::once((name, grammar)).chain(below).collect()
}

fn render(grammar: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut grammar = grammar.clone();
    // A man page has a section of its own for exit codes.
    if grammar.get_after_help().is_some_and(|help| help.to_string() == EXIT_CODES) {
        grammar = grammar.after_help(None::<&str>);
    }
    let source = concat!("packhorse ", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    let man = Man::new(grammar).source(source).manual("Packhorse");
    man.render(&mut page).map_err(|error| Failure::unfinished(format!("cannot render a manual page: {error}")))?;
    page.extend_from_slice(b".SH \"EXIT STATUS\"\n");
    for (code, meaning) in EXIT_CODES.lines().filter_map(|line| line.trim().split_once("  ")) {
        page.extend_from_slice(format!(".TP\n{code}\n{}\n", meaning.trim()).as_bytes());
    }
    Ok(page)
}
