//! Consumers whose copies of a tree differ from the one that was planned.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::cluster::Cluster;
use crate::world::{CONSUMER, Done, PACKHORSE, Process, assert_same};

/// A long time before any plan.
const OLD: Duration = Duration::from_secs(1_577_836_800);

/// A consumer of the root `t`, in this directory.
fn consumer(cluster: &Cluster, directory: &str, more: &[&str]) -> Process {
    let root = format!("t={directory}");
    cluster.ready(CONSUMER, &[&["--root", &root, "--heartbeat", "1", "-j", "1"], more].concat())
}

/// Sets a file's modification time.
fn date(cluster: &Cluster, name: &str, time: SystemTime) {
    fs::File::options().write(true).open(cluster.world.path(name)).and_then(|f| f.set_modified(time)).expect("dated");
}

/// Two directories of 40 files each, alike, also in their times.
fn copies(cluster: &Cluster) {
    for number in 0..40 {
        for directory in ["t", "copy"] {
            let name = format!("{directory}/{number:02}");
            cluster.world.file(&name, format!("content {number}"));
            date(cluster, &name, SystemTime::UNIX_EPOCH + OLD);
        }
    }
}

fn run(cluster: &Cluster, job: &str, more: &[&str]) -> Done {
    cluster.producer(&[&["t", "--job", job], more].concat()).wait()
}

fn count(cluster: &Cluster, job: &str, what: &str) -> u64 {
    // What is nothing is left out.
    cluster.status(job).expect("it is known")["counts"][what].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn a_copy_that_lags_is_not_taken_for_what_was_planned() {
    let cluster = Cluster::new().await;
    copies(&cluster);
    cluster.world.file("t/07", "new, and longer than it was before");
    let wanted = cluster.world.sha1sum(&["t"]);
    let (reducer, lagging) = (cluster.reducer(&[]), consumer(&cluster, "copy", &[]));
    // Nobody else is there to ask.
    let done = run(&cluster, "alone", &[]).exits(1);
    assert!(done.err.contains("t/07: on "), "{}", done.err);
    assert!(done.err.contains("it has 9 bytes here, and 34 where it was planned"), "{}", done.err);
    let words = cluster.start(crate::world::PRODUCER, ["words", "t", "--job", "words"]).wait().exits(1);
    assert!(words.err.contains("it has 9 bytes here, and 34 where it was planned"), "{}", words.err);
    // The one with the file gets that file alone.
    let whole = consumer(&cluster, "t", &[]);
    for job in ["one", "two", "three"] {
        run(&cluster, job, &[]).exits(0);
        assert_same(&cluster.report(job), &wanted);
    }
    whole.stop().exits(0);
    lagging.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn an_older_or_a_newer_file_of_the_same_size_is_another_file() {
    let cluster = Cluster::new().await;
    copies(&cluster);
    date(&cluster, "copy/03", SystemTime::UNIX_EPOCH + OLD - Duration::from_nanos(1));
    date(&cluster, "copy/04", SystemTime::now() + Duration::from_secs(3_600));
    let (reducer, lagging) = (cluster.reducer(&[]), consumer(&cluster, "copy", &[]));
    let done = run(&cluster, "alone", &[]).exits(1);
    let told = |name: &str| done.err.lines().find(|line| line.contains(name)).expect("it failed").to_owned();
    assert!(told("t/03").contains("modified at 2019-12-31T23:59:59.999999999Z here, and at 2020-01-01T00:00:00Z"));
    assert!(told("t/03").contains("this copy is older; its root there is on "), "{}", told("t/03"));
    assert!(told("t/04").contains("this copy was changed after that"), "{}", told("t/04"));
    assert_eq!(count(&cluster, "alone", "items_failed"), 2);
    // Whoever knows that times mean nothing there says so.
    lagging.stop().exits(0);
    let trusting = consumer(&cluster, "copy", &["--ignore-times"]);
    run(&cluster, "sizes", &[]).exits(0);
    assert_eq!(count(&cluster, "sizes", "items_untimed"), 0);
    trusting.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn a_copy_without_times_is_taken_and_counted_unless_times_are_to_be_the_same() {
    let cluster = Cluster::new().await;
    copies(&cluster);
    for number in 0..10 {
        date(&cluster, &format!("copy/{number:02}"), SystemTime::now());
    }
    let (reducer, consumer) = (cluster.reducer(&[]), consumer(&cluster, "copy", &[]));
    let done = run(&cluster, "loose", &[]).exits(0);
    assert_same(&cluster.report("loose"), &cluster.world.sha1sum(&["t"]));
    assert!(done.err.contains("untimed 10 items"), "{}", done.err);
    assert_eq!(count(&cluster, "loose", "items_untimed"), 10);
    let done = run(&cluster, "strict", &["--strict-times"]).exits(1);
    assert_eq!((count(&cluster, "strict", "items_failed"), count(&cluster, "strict", "items_untimed")), (10, 0));
    assert!(done.err.contains("the job asks for the very same time"), "{}", done.err);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// As where a file system is not mounted on one machine.
#[tokio::test]
async fn what_is_missing_on_one_consumer_is_asked_of_another() {
    let cluster = Cluster::new().await;
    for number in 0..3_000 {
        cluster.world.file(format!("t/{:02}/{number:04}", number / 100), format!("content {number}"));
    }
    for number in 0..15 {
        cluster.world.file(format!("half/{number:02}/other"), "something else");
    }
    cluster.world.file("half/mounted", "not much");
    // Something else in a file's place, and on the way to some.
    fs::create_dir_all(cluster.world.path("half/20/2000")).expect("made");
    cluster.world.file("half/21", "no directory");
    std::os::unix::fs::symlink("20", cluster.world.path("half/22")).expect("made");
    let wanted = cluster.world.sha1sum(&["t"]);
    let (reducer, poor) = (cluster.reducer(&[]), consumer(&cluster, "half", &[]));
    let rich = consumer(&cluster, "t", &[]);
    for job in ["one", "two"] {
        run(&cluster, job, &[]).exits(0);
        assert_same(&cluster.report(job), &wanted);
    }
    // Where nothing is mounted at all.
    fs::create_dir(cluster.world.path("none")).expect("made");
    let empty = [(); 2].map(|()| consumer(&cluster, "none", &[]));
    for job in ["three", "four"] {
        run(&cluster, job, &[]).exits(0);
        assert_same(&cluster.report(job), &wanted);
    }
    let doctor = cluster.run(PACKHORSE, ["doctor", "--role", "consumer"]);
    let said = String::from_utf8_lossy(&doctor.out).into_owned();
    assert!(said.contains("root t is not the same everywhere: "), "{said}");
    assert!(said.contains(" has it an empty directory on "), "{said}");
    for role in empty.into_iter().chain([rich]) {
        role.stop().exits(0);
    }
    let done = run(&cluster, "poor", &[]).exits(1);
    assert!(done.err.contains("(vanished after it was listed, or was never there)"), "{}", done.err);
    assert_eq!(count(&cluster, "poor", "items_failed"), 3_000);
    poor.stop().exits(0);
    reducer.stop().exits(0);
}
