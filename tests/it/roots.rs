//! Consumers whose roots are replaced, mounted late, or away: what is there now is read, or the reason told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::cluster::Cluster;
use crate::world::{CONSUMER, PACKHORSE, Process, World, assert_same, eventually};

/// Larger than anyone reads: its reader is there until the file is cut.
const ENDLESS: u64 = 1 << 40;

/// Of a file that is read to its end, in bytes.
const LONG: u64 = 4 << 30;

/// Two releases with files of the same names, and a link `t` to the first.
fn releases(world: &World) {
    for name in ["one", "two"] {
        for number in 0..40 {
            world.file(format!("{name}/{number:02}"), format!("{name} {number}"));
        }
    }
    symlink("one", world.path("t")).expect("made");
}

/// A file that a task of the first release is at for a second or more. It has that size in both: another size would be
/// another file.
fn held(world: &World) -> std::path::PathBuf {
    world.sparse("two/00", LONG);
    world.sparse("one/00", LONG)
}

/// As `ln -sfn` does.
fn release(world: &World, name: &str) {
    symlink(name, world.path("next")).and_then(|()| fs::rename(world.path("next"), world.path("t"))).expect("made");
}

fn reports_what_is_there(cluster: &Cluster, job: &str) {
    cluster.producer(&["t", "--job", job]).wait().exits(0);
    assert_same(&cluster.report(job), &cluster.world.sha1sum(&["t/"]));
}

#[tokio::test]
async fn a_consumer_reads_what_its_root_is_now() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    releases(world);
    let (reducer, consumer) = (cluster.reducer(&[]), cluster.consumer(&["-j", "2"]));
    reports_what_is_there(&cluster, "first");
    release(world, "two");
    reports_what_is_there(&cluster, "linked");
    fs::rename(world.path("two"), world.path("gone")).expect("renamed");
    world.file("two/new", "a new tree");
    reports_what_is_there(&cluster, "renamed");
    assert_eq!(cluster.status("renamed").expect("it is known")["counts"]["items_done"], 1);
    // Idle, it keeps none of them from being unmounted.
    for name in ["one", "two", "gone"] {
        assert!(!consumer.has_open(world.path(name)), "{name}");
    }
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn a_root_that_is_replaced_while_a_task_reads_it_is_read_again() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    releases(world);
    let held = held(world);
    let (reducer, consumer) = (cluster.reducer(&[]), cluster.consumer(&["-j", "1"]));
    let producer = cluster.producer(&["t", "--job", "j"]);
    consumer.reads(&held);
    cluster.reaches("j", "tasks_planned", 2);
    release(world, "two");
    producer.wait().exits(0);
    assert_same(&cluster.report("j"), &world.sha1sum(&["t/"]));
    let status = cluster.status("j").expect("it is known");
    assert!(status["counts"]["resends"].as_u64() > Some(0), "{status}");
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

#[tokio::test]
async fn a_root_that_goes_away_is_told_and_one_that_comes_back_serves_again() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    releases(world);
    let (reducer, consumer) = (cluster.reducer(&[]), cluster.consumer(&["-j", "2"]));
    let wanted = world.sha1sum(&["t/"]);
    // The producer has its own way there.
    let plan = |job: &str| cluster.producer(&["t=one", "--job", job]);
    fs::remove_file(world.path("t")).expect("removed");
    let waiting = plan("waits");
    consumer.says("A root cannot be reached: its tasks wait, and then fail.");
    symlink("one", world.path("t")).expect("made");
    waiting.wait().exits(0);
    consumer.says("The root is back.");
    let lines =
        |text: &[u8]| String::from_utf8_lossy(text).lines().map(|line| line[..40].to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&cluster.report("waits")), lines(&wanted));
    // A directory without anything is where something is to be mounted.
    fs::remove_file(world.path("t")).and_then(|()| fs::create_dir(world.path("t"))).expect("made");
    let done = plan("empty").wait().exits(1);
    assert!(done.err.contains("t is an empty directory; is it mounted?"), "{}", done.err);
    assert!(!done.err.contains("vanished"), "{}", done.err);
    // At the start it has to be there.
    let done = cluster.run(CONSUMER, ["--root", "t=none"]).exits(2);
    assert!(done.err.contains("cannot serve root \"t\" from none: No such file or directory"), "{}", done.err);
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// A consumer in a mount namespace of its own, in which a file system comes over its root when a file `go`
/// appears.
fn mounted_late(cluster: &Cluster) -> Process {
    let script = r#""$0" --root t=t --heartbeat 1 & consumer=$!
        trap 'kill $consumer; wait $consumer; exit' TERM
        until [ -e go ]; do sleep 0.05; done
        mount -t tmpfs tmpfs t && cp -r mounted/. t && touch gone; wait $consumer"#;
    let switch = ["--map-root-user", "--mount", "sh", "-c", script, CONSUMER];
    let process = cluster.start("unshare", switch);
    process.says("The consumer is ready.");
    process
}

