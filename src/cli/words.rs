//! `words`: lines, words and bytes of every file, and how often each word occurs.

use reducer::report::Target;
use shared::protocol::job::JobSpec;
use shared::protocol::workload::files::Selection;
use shared::protocol::workload::words::{Manner, Spec};

use super::args::words::{ProducerWordsArgs, WordsArgs};
use super::asked::Asked;
use super::watch::Watch;
use super::{Exit, Failure, owned, submit};
use crate::run::SideOutput;

pub async fn run(args: WordsArgs) -> Result<Exit, Failure> {
    if args.frequencies == Some(Target::Stdout) && (args.job.output == Target::Stdout || args.job.out.json) {
        return Err(Failure::usage(
            "--frequencies - needs standard output for itself; give the report a file with --output FILE, \
             and leave out --json",
        ));
    }
    let manner = args.manner.manner(args.frequencies.is_some());
    let ask = |naming| Asked::of_files(&args.files, naming, |files| spec(manner, files));
    let job = owned::OwnedJob {
        ask: &ask,
        frequencies: args.frequencies.map(|target| SideOutput { target, lines: args.top }),
        watch: args.manner.watch.map(Watch::new),
    };
    owned::run(job, &args.job).await
}

pub async fn submit(args: ProducerWordsArgs) -> Result<Exit, Failure> {
    let manner = args.manner.manner(args.frequencies);
    let ask = |naming| Asked::of_files(&args.files, naming, |files| spec(manner, files));
    submit::run(&ask, args.manner.watch.map(Watch::new), &args.job).await
}

fn spec(manner: Manner, files: Selection) -> JobSpec {
    JobSpec::Words(Spec { manner, files })
}
