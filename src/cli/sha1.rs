//! `sha1`: the digest of every file.

use shared::protocol::job::JobSpec;
use shared::protocol::workload::digest::{Algorithm, Spec};
use shared::protocol::workload::files::Selection;

use super::args::{ProducerSha1Args, Sha1Args};
use super::asked::Asked;
use super::{Exit, Failure, owned, submit};

pub async fn run(args: Sha1Args) -> Result<Exit, Failure> {
    let ask = |naming| Asked::of_files(&args.files, naming, spec);
    owned::run(owned::OwnedJob { ask: &ask, frequencies: None, watch: None }, &args.job).await
}

pub async fn submit(args: ProducerSha1Args) -> Result<Exit, Failure> {
    submit::run(&|naming| Asked::of_files(&args.files, naming, spec), None, &args.job).await
}

fn spec(files: Selection) -> JobSpec {
    JobSpec::Digest(Spec { algorithm: Algorithm::Sha1, files })
}
