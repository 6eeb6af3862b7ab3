//! `docker-compose up`, as a user types it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::broker::docker;
use crate::world::{Done, Run, World, eventually};

/// A project of one's own in a directory that has what a clone has, gone with its volumes when dropped.
struct Project {
    world: World,
    name: String,
    /// Besides the names of the images.
    environment: Vec<(&'static str, &'static str)>,
}

impl Project {
    fn new() -> Self {
        let (world, name) = (World::new(), docker::name("compose").to_lowercase());
        for file in ["docker-compose.yml", "deploy/prepare", "deploy/rabbitmq.conf", "deploy/compose.gpu.yml"] {
            world.file(file, fs::read(docker::root().join(file)).expect("it is there"));
        }
        Self { world, name, environment: Vec::new() }
    }

    fn compose(&self, arguments: &[&str]) -> Done {
        self.command(&["docker-compose.yml"], arguments).done()
    }

    fn command(&self, files: &[&str], arguments: &[&str]) -> Run {
        let (program, first) = compose();
        let mut project = vec!["--project-name", &self.name];
        for file in files {
            project.extend(["--file", file]);
        }
        let mut run = self.world.command(program, first.iter().chain(&project).chain(arguments));
        for (name, value) in &self.environment {
            run = run.env(name, value);
        }
        run.env("PACKHORSE_IMAGE", docker::packhorse_image()).env("RABBITMQ_IMAGE", &docker::images().rabbitmq)
    }

    fn up(&self, more: &[&str]) {
        self.compose(&[&["up", "-d"], more].concat()).exits(0);
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
        let text = self.compose(&["exec", "-T", "reducer", "packhorse", "jobs", "--json"]).exits(0);
        text.json()
    }

    fn said(&self) -> String {
        let done = self.compose(&["logs", "--no-color", "--tail", "30"]);
        String::from_utf8_lossy(&done.out).into_owned()
    }

    /// Waits until the manifest is this.
    fn makes(&self, wanted: &[u8]) {
        let path = self.world.path("output/input.txt");
        let is_it = || fs::read(&path).ok().filter(|manifest| manifest == wanted);
        eventually(&format!("{}: {}", path.display(), self.said()), is_it);
    }

