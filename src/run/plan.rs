//! The plan of a run: without the files that the run itself writes.

use std::os::fd::AsFd;

use producer::client::source::Repeatable;
use producer::plan::files::Own;
use producer::plan::{Plan, PlanError};
use reducer::report::Target;
use reducer::service::Handle;
use reducer::store;
use shared::system::resolve::resolve;

use super::RunConfig;

pub(super) fn source(config: &RunConfig, handle: &Handle) -> Repeatable {
    let (config, handle) = (config.clone(), handle.clone());
    Repeatable::new(move || plan(&config, &handle))
}

fn plan(config: &RunConfig, handle: &Handle) -> Result<Plan, PlanError> {
    let plan = Plan::new(&config.request.spec, &config.roots)?;
    let is_compared = config.is_kept || config.workers.is_none();
    let plan = if is_compared { plan } else { plan.without_times() };
    let identity = |root: &str| config.workers.as_ref().and_then(|workers| workers.site.identity(root));
    Ok(plan.leaving_out(own(config, handle)).expecting(&identity))
}

/// The files that the run itself writes, which may lie in the tree that it walks.
fn own(config: &RunConfig, handle: &Handle) -> Own {
    let side = config.output.side.as_ref().map(|side| &side.target);
    let targets = [Some(&config.output.target), side].into_iter().flatten();
    let descriptors: Vec<_> = targets.clone().filter_map(Target::descriptor).map(AsFd::as_fd).collect();
    Own::of(store::files(handle.store_path()), targets.filter_map(Target::file).map(resolve), &descriptors)
}
