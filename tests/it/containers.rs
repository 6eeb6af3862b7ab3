//! The roles as containers of the real image on a private network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use serde_json::Value;
use testcontainers::core::WaitFor;

use crate::broker::container::{PORT, READY};
use crate::broker::docker::{self, Running, docker};
use crate::world::{World, assert_same, eventually};

/// A world, a network, and a broker on it.
struct Site {
    world: World,
    network: String,
    broker: Running,
    broker_name: String,
}

impl Site {
    fn new() -> Self {
        let world = World::new();
        fs::create_dir_all(world.path("reports")).expect("a directory");
        // The image's user is nobody here.
        fs::set_permissions(world.path("reports"), PermissionsExt::from_mode(0o777)).expect("it is ours");
        let (network, broker_name) = (docker::name("network"), docker::name("broker"));
        docker(&["network", "create", &network]);
        let broker = docker::start(
            &docker::images().rabbitmq,
            &[],
            |image| image.with_exposed_port(PORT).with_wait_for(WaitFor::message_on_stdout(READY)),
            |image| image.with_container_name(&broker_name).with_network(&network),
        );
        Self { world, network, broker, broker_name }
    }

    /// A container of our image; `ready` is what it says on stderr once it works.
    fn role(&self, ready: Option<&str>, arguments: &[&str]) -> Running {
        let broker = format!("amqp://guest:guest@{}:{PORT}/%2f?heartbeat=2", self.broker_name);
        let mount = |name: &str| self.world.path(name).display().to_string();
        docker::start(
            docker::packhorse_image(),
            arguments,
            |image| {
                let image = image.with_env_var("PACKHORSE_BROKER", broker);
                let image = image.with_volume(mount("t"), "/t:ro").with_volume(mount("reports"), "/output");
                match ready {
                    Some(text) => image.with_wait_for(WaitFor::message_on_stderr(text)),
                    None => image,
                }
            },
            |image| image.with_container_name(docker::name("role")).with_network(&self.network),
        )
    }

    fn consumer(&self) -> Running {
        let arguments = ["consumer", "--root", "t=/t", "--slots", "1", "--heartbeat", "1"];
        self.role(Some("The consumer is ready."), &arguments)
    }

    fn producer(&self, job: &str) -> Running {
        self.role(None, &["producer", "sha1", "t", "--job", job])
    }

    /// Waits until the job has come this far.
    fn reaches(&self, reducer: &Running, job: &str, goal: u64) {
        eventually(&format!("{goal} items of {job}"), || {
            let jobs = docker(&["exec", reducer.id(), "packhorse", "jobs", "--json"]);
            let jobs = jobs.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let done = jobs.into_iter().find(|status| status["job"] == job)?["counts"]["items_done"].as_u64()?;
            (done >= goal).then_some(())
        });
    }

    /// Waits for a producer's end; its job went well.
    fn ends(&self, producer: &Running) -> String {
        let code = docker(&["wait", producer.id()]);
        let output = std::process::Command::new("docker").args(["logs", producer.id()]).output().expect("docker runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code, "0", "{said}");
        said
    }

    fn report(&self, job: &str) -> Vec<u8> {
        let path = self.world.path(format!("reports/{job}.txt"));
        eventually(&format!("{}", path.display()), || fs::read(&path).ok())
    }
}

#[test]
fn killed_cut_off_and_restarted_containers_leave_the_same_manifest() {
    let site = Site::new();
    const FILES: u64 = 160;
    for number in 0..FILES {
        // One task each, and a second of work for a handful.
        site.world.sparse(&format!("t/{number:03}"), (32 << 20) + number);
    }
    let wanted = thread::scope(|scope| {
        let wanted = scope.spawn(|| site.world.sha1sum(&["t"]));
        let reducer = site.role(Some("The reducer is ready."), &["reducer", "--output-dir", "/output"]);
        let [killed, cut_off, third] = [(); 3].map(|()| site.consumer());
        let producer = site.producer("faults");

        site.reaches(&reducer, "faults", 5);
        docker(&["kill", killed.id()]);
        docker(&["network", "disconnect", &site.network, cut_off.id()]);
        site.reaches(&reducer, "faults", 20);
        docker(&["restart", site.broker.id()]);
        docker(&["network", "connect", &site.network, cut_off.id()]);
        let said = site.ends(&producer);
        assert!(said.contains(&format!("items   {FILES} planned, {FILES} done, 0 failed")), "{said}");
        assert!(!said.contains("; 0 redelivered, 0 sent again"), "no fault met the job: {said}");

        // What was cut off works again: there is nobody else.
        docker(&["kill", third.id()]);
        site.ends(&site.producer("after"));
        wanted.join().expect("sha1sum runs")
    });
    assert_same(&site.report("faults"), &wanted);
    assert_same(&site.report("after"), &wanted);
}

#[test]
fn the_image_runs_as_nobody_and_tells_its_health() {
    let site = Site::new();
    site.world.file("t/a", "a");
    let reducer = site.role(Some("The reducer is ready."), &["reducer", "--output-dir", "/output", "--heartbeat", "1"]);
    let consumer = site.consumer();
    for role in [&reducer, &consumer] {
        assert_eq!(docker(&["exec", role.id(), "id", "-u"]), "10001");
        let healthy = eventually("a heartbeat", || {
            let check = ["exec", role.id(), "packhorse", "health"];
            let output = std::process::Command::new("docker").args(check).output().expect("docker runs");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        });
        assert!(healthy.contains("process 1"), "{healthy}");
    }
    docker(&["network", "disconnect", &site.network, consumer.id()]);
    eventually("a consumer that is cut off is unhealthy", || {
        let check = ["exec", consumer.id(), "packhorse", "health"];
        let output = std::process::Command::new("docker").args(check).output().expect("docker runs");
        (output.status.code() == Some(1)).then_some(())
    });
    // SIGTERM reaches the role, which is the container's first process.
    docker(&["stop", "--time", "10", reducer.id()]);
    assert_eq!(docker(&["inspect", "--format", "{{.State.ExitCode}}", reducer.id()]), "0");
    let bytes: u64 =
        docker(&["image", "inspect", "--format", "{{.Size}}", docker::packhorse_image()]).parse().expect("a size");
    let base: u64 =
        docker(&["image", "inspect", "--format", "{{.Size}}", &docker::images().runtime]).parse().expect("a size");
    assert!(bytes - base < 40 << 20, "the image adds {} bytes to its base", bytes - base);
}