    /// What a role's volume holds.
    fn kept(&self, role: &str, file: &str) -> String {
        let volume = format!("{}_{role}:/kept", self.name);
        let file = format!("/kept/{file}");
        let cat = ["run", "--rm", "--user", "0", "--volume", &volume, "--entrypoint", "cat"];
        docker::docker(&[&cat[..], &[docker::packhorse_image(), &file]].concat())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // After a failure it goes with this process.
        if !std::thread::panicking() {
            self.compose(&["down", "--volumes", "--timeout", "3"]).exits(0);
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
fn gpus_are_asked_for_and_a_directory_that_no_role_may_use_is_named_before_any_starts() {
    let mut project = Project::new();
    project.command(&["docker-compose.yml"], &["config"]).done().exits(0);
    let gpus = project.command(&["docker-compose.yml", "deploy/compose.gpu.yml"], &["config"]).done().exits(0).out;
    let gpus = String::from_utf8_lossy(&gpus);
    assert!(gpus.contains("driver: nvidia") && gpus.contains("- gpu"), "{gpus}");

    project.world.file("output/mine", "");
    fs::set_permissions(project.world.path("output"), PermissionsExt::from_mode(0o755)).expect("it is ours");
    project.environment = vec![("PACKHORSE_USER", "54321:54321")];
    assert_ne!(project.compose(&["up", "-d"]).code, 0);
    assert!(project.said().contains("user 54321:54321 may not write /output (owner "), "{}", project.said());
    assert_eq!(project.containers("reducer"), [""; 0]);
}

#[test]
fn nothing_has_to_be_prepared_and_no_password_is_shown() {
    let project = Project::new();
    project.up(&[]);
    project.ends("0");
    assert!(project.said().contains("found no files: its report is empty"), "{}", project.said());
    project.makes(b"");
    project.world.tree("input", 300);
    project.up(&[]);
    project.ends("0");
    project.makes(&project.world.sha1sum(&["input"]));
    // A job that has ended is begun anew: what changed counts.
    project.world.file("input/000/00000", "edited");
    let wanted = project.world.sha1sum(&["input"]);
    project.up(&[]);
    project.makes(&wanted);
    assert_eq!(project.world.names("output"), [".packhorse.lock", "input.txt"]);

    let roles = ["producer", "consumer", "reducer"];
    let shown = |project: &Project| {
        let all = roles.iter().chain(&["definitions", "broker"]).flat_map(|service| project.containers(service));
        let inspected: String = all.map(|container| docker::docker(&["inspect", &container])).collect();
        let image = docker::docker(&["image", "inspect", docker::packhorse_image()]);
        let logs = String::from_utf8_lossy(&project.compose(&["logs", "--no-color"]).exits(0).out).into_owned();
        inspected + &image + &logs
    };
    let passwords = roles.map(|role| project.kept(role, "password"));
    let text = shown(&project);
    for (role, password) in roles.iter().zip(&passwords) {
        assert!(password.len() == 32 && !text.contains(password.as_str()), "the password of {role} is shown");
        assert_eq!(project.kept(role, "url"), format!("amqp://{role}:{password}@broker/%2F"));
    }
    // They last as long as their volumes.
    project.compose(&["down", "--timeout", "10"]).exits(0);
    project.up(&[]);
    assert_eq!(roles.map(|role| project.kept(role, "password")), passwords);
    project.compose(&["down", "--volumes", "--timeout", "10"]).exits(0);
    fs::remove_file(project.world.path("output/input.txt")).expect("it is there");
    project.up(&[]);
    project.makes(&wanted);
    assert_ne!(roles.map(|role| project.kept(role, "password")), passwords);
}

#[test]
fn up_makes_the_manifest_and_up_again_with_its_id_is_the_same_job() {
    let mut project = Project::new();
    let given = ("PACKHORSE_PASSWORD_REDUCER", "given: s#s/w@");
    project.environment = vec![given, ("PACKHORSE_JOB", "first")];
    project.world.tree("input", 1_500);
    let wanted = project.world.sha1sum(&["input"]);
    project.up(&[]);
    project.makes(&wanted);
    project.ends("0");
    assert_eq!(project.kept("reducer", "url"), "amqp://reducer:given%3A%20s%23s%2Fw%40@broker/%2F");
    assert_eq!((project.containers("consumer").len(), project.containers("reducer").len()), (2, 1));
    project.up(&["--scale", "consumer=4"]);
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
    project.environment = vec![given, ("PACKHORSE_JOB", "second")];
    project.world.tree("input/more", 200);
    // It does not end before it is stopped.
    project.world.sparse("input/z", 8 << 30);
    project.up(&["--scale", "consumer=4"]);
    eventually("the second job is under way", || {
        let jobs = project.jobs();
        let second = jobs.iter().find(|job| job["job"] == "second")?;
        (second["counts"]["items_done"].as_u64()? > 0).then_some(())
    });
    project.compose(&["stop", "--timeout", "10"]).exits(0);
    for service in ["consumer", "reducer", "broker"] {
        for container in project.containers(service) {
            let code = project.inspect(&container, ".State.ExitCode");
            assert_eq!(code, "0", "{service} was not done in time, or broke: {}", project.said());
        }
    }
    project.compose(&["down"]).exits(0);
    assert_eq!(project.containers("consumer").len(), 0);
    project.up(&[]);
    project.ends("0");
    project.makes(&project.world.sha1sum(&["input"]));
    let jobs = project.jobs();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert!(jobs.iter().all(|job| job["state"] == "finished" && job["counts"]["conflicts"] == 0), "{jobs:?}");
}
