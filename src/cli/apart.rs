//! Outputs of one command that go to one file: one would replace the other, or both would mix.

use std::fs::File;
use std::io::{stderr, stdout};
use std::path::{Path, PathBuf};

use reducer::report::{Target, is_one_file, is_stream};
use reducer::store;
use shared::system::descriptor;

use super::Failure;

/// What a command writes, besides its messages on standard error.
pub struct Outputs<'a> {
    /// `None` for a service, which prints no report.
    pub output: Option<&'a Target>,
    pub frequencies: Option<&'a Target>,
    pub state: Option<&'a Path>,
    /// Whether the receipt goes to standard output.
    pub prints_receipt: bool,
}

impl Outputs<'_> {
    /// Refuses two outputs to the same file or stream.
    pub fn check(&self) -> Result<(), Failure> {
        self.check_descriptors()?;
        self.check_files()?;
        self.check_openings()
    }

    fn targets(&self) -> impl Iterator<Item = (&'static str, &Target)> {
        let targets = [("--output", self.output), ("--frequencies", self.frequencies)];
        targets.into_iter().filter_map(|(flag, target)| Some((flag, target?)))
    }

    fn check_descriptors(&self) -> Result<(), Failure> {
        match (self.output, self.frequencies) {
            (Some(Target::Descriptor(first)), Some(Target::Descriptor(second))) if first == second => {
                Err(Failure::usage("--output and --frequencies name one descriptor; give each its own".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn check_files(&self) -> Result<(), Failure> {
        let files = self.targets().filter_map(|(flag, target)| Some((flag, target.file()?.to_owned())));
        let store = self.state.into_iter().flat_map(store::files).map(|file| ("--state", file));
        let files: Vec<(_, PathBuf)> = files.chain(store).collect();
        for (at, (flag, file)) in files.iter().enumerate() {
            if let Some((other, shown)) =
                files[..at].iter().find(|(of, earlier)| of != flag && is_one_file(earlier, file))
            {
                return Err(Failure::usage(match self.state {
                    Some(state) if *flag == "--state" && !is_one_file(shown, state) => {
                        format!(
                            "{other} names {}, which belongs to the store of --state; give it its own",
                            file.display()
                        )
                    }
                    _ => format!("{other} and {flag} name one file; give each its own"),
                }));
            }
            // With the report in a file, and neither frequencies nor the receipt on standard output,
            // standard output is unused, so it may lead to the report's file.
            let is_free = *flag == "--output" && !self.uses_stdout();
            let streams = [(!is_free && is_stream(stdout(), file), "output"), (is_stream(stderr(), file), "error")];
            if let Some((_, stream)) = streams.iter().find(|(is_it, _)| *is_it) {
                let text = format!("{flag} names the file that standard {stream} goes to; give it its own");
                return Err(Failure::usage(text));
            }
            let goes_there = |(_, target): &(_, &Target)| target.descriptor().is_some_and(|open| is_stream(open, file));
            if let Some((other, _)) = self.targets().find(goes_there) {
                let text = format!("{flag} names the file that the descriptor of {other} goes to; give it its own");
                return Err(Failure::usage(text));
            }
        }
        Ok(())
    }

    fn uses_stdout(&self) -> bool {
        self.prints_receipt || self.targets().any(|(_, target)| *target == Target::Stdout)
    }

    /// Refuses one file that a shell has opened twice, as in `3>F >F`: both write from its start.
    fn check_openings(&self) -> Result<(), Failure> {
        let named = self.targets().filter_map(|(flag, target)| Some((flag, target.descriptor()?.try_clone().ok()?)));
        let mut open: Vec<(&str, File)> = named.collect();
        // One that is closed or unwritable is refused elsewhere, or nothing is written to it.
        open.extend(descriptor::stdout().ok().filter(|_| self.uses_stdout()).map(|file| ("standard output", file)));
        open.extend(descriptor::duplicate(descriptor::STDERR).ok().map(|file| ("standard error", file)));
        for (at, (one, file)) in open.iter().enumerate() {
            if let Some((other, _)) = open[..at].iter().find(|(_, earlier)| descriptor::overwrite(earlier, file)) {
                return Err(Failure::usage(format!(
                    "{other} and {one} go to one file that was opened twice, and would overwrite each other; open it \
                     once, as in >FILE 3>&1, or to append, as in >>FILE"
                )));
            }
        }
        Ok(())
    }
}
