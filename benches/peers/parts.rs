//! What is measured, and against which target.

use std::cell::RefCell;
use std::path::Path;
use std::time::Instant;

use crate::Settings;
use crate::calls;
use crate::corpus;
use crate::measure::{Figures, in_turn, packhorse, run, run_watched, shell};
use crate::node::Node;
use crate::peers::{self, Peer};
use crate::row::Row;

/// Limit in MiB for each role, whatever the number of files.
const MEMORY_MAX: f64 = 150.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Small,
    Big,
    /// Small and large files over RabbitMQ.
    Rabbit,
    Words,
    Frequencies,
    WordsRabbit,
    Memory,
    Latency,
    /// Calls of a pool in one process.
    Calls,
    CallsRabbit,
    /// A consumer is killed while it has calls.
    CallsKilled,
    /// One call after the other.
    CallLatency,
}

impl Part {
    /// Every part, in the order of the report.
    pub const ALL: [Self; 12] = [
        Self::Small,
        Self::Big,
        Self::Rabbit,
        Self::Words,
        Self::Frequencies,
        Self::WordsRabbit,
        Self::Memory,
        Self::Latency,
        Self::Calls,
        Self::CallsRabbit,
        Self::CallsKilled,
        Self::CallLatency,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Big => "big",
            Self::Rabbit => "rabbit",
            Self::Words => "words",
            Self::Frequencies => "frequencies",
            Self::WordsRabbit => "words-rabbit",
            Self::Memory => "memory",
            Self::Latency => "latency",
            Self::Calls => "calls",
            Self::CallsRabbit => "calls-rabbit",
            Self::CallsKilled => "calls-killed",
            Self::CallLatency => "call-latency",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Small => "Small files, one process",
            Self::Big => "Big files, one process",
            Self::Rabbit => "Over RabbitMQ",
            Self::Words => "Lines, words and bytes of 512 MiB of text",
            Self::Frequencies => "How often each word occurs in 512 MiB of text",
            Self::WordsRabbit => "Words over RabbitMQ",
            Self::Memory => "Memory",
            Self::Latency => "One small file",
            Self::Calls => "Calls that do nothing, one machine",
            Self::CallsRabbit => "Calls that do nothing, over RabbitMQ",
            Self::CallsKilled => "Calls while a consumer is killed",
            Self::CallLatency => "One call after the other, over RabbitMQ",
        }
    }

    /// What a reader has to know of the contestants.
    pub const fn note(self) -> &'static str {
        match self {
            Self::Calls => calls::NOTE,
            Self::CallsRabbit => calls::NOTE_RABBIT,
            Self::CallsKilled => calls::NOTE_KILLED,
            Self::CallLatency => calls::NOTE_LATENCY,
            _ => "",
        }
    }

    pub fn run(self, settings: &Settings) -> Vec<Row> {
        eprintln!("part {}", self.name());
        match self {
            Self::Small => small(settings),
            Self::Big => big(settings),
            Self::Rabbit => rabbit(settings),
            Self::Words => words(settings),
            Self::Frequencies => frequencies(settings),
            Self::WordsRabbit => words_rabbit(settings),
            Self::Memory => memory(settings),
            Self::Latency => latency(settings),
            Self::Calls => calls::embedded(settings),
            Self::CallsRabbit => calls::rabbit(settings),
            Self::CallsKilled => calls::killed(settings),
            Self::CallLatency => calls::latency(settings),
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("PACKHORSE_BENCH_DIR is UTF-8")
}

fn small(settings: &Settings) -> Vec<Row> {
    let files = corpus::small(settings);
    let rows = contest(settings, "sha1", &files, peers::small_files(settings));
    assert_eq!(sorted_lines(&settings.out(0)), sorted_lines(&settings.out(1)), "sha1sum prints the same digests");
    rows
}

fn big(settings: &Settings) -> Vec<Row> {
    contest(settings, "sha1", &corpus::big(settings), peers::big_files(settings))
}

fn words(settings: &Settings) -> Vec<Row> {
    contest(settings, "words", &corpus::text(settings), peers::words(settings))
}

fn frequencies(settings: &Settings) -> Vec<Row> {
    let (files, ours) = (corpus::text(settings), settings.directory.join("frequencies"));
    let peers = peers::installed(peers::frequencies(settings));
    let arguments = ["words", text(&files), "--frequencies", text(&ours)];
    let rows = turns(settings, "packhorse words --frequencies FILE", &arguments, &files, &peers);
    let theirs = std::fs::read(settings.out(1)).expect("it was written");
    assert!(peers.is_empty() || std::fs::read(&ours).expect("it was written") == theirs, "awk counts the same");
    rows
}

/// Measures Packhorse and every installed peer on the same files.
fn contest(settings: &Settings, command: &str, files: &Path, all: Vec<Peer>) -> Vec<Row> {
    turns(settings, &format!("packhorse {command}"), &[command, text(files)], files, &peers::installed(all))
}

fn turns(settings: &Settings, name: &str, arguments: &[&str], files: &Path, peers: &[Peer]) -> Vec<Row> {
    let ours = || run(packhorse(arguments), &settings.out(0));
    let theirs: Vec<Box<dyn Fn()>> = (1..)
        .zip(peers)
        .map(|(at, peer)| Box::new(move || run(shell(&peer.script, files), &settings.out(at))) as Box<dyn Fn()>)
        .collect();
    let contestants: Vec<&dyn Fn()> =
        std::iter::once(&ours as &dyn Fn()).chain(theirs.iter().map(|peer| &**peer)).collect();
    let figures = in_turn(settings.rounds, &contestants);
    let mut rows = vec![Row::seconds(name, &figures[0])];
    for (peer, seconds) in peers.iter().zip(&figures[1..]) {
        rows.push(Row::seconds(&peer.shown(), seconds));
        rows.push(Row::ratio("packhorse / that", &figures[0], seconds, peer.limit));
    }
    rows
}

/// Processes that run at the same time print in any order; sha1sum writes whole lines for this very
/// reason.
fn sorted_lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).expect("it was written");
    let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.sort();
    lines
}

