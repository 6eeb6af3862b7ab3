//! The example `pool`: callers and consumers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::{Role, ours};
use crate::node::Node;

pub struct Example(PathBuf);

impl Example {
    /// Cargo builds no examples for a benchmark, so this does.
    pub fn built() -> Self {
        if let Some(path) = std::env::var_os("PACKHORSE_BENCH_POOL") {
            return Self(PathBuf::from(path));
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--locked", "--release", "--example", "pool"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        // Cargo has told this process which package it is of. Scripts that build packages read the same
        // variables, and cargo would run them again, and compile everything after them.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                build.env_remove(&name);
            }
        }
        let status = build.stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.expect("cargo runs").success(), "the example pool is not built");
        // A benchmark is a file of target/release/deps.
        let benchmark = std::env::current_exe().expect("this file has a name");
        let profile = benchmark.parent().and_then(Path::parent).expect("it is in two directories");
        Self(profile.join("examples/pool"))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        ours(&self.0, arguments)
    }

    /// A consumer of one slot.
    pub fn consumer(&self, node: &Node) -> Role {
        Role::start(node.known_to(self.command(&["consumer", "-j", "1"])))
    }
}
