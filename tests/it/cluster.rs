//! Roles as processes around a virtual host of one's own.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use crate::broker::{self, Broker};
use crate::world::{CONSUMER, Done, PACKHORSE, PRODUCER, Process, REDUCER, World, eventually};

/// A world with a broker.
pub struct Cluster {
    pub world: World,
    pub broker: Broker,
    url: String,
}

impl Cluster {
    pub async fn new() -> Self {
        Self::around(broker::shared().await)
    }

    pub fn around(broker: Broker) -> Self {
        // A URL that is shown has no password.
        let url = broker.url().to_string().replace(":***@", ":guest@");
        Self { world: World::new(), broker, url }
    }

    /// The broker's URL, password included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A command that finds the broker as most users let it: in the environment.
    pub fn start<A: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = A>) -> Process {
        self.world.command(program, args).env("PACKHORSE_BROKER", &self.url).start()
    }

    pub fn run<A: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = A>) -> Done {
        self.start(program, args).wait()
    }

    /// A consumer or a reducer, once it is ready.
    pub fn ready(&self, program: &str, args: &[&str]) -> Process {
        let role = self.start(program, args);
        let name = Path::new(program).file_name().expect("a program").display().to_string();
        role.says(&format!("The {name} is ready."));
        role
    }

    /// A consumer of the root `t`, once it is ready.
    pub fn consumer(&self, more: &[&str]) -> Process {
        self.ready(CONSUMER, &[&["--root", "t=t", "--heartbeat", "1"], more].concat())
    }

    /// The reducer service `main`, once it is ready.
    pub fn reducer(&self, more: &[&str]) -> Process {
        self.ready(REDUCER, &[&["--heartbeat", "1"], more].concat())
    }

    pub fn producer(&self, more: &[&str]) -> Process {
        self.start(PRODUCER, [&["sha1"], more].concat())
    }

    /// The report of a job from the running reducer, as it comes on stdout.
    pub fn report(&self, job: &str) -> Vec<u8> {
        self.run(REDUCER, ["--job", job]).exits(0).out
    }

    /// How a job stands, if anybody knows it.
    pub fn status(&self, job: &str) -> Option<Value> {
        let done = self.run(PACKHORSE, ["status", job, "--json"]);
        (done.code == 0).then(|| done.json().remove(0))
    }

    /// Waits until a count of a job has come this far.
    pub fn reaches(&self, job: &str, count: &str, goal: u64) {
        eventually(&format!("{goal} {count} of {job}"), || {
            let found = self.status(job)?["counts"][count].as_u64()?;
            (found >= goal).then_some(())
        });
    }

    /// What is left at the broker once every role has stopped: nothing that is one process's own.
    pub async fn assert_tidy(&self) {
        assert_eq!(self.broker.connections().await, 0);
        let own = ["owner.guest-", "control.", "consumer.", "replies."].map(|name| format!("packhorse.v1.{name}"));
        let queues = self.broker.queues().await;
        let left: Vec<_> = queues.iter().filter(|queue| own.iter().any(|own| queue.starts_with(own))).collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(self.world.temporary().is_empty(), "{:?}", self.world.temporary());
    }
}