fn rabbit(settings: &Settings) -> Vec<Row> {
    let node = Node::start();
    let mut rows = remote(settings, &node, "small files", &["sha1"], &corpus::small(settings), 1.6);
    rows.extend(remote(settings, &node, "big files", &["sha1"], &corpus::big(settings), 1.25));
    rows
}

fn words_rabbit(settings: &Settings) -> Vec<Row> {
    let (node, files, out) = (Node::start(), corpus::text(settings), settings.directory.join("frequencies"));
    let mut rows = remote(settings, &node, "words", &["words"], &files, 1.25);
    // The fixed cost of a broker, some 30 ms, weighs less the more there is to do.
    let more = corpus::text_again(settings);
    rows.extend(remote(settings, &node, "words, 8 times as much text", &["words"], &more, 1.25));
    rows.extend(remote(settings, &node, "frequencies", &["words", "--frequencies", text(&out)], &files, 1.25));
    rows
}

/// The same command embedded, and over RabbitMQ with two consumers of one slot each.
fn remote(settings: &Settings, node: &Node, name: &str, command: &[&str], files: &Path, limit: f64) -> Vec<Row> {
    let root = format!("files={}", text(files));
    let _consumers = [(); 2].map(|()| node.role(&["consumer", "-j1", "--root", &root]));
    let embedded = || run(packhorse(&[command, &[text(files)]].concat()), &settings.out(0));
    let remote = || {
        let mut command = packhorse(&[command, &[&root]].concat());
        command.env("PACKHORSE_BROKER", &node.url);
        run(command, &settings.out(1));
    };
    let figures = in_turn(settings.rounds, &[&embedded, &remote]);
    vec![
        Row::seconds(&format!("{name}, embedded"), &figures[0]),
        Row::seconds(&format!("{name}, RabbitMQ, 2 consumers with -j1"), &figures[1]),
        Row::ratio(&format!("{name}, RabbitMQ / embedded"), &figures[1], &figures[0], Some(limit)),
    ]
}

fn memory(settings: &Settings) -> Vec<Row> {
    let node = Node::start();
    let mut rows = Vec::new();
    for full in [100_000, 1_000_000] {
        let files = corpus::tiny(settings, full);
        let count = settings.scaled(full);
        let out = settings.directory.join("out");
        let embedded = run_watched(packhorse(&["sha1", text(&files)]), &out);
        rows.push(Row::mebibytes(&format!("{count} files, packhorse sha1 (one process)"), embedded, MEMORY_MAX));

        // Each size gets fresh roles, because a peak includes all earlier work.
        let state = tempfile::tempdir_in(&settings.directory).expect("a directory for the state");
        let state_file = state.path().join("main.sqlite");
        let root = format!("files={}", text(&files));
        let reducer = node.role(&["reducer", "--state", text(&state_file)]);
        let consumer = node.role(&["consumer", "--workload", "digest", "--root", &root]);
        let mut command = packhorse(&["producer", "sha1", &root]);
        command.env("PACKHORSE_BROKER", &node.url);
        let producer = run_watched(command, &out);
        for (role, peak) in [("producer", producer), ("reducer", reducer.peak()), ("consumer", consumer.peak())] {
            rows.push(Row::mebibytes(&format!("{count} files, {role} over RabbitMQ"), peak, MEMORY_MAX));
        }
    }
    rows
}

fn latency(settings: &Settings) -> Vec<Row> {
    let file = corpus::one(settings);
    let out = settings.directory.join("out");
    let millis = RefCell::new(Vec::new());
    for round in 0..=50 {
        let started = Instant::now();
        run(packhorse(&["sha1", text(&file)]), &out);
        if round > 0 {
            millis.borrow_mut().push(started.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    vec![Row::millis(
        "packhorse sha1 FILE, 4 KiB, start to finish, 50 times",
        &Figures::new(millis.into_inner()),
        Some(20.0),
    )]
}