#[tokio::test]
async fn a_file_system_that_is_mounted_over_a_root_is_read() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    world.file("t/only/below", "not to be seen");
    for number in 0..20 {
        world.file(format!("mounted/{number:02}"), format!("mounted {number}"));
    }
    let (reducer, consumer) = (cluster.reducer(&[]), mounted_late(&cluster));
    world.file("go", "");
    eventually("it is mounted", || world.path("gone").exists().then_some(()));
    cluster.producer(&["t=mounted", "--job", "j"]).wait().exits(0);
    assert_same(&cluster.report("j"), &world.sha1sum(&["mounted"]));
    consumer.stop();
    reducer.stop().exits(0);
}

/// In isolation, too, whose process gets the directory from its parent.
#[tokio::test]
async fn an_isolated_task_reads_what_its_root_is_now() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    releases(world);
    let reducer = cluster.reducer(&[]);
    let consumer = cluster.consumer(&["-j", "1"]);
    let held = held(world);
    let producer = cluster.producer(&["t", "--job", "j"]);
    // Each death counts as if it had been of the task, so that the third try is isolated.
    let mut consumer = consumer;
    for _ in 0..2 {
        consumer.reads(&held);
        consumer.kill();
        consumer = cluster.consumer(&["-j", "1"]);
    }
    consumer.says("is done item by item in isolation");
    eventually("its child reads", || (!crate::world::holders(&held).is_empty()).then_some(()));
    release(world, "two");
    producer.wait().exits(0);
    assert_same(&cluster.report("j"), &world.sha1sum(&["t/"]));
    consumer.stop().exits(0);
    reducer.stop().exits(0);
}

/// Walk and work are of one tree, or the command says that they were not.
#[test]
fn a_command_never_mixes_two_trees() {
    let world = World::new();
    releases(&world);
    let held = world.sparse("one/00", ENDLESS);
    let run = world.command(PACKHORSE, ["sha1", "-q", "-j", "1", "t"]).start();
    run.reads(&held);
    release(&world, "two");
    fs::File::options().write(true).open(&held).and_then(|file| file.set_len(0)).expect("cut");
    let done = run.wait().exits(1);
    assert!(done.err.contains("t is another directory than when the command began"), "{}", done.err);
    let second = String::from_utf8_lossy(&world.sha1sum(&["t/"])).into_owned();
    let of_second = |line: &&str| second.lines().any(|other| other[..40] == line[..40]);
    let text = String::from_utf8_lossy(&done.out).into_owned();
    assert_eq!(text.lines().filter(of_second).count(), 0, "{text}");
}

/// A shell expands one pattern to more directories than a process may have open.
#[test]
fn files_in_more_directories_than_may_be_open_are_read() {
    let world = World::new();
    let names: Vec<String> = (0..700).map(|number| format!("{number:03}/f")).collect();
    for name in &names {
        world.file(name, name);
    }
    let wanted = world.command("sha1sum", &names).done().exits(0).out;
    let script = r#"ulimit -n 500; "$0" sha1 -q "$@""#;
    let args = ["-c", script, PACKHORSE].into_iter().chain(names.iter().map(String::as_str));
    assert_same(&world.command("bash", args).done().exits(0).out, &wanted);
    assert!(Path::new(&world.path("000")).is_dir());
}
