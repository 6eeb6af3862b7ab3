//! Programs of other tools: which of them are installed, and how they are started.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::measure::Role;
use crate::node::Node;

/// The interpreter that has the tools' packages.
pub struct Python(OsString);

impl Python {
    pub fn chosen() -> Self {
        Self(std::env::var_os("PACKHORSE_BENCH_PYTHON").unwrap_or_else(|| "python3".into()))
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.0);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/calls"));
        // The programs stand in the source tree, where nothing is to be left.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// None without Python.
    pub fn version(&self) -> Option<String> {
        self.said("import platform; print(platform.python_version())", "Python")
    }

    /// None if the package is not installed.
    pub fn version_of(&self, package: &str) -> Option<String> {
        self.said(&format!("from importlib.metadata import version; print(version({package:?}))"), package)
    }

    fn said(&self, program: &str, name: &str) -> Option<String> {
        let output = self.command().args(["-c", program]).stdin(Stdio::null()).output();
        let said = output.ok().filter(|output| output.status.success());
        let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        if said.is_none() {
            eprintln!("{name} is not installed: left out");
        }
        said
    }

    /// One of Celery's workers, with one process for its tasks.
    pub fn celery_worker(&self, node: &Node, number: u32) -> Role {
        let mut command = self.command();
        command.args(["-m", "celery", "-A", "celery_calls", "worker", "--concurrency", "1"]);
        command.args(["--hostname", &format!("w{number}@%h")]).env("AMQP_URL", &node.url);
        Role::start(command)
    }
}
