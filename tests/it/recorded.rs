//! What the commands print for thirty jobs, compared with what is recorded in `recorded/`, but for
//! times, ids and places. A redesign that is to change nothing for users leaves all of it as it is.
//!
//! Each job is a script, `NAME.sh`, and what it prints is in `NAME.txt`. `PACKHORSE_RECORD=1` writes
//! these files instead of comparing: look at the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::broker::{self, docker::root};
use crate::horse_rider::example;
use crate::world::{PACKHORSE, World};

/// Jobs at a time: they wait more than they compute.
const THREADS: usize = 4;

fn folder() -> PathBuf {
    root().join("tests/it/recorded")
}

fn scripts(kind: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder().join(kind)).expect("recorded jobs").map(|entry| entry.expect("an entry").path());
    let mut scripts: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "sh")).collect();
    scripts.sort();
    scripts
}

/// What a script prints, without what differs from run to run.
fn printed(script: &Path, broker: Option<&str>) -> Vec<u8> {
    let world = World::new();
    let beside = |program: &Path| program.parent().expect("a directory").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let commands = [beside(Path::new(PACKHORSE)), beside(example())];
    let path = std::env::join_paths(commands.into_iter().chain(std::env::split_paths(&path))).expect("a search path");
    let text = r#"
        work=$PWD home=$HOME
        (. "$0/lib.sh"; . "$1") 2>&1 | LC_ALL=C sed -E -e "s#$work#DIR#g" -e "s#$home#HOME#g" \
            -e "s/\b$(uname -n)\b/HOST/g" -f "$0/plain.sed""#;
    let run = world.command("bash", [Path::new("-c"), Path::new(text), &folder(), script]);
    let run = run.env("PATH", path).env("LC_ALL", "C.UTF-8");
    let run = if let Some(broker) = broker { run.env("PACKHORSE_BROKER", broker) } else { run };
    run.done().exits(0).out
}

/// The first line that differs from the record, if any does.
fn difference(script: &Path, broker: Option<&str>) -> Option<String> {
    let (printed, record) = (printed(script, broker), script.with_extension("txt"));
    if std::env::var_os("PACKHORSE_RECORD").is_some() {
        fs::write(record, printed).expect("recorded");
        return None;
    }
    let recorded = fs::read(&record).unwrap_or_default();
    let lines =
        |text: &[u8]| text.split(|&byte| byte == b'\n').map(<[u8]>::escape_ascii).map(|l| l.to_string()).collect();
    let (found, wanted): (Vec<_>, Vec<_>) = (lines(&printed), lines(&recorded));
    let at = (0..found.len().max(wanted.len())).find(|&at| found.get(at) != wanted.get(at))?;
    let (found, wanted) = (found.get(at), wanted.get(at));
    Some(format!("{}, line {}:\n  printed  {found:?}\n  recorded {wanted:?}", record.display(), at + 1))
}

/// Compares all jobs of a kind; each has a broker of its own from `brokers`, if it needs one.
fn compare(kind: &str, brokers: &[String]) {
    let jobs: Vec<_> = scripts(kind).into_iter().enumerate().collect();
    assert!(jobs.len() > 10, "recorded jobs of kind {kind}");
    let (waiting, differences) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    let work = || {
        while let Some((number, script)) = { waiting.lock().expect("no panic under it").pop() } {
            let found = difference(&script, brokers.get(number).map(String::as_str));
            differences.lock().expect("no panic under it").extend(found);
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    let differences = differences.into_inner().expect("no panic under it");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn jobs_in_one_process_print_what_is_recorded() {
    compare("alone", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_over_a_broker_print_what_is_recorded() {
    let (mut hosts, mut urls) = (Vec::new(), Vec::new());
    for _ in scripts("broker") {
        let host = broker::shared().await;
        urls.push(host.url().to_string().replace("***", "guest"));
        hosts.push(host);
    }
    tokio::task::spawn_blocking(move || compare("broker", &urls)).await.expect("all is as recorded");
}
