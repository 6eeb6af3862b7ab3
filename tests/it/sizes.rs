//! A broker that takes smaller messages than roles send: what can be cut is cut, what cannot fails alone, and the
//! broker's words say why.

use std::fs;

use crate::broker;
use crate::cluster::Cluster;
use crate::world::{PACKHORSE, PRODUCER, REDUCER, assert_same};

/// Below what one part of an answer, one task and one piece of a report may have.
const LIMIT: usize = 200_000;

/// In the words of the broker.
const REFUSED: &str = "is larger than configured max size 200000";

async fn small() -> Cluster {
    Cluster::around(broker::configured(format!("max_message_size = {LIMIT}\n")).await)
}

/// Distinct words of about `bytes` bytes, a line each, and the lines of their frequencies.
fn words(bytes: usize) -> (String, Vec<String>) {
    let words: Vec<String> = (0..bytes / 20).map(|number| format!("word-{number:014}")).collect();
    (words.join("\n") + "\n", words.iter().map(|word| format!("1\t{word}")).collect())
}

#[tokio::test]
async fn parts_become_smaller_and_an_item_whose_part_cannot_fails_alone() {
    let cluster = small().await;
    let world = &cluster.world;
    let (text, mut lines) = words(1_400_000);
    world.file("t/large", text);
    world.file("t/small", "zebra\n");
    lines.push("1\tzebra".to_owned());
    lines.push(String::new());
    let frequencies = lines.join("\n");
    let (_reducer, _consumer) = (cluster.reducer(&["--output-dir", "reports"]), cluster.consumer(&[]));
    cluster.run(PRODUCER, ["words", "t", "--frequencies", "--job", "whole"]).exits(0);
    let status = cluster.status("whole").expect("it is known");
    assert_eq!((&status["counts"]["items_failed"], &status["counts"]["resends"]), (&0.into(), &0.into()));
    assert_same(&fs::read(world.path("reports/whole.frequencies")).expect("a report"), frequencies.as_bytes());

    world.file("t/long", format!("seen {} after\n", "x".repeat(LIMIT + 1)));
    let done = cluster.run(PACKHORSE, ["words", "t", "--frequencies", "f", "-q"]).exits(1);
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    assert!(
        done.err.contains("t/long: a part of its answer cannot be sent") && done.err.contains(REFUSED),
        "{}",
        done.err
    );
    assert_same(&fs::read(world.path("f")).expect("a report"), frequencies.as_bytes());
}

#[tokio::test]
async fn a_task_that_is_too_large_is_named_and_keeps_nobody_else() {
    let cluster = small().await;
    let world = &cluster.world;
    // The tasks of a job grow; from the sixth or so on they are too large.
    for number in 0..2_000 {
        world.file(format!("t/{}/{number:04}{}", "d".repeat(150), "n".repeat(240)), number.to_string());
    }
    let (_reducer, _consumer) = (cluster.reducer(&[]), cluster.consumer(&[]));
    let done = cluster.run(PACKHORSE, ["sha1", "t"]).exits(1);
    let is_named = |line: &&str| line.starts_with("packhorse: t/") && line.contains(REFUSED);
    let failed: Vec<&str> = done.err.lines().filter(is_named).collect();
    let found = done.out.split(|&byte| byte == b'\n').count() - 1;
    assert!(!failed.is_empty() && found > 100 && found + failed.len() == 2_000, "{found} of {}", failed.len());
    assert!(failed[0].contains("its message was refused: the broker takes no message of"), "{}", failed[0]);

    let done = cluster.run(PRODUCER, ["sha1", "t", "--job", "large"]).exits(3);
    assert!(done.err.contains("task large.") && done.err.contains(REFUSED), "{}", done.err);
    // The reducer is there for others, and its reports come in pieces that the broker takes.
    fs::remove_dir_all(world.path("t")).expect("it is ours");
    world.tree("t", 5_000);
    let wanted = world.sha1sum(&["t"]);
    cluster.run(PRODUCER, ["sha1", "t", "--job", "next"]).exits(0);
    assert!(wanted.len() > LIMIT);
    assert_same(&cluster.run(REDUCER, ["--job", "next"]).exits(0).out, &wanted);
}
