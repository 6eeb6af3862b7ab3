//! `steps`: the smallest job.

use producer::plan::files::Naming;
use shared::protocol::id::{JobId, Origin};
use shared::protocol::job::JobSpec;
use shared::protocol::workload::steps::Spec;
use shared::system::host;

use super::args::steps::{ProducerStepsArgs, StepsArgs, WhipsArgs};
use super::asked::Asked;
use super::{Exit, Failure, owned, submit};

pub async fn run(args: StepsArgs) -> Result<Exit, Failure> {
    let job = owned::OwnedJob { ask: &|_| Ok(asked(&args.whips)), frequencies: None, watch: None };
    owned::run(job, &args.job).await
}

pub async fn submit(args: ProducerStepsArgs) -> Result<Exit, Failure> {
    submit::run(&|_: Naming| Ok(asked(&args.whips)), None, &args.job).await
}

fn asked(args: &WhipsArgs) -> Asked {
    let caravan = JobId::from_name(b"steps");
    let spec = JobSpec::Steps(Spec { caravan, rider: 0, whips: args.whips, needs: args.needs });
    Asked { spec, origin: Origin::of(host::name().as_bytes()), roots: Vec::new() }
}
