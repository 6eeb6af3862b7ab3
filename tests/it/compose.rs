//! `docker-compose up`, as a user types it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::broker::docker;
use crate::world::{Done, Run, World, assert_same, eventually};

/// A project of one's own, gone with its volumes when dropped.
struct Project {
    world: World,
    name: String,
}

impl Project {
    fn new() -> Self {
        let (world, name) = (World::new(), docker::name("compose").to_lowercase());
        fs::create_dir_all(world.path("output")).expect("a directory");
        fs::set_permissions(world.path("output"), PermissionsExt::from_mode(0o777)).expect("it is ours");
        Self { world, name }
    }

    fn compose(&self, job: &str, arguments: &[&str]) -> Done {
        self.command(job, &["docker-compose.yml"], arguments).done()
    }

    fn command(&self, job: &str, files: &[&str], arguments: &[&str]) -> Run {
        let (program, first) = compose();
        let images = docker::images();
        let mut project = vec!["--project-name".to_owned(), self.name.clone()];
        for file in files {
            project.extend(["--file".to_owned(), docker::root().join(file).display().to_string()]);
        }
        let project = project.iter().map(String::as_str).collect::<Vec<_>>();
        let all = first.iter().chain(&project).chain(arguments);
        let mut run = self.world.command(program, all);
        for user in ["PRODUCER", "CONSUMER", "REDUCER"] {
            run = run.env(&format!("PACKHORSE_PASSWORD_{user}"), "s3cret");
        }
        run.env("PACKHORSE_JOB", job)
            .env("PACKHORSE_IMAGE", docker::packhorse_image())
            .env("RABBITMQ_IMAGE", &images.rabbitmq)
            .env("PACKHORSE_INPUT", self.world.path("input"))
            .env("PACKHORSE_OUTPUT", self.world.path("output"))
    }

    fn up(&self, job: &str, more: &[&str]) {
        self.compose(job, &[&["up", "-d"], more].concat()).exits(0);
    }

    fn containers(&self, service: &str) -> Vec<String> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let service = format!("label=com.docker.compose.service={service}");
        let ids = docker::docker(&["ps", "-aq", "--no-trunc", "--filter", &project, "--filter", &service]);
        ids.lines().map(str::to_owned).collect()
    }

    fn inspect(&self, container: &str, what: &str) -> String {
        docker::docker(&["inspect", "--format", &format!("{{{{{what}}}}}"), container])
    }

    /// Waits for the producer's end, which is that of its job.
    fn ends(&self, code: &str) {
        let [producer] = &self.containers("producer")[..] else { panic!("one producer") };
        assert_eq!(docker::docker(&["wait", producer]), code, "{}", self.said());
    }

    fn jobs(&self) -> Vec<Value> {
        let text = self.compose("any", &["exec", "-T", "reducer", "packhorse", "jobs", "--json"]).exits(0);
        text.json()
    }

    fn said(&self) -> String {
        let done = self.compose("any", &["logs", "--no-color", "--tail", "30"]);
        String::from_utf8_lossy(&done.out).into_owned()
    }

    fn manifest(&self, job: &str) -> Vec<u8> {
        let path = self.world.path(format!("output/{job}.txt"));
        eventually(&format!("{}: {}", path.display(), self.said()), || fs::read(&path).ok())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // After a failure it goes with this process.
        if !std::thread::panicking() {
            self.compose("any", &["down", "--volumes", "--timeout", "3"]).exits(0);
        }
    }
}

/// The first version as a command of its own, or the second as a plug-in.
fn compose() -> (&'static str, &'static [&'static str]) {
    docker::demand();
    let answers = |program: &str, argument: &str| {
        Command::new(program).args([argument, "version"]).output().is_ok_and(|output| output.status.success())
    };
    if answers("docker-compose", "--no-ansi") {
        ("docker-compose", &[])
    } else if answers("docker", "compose") {
        ("docker", &["compose"])
    } else {
        panic!("neither docker-compose nor docker compose is there: install docker-compose, or run tests/run")
    }
}

#[test]
fn what_is_missing_is_named_and_gpus_are_asked_for() {
    let project = Project::new();
    let config = |files: &[&str]| project.command("any", files, &["config"]);
    config(&["docker-compose.yml"]).done().exits(0);
    let without = config(&["docker-compose.yml"]).env("PACKHORSE_PASSWORD_REDUCER", "").done();
    assert_ne!(without.code, 0);
    assert!(without.err.contains("PACKHORSE_PASSWORD_REDUCER") && without.err.contains("README.md"), "{}", without.err);
    let gpus = config(&["docker-compose.yml", "deploy/compose.gpu.yml"]).done().exits(0).out;
    let gpus = String::from_utf8_lossy(&gpus);
    assert!(gpus.contains("driver: nvidia") && gpus.contains("- gpu"), "{gpus}");

    let missing = project.compose("any", &["up", "-d"]);
    assert_ne!(missing.code, 0);
    let path = project.world.path("input").display().to_string();
    assert!(missing.err.contains(&path), "{}", missing.err);
}

#[test]
fn up_makes_the_manifest_and_up_again_is_the_same_job() {
    let project = Project::new();
    project.world.tree("input", 1_500);
    let wanted = project.world.sha1sum(&["input"]);
    project.up("first", &[]);
    assert_same(&project.manifest("first"), &wanted);
    project.ends("0");
    assert_eq!((project.containers("consumer").len(), project.containers("reducer").len()), (2, 1));
    project.up("first", &["--scale", "consumer=4"]);
    project.ends("0");
    assert_eq!(project.containers("consumer").len(), 4);
    let jobs = project.jobs();
    assert_eq!((jobs.len(), &jobs[0]["job"], &jobs[0]["counts"]["items_done"]), (1, &"first".into(), &1_500.into()));
    for role in project.containers("consumer").iter().chain(&project.containers("reducer")) {
        eventually(&format!("{role} is healthy"), || {
            (project.inspect(role, ".State.Health.Status") == "healthy").then_some(())
        });
    }

    // Stopped in the middle of a second job, which goes on when it is started again.
    for number in 0..60 {
        project.world.sparse(&format!("input/large/{number:02}"), (48 << 20) + number);
    }
    let wanted = project.world.sha1sum(&["input"]);
    project.up("second", &["--scale", "consumer=4"]);
    eventually("the second job is under way", || {
        let jobs = project.jobs();
        let second = jobs.iter().find(|job| job["job"] == "second")?;
        (second["counts"]["items_done"].as_u64()? > 0).then_some(())
    });
    project.compose("second", &["stop", "--timeout", "10"]).exits(0);
    for service in ["consumer", "reducer", "broker"] {
        for container in project.containers(service) {
            let code = project.inspect(&container, ".State.ExitCode");
            assert_eq!(code, "0", "{service} was not done in time, or broke: {}", project.said());
        }
    }
    project.compose("second", &["down"]).exits(0);
    assert_eq!(project.containers("consumer").len(), 0);
    project.up("second", &[]);
    project.ends("0");
    assert_same(&project.manifest("second"), &wanted);
    let jobs = project.jobs();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert!(jobs.iter().all(|job| job["state"] == "finished" && job["counts"]["conflicts"] == 0), "{jobs:?}");
}
