//! Docker for tests: images, and containers that go when this process ends, however it ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use testcontainers::clients::Cli;
use testcontainers::{Container, GenericImage, RunnableImage};

/// Reads to the end of its input, then removes what has names of this process.
const KEEPER: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
docker ps -aq --filter "name=^$PREFIX" | xargs -r docker rm -fv
docker network ls -q --filter "name=^$PREFIX" | xargs -r docker network rm
docker volume ls -q --filter "name=^$PREFIX" | xargs -r docker volume rm
"#;

/// What the tests' images are made from.
#[derive(Debug)]
pub struct Images {
    pub rust: String,
    pub runtime: String,
    pub rabbitmq: String,
}

/// Whether an engine answers.
pub fn is_there() -> bool {
    let mut version = Command::new("docker");
    let done = version.args(["version", "--format", "{{.Server.Version}}"]).stdin(Stdio::null()).output();
    done.is_ok_and(|output| output.status.success())
}

/// Fails where no engine answers.
pub fn demand() {
    assert!(
        is_there(),
        "no Docker engine answers: install docker.io and docker-compose, start dockerd, or run tests/run"
    );
}

/// The official images, or stand-ins where they cannot be pulled.
pub fn images() -> &'static Images {
    static IMAGES: OnceLock<Images> = OnceLock::new();
    IMAGES.get_or_init(|| {
        demand();
        let mut make = Command::new(root().join("tests/images/make"));
        let output = make.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("tests/images/make runs");
        assert!(output.status.success(), "tests/images/make failed");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("tests/images/make prints no {name}")).to_owned()
        };
        Images { rust: value("RUST_IMAGE"), runtime: value("RUNTIME_IMAGE"), rabbitmq: value("RABBITMQ_IMAGE") }
    })
}

/// A Rust image that has compiled the command already; none where that is of no use.
fn built(runtime: &str) -> Option<String> {
    let mut hand_out = Command::new(root().join("tests/images/hand-out"));
    hand_out.args([env!("CARGO_BIN_EXE_packhorse"), runtime]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = hand_out.output().expect("tests/images/hand-out runs");
    assert!(output.status.success(), "tests/images/hand-out failed");
    let image = String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned();
    (!image.is_empty()).then_some(image)
}

/// The image of this source tree, built unless `PACKHORSE_IMAGE` names one. What goes into it is the command
/// that these tests run, too, unless `PACKHORSE_TEST_IMAGE` is `compiled`.
pub fn packhorse_image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        if let Ok(image) = std::env::var("PACKHORSE_IMAGE") {
            return image;
        }
        let (images, image) = (images(), "packhorse-test:latest".to_owned());
        let is_compiled = std::env::var("PACKHORSE_TEST_IMAGE").is_ok_and(|how| how == "compiled");
        let rust = if is_compiled { None } else { built(&images.runtime) };
        let rust = format!("RUST_IMAGE={}", rust.as_ref().unwrap_or(&images.rust));
        let runtime = format!("RUNTIME_IMAGE={}", images.runtime);
        let context = root().display().to_string();
        let dockerfile = root().join("deploy/Dockerfile").display().to_string();
        docker(&[
            "build",
            "--file",
            &dockerfile,
            "--tag",
            &image,
            "--build-arg",
            &rust,
            "--build-arg",
            &runtime,
            // It is to be there soon, not to be fast.
            "--build-arg",
            "CARGO_PROFILE_RELEASE_OPT_LEVEL=1",
            &context,
        ]);
        image
    })
}

/// This source tree.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `docker` to its end and gives what it printed.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().expect("docker runs");
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "docker {arguments:?}: {said}{complaint}");
    said.trim_end().to_owned()
}

/// A program in a running container, which reads this process's input.
pub fn within(container: &str, program: &str) -> Command {
    let mut command = Command::new("docker");
    command.args(["exec", "-i", container, program]);
    command
}

/// A name for a container or a network that goes with this process. Short: it is a host's name, too,
/// and a part of those has at most 63 bytes.
pub fn name(of: &str) -> String {
    static KEEPER_PROCESS: OnceLock<Mutex<Child>> = OnceLock::new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let prefix = format!("packhorse-it-{}-", std::process::id());
    KEEPER_PROCESS.get_or_init(|| {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER]).env("PREFIX", &prefix);
        // The pipe stays open as long as this process lives.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Mutex::new(command.spawn().expect("a shell runs"))
    });
    format!("{prefix}{of}-{}-{}", shared::system::random::token(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Containers are asked for through this.
pub fn client() -> &'static Cli {
    static CLIENT: OnceLock<Cli> = OnceLock::new();
    CLIENT.get_or_init(Cli::default)
}

/// A container that is removed when dropped.
pub type Running = Container<'static, GenericImage>;

/// Starts a container of this image (`NAME:TAG`) under its own name.
pub fn start(
    image: &str,
    arguments: &[&str],
    prepare: impl FnOnce(GenericImage) -> GenericImage,
    settle: impl FnOnce(RunnableImage<GenericImage>) -> RunnableImage<GenericImage>,
) -> Running {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let image = prepare(GenericImage::new(name, tag));
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    client().run(settle(RunnableImage::from((image, arguments))))
}
