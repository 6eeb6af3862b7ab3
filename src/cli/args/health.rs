//! `packhorse health` and `packhorse ready`.

use std::path::PathBuf;

use clap::Args;

const HELP: &str = "\
A consumer or reducer with PACKHORSE_HEALTH_FILE=FILE writes a heartbeat into FILE at each heartbeat
interval, once its own loop has turned and the broker has answered on the connections where it
consumes. The role counts as healthy for three intervals after a heartbeat, and as ready for two. Use
health where a role is to be restarted when it fails, and ready where something waits for a role.

Exit codes:
  0    the last heartbeat is recent enough
  1    there is none, or it is too old: the role hangs, has lost the broker, or is gone
  2    the command line or the configuration is wrong";

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct HealthArgs {
    /// The file that the role writes its heartbeats to [env: PACKHORSE_HEALTH_FILE]
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}
