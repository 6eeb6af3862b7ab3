//! Where a reducer keeps its store by default.

use std::path::PathBuf;

use shared::protocol::id::OwnerId;
use shared::system::environment;

use super::Failure;

/// The place for state in the XDG base directory specification.
pub fn default_file(owner: &OwnerId) -> Result<PathBuf, Failure> {
    let home = || environment::path("HOME").map(|home| home.join(".local/state"));
    let base = environment::path("XDG_STATE_HOME").or_else(home);
    let base = base.ok_or_else(|| Failure::usage("neither XDG_STATE_HOME nor HOME is set; give --state FILE"))?;
    Ok(base.join("packhorse").join(format!("{owner}.sqlite")))
}
