//! What is measured, and against which target.

use std::cell::RefCell;
use std::path::Path;
use std::time::Instant;

use crate::Settings;
use crate::corpus;
use crate::it::broker::{self, Broker};
use crate::measure::{Figures, Role, in_turn, packhorse, run, run_watched, shell};
use crate::report::Row;

/// MiB that no role may exceed, whatever the number of files.
const MEMORY_MAX: f64 = 150.0;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Many small files.
    Small,
    /// Few large files.
    Big,
    /// Both over RabbitMQ.
    Rabbit,
    /// Peaks of memory.
    Memory,
    /// One small file.
    Latency,
}

impl Part {
    /// Every part, in the order of the report.
    pub const ALL: [Self; 5] = [Self::Small, Self::Big, Self::Rabbit, Self::Memory, Self::Latency];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Big => "big",
            Self::Rabbit => "rabbit",
            Self::Memory => "memory",
            Self::Latency => "latency",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Small => "Small files, one process",
            Self::Big => "Big files, one process",
            Self::Rabbit => "Over RabbitMQ",
            Self::Memory => "Memory",
            Self::Latency => "One small file",
        }
    }

    /// Measures.
    pub fn run(self, settings: &Settings) -> Vec<Row> {
        eprintln!("part {}", self.name());
        match self {
            Self::Small => small(settings),
            Self::Big => big(settings),
            Self::Rabbit => rabbit(settings),
            Self::Memory => memory(settings),
            Self::Latency => latency(settings),
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("PACKHORSE_BENCH_DIR is UTF-8")
}

fn small(settings: &Settings) -> Vec<Row> {
    let files = corpus::small(settings);
    let (ours, theirs) = (settings.directory.join("ours"), settings.directory.join("theirs"));
    let peer = format!("find \"$1\" -type f -print0 | xargs -0 -P{} -n 256 sha1sum", settings.cores);
    let [packhorse_s, peer_s] = in_turn(
        settings.rounds,
        [&|| run(packhorse(&["sha1", text(&files)]), &ours), &|| run(shell(&peer, &files), &theirs)],
    );
    assert_eq!(sorted_lines(&ours), sorted_lines(&theirs), "both print the same digests");
    let peer = peer.replace("\"$1\" ", "");
    vec![
        Row::seconds("packhorse sha1", &packhorse_s),
        Row::seconds(&peer, &peer_s),
        Row::ratio("packhorse / peer", &packhorse_s, &peer_s, 0.6),
    ]
}

/// Processes that run at the same time print in any order; sha1sum writes whole lines for this very
/// reason.
fn sorted_lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).expect("it was written");
    let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.sort();
    lines
}

fn big(settings: &Settings) -> Vec<Row> {
    let files = corpus::big(settings);
    let out = settings.directory.join("out");
    let peer = format!("find \"$1\" -type f -print0 | xargs -0 -P{} -n 1 openssl sha1", settings.cores);
    let [packhorse_s, peer_s] = in_turn(
        settings.rounds,
        [&|| run(packhorse(&["sha1", text(&files)]), &out), &|| run(shell(&peer, &files), &out)],
    );
    let peer = peer.replace("\"$1\" ", "");
    vec![
        Row::seconds("packhorse sha1", &packhorse_s),
        Row::seconds(&peer, &peer_s),
        Row::ratio("packhorse / peer", &packhorse_s, &peer_s, 1.0),
    ]
}

/// A node of this benchmark's own, with its URL.
struct Node {
    url: String,
    /// Ends with this value.
    _broker: Broker,
}

impl Node {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let broker = runtime.block_on(broker::own());
        // The password of a private node is RabbitMQ's own default, and never shown.
        Self { url: broker.url().to_string().replace("***", "guest"), _broker: broker }
    }

    fn role(&self, arguments: &[&str]) -> Role {
        let mut command = packhorse(arguments);
        command.env("PACKHORSE_BROKER", &self.url);
        Role::start(command)
    }
}

fn rabbit(settings: &Settings) -> Vec<Row> {
    let node = Node::start();
    let mut rows = Vec::new();
    for (name, files, limit) in
        [("small files", corpus::small(settings), 1.6), ("big files", corpus::big(settings), 1.25)]
    {
        let (ours, theirs) = (settings.directory.join("ours"), settings.directory.join("theirs"));
        let root = format!("files={}", text(&files));
        let _consumers = [(); 2].map(|()| node.role(&["consumer", "-j1", "--workload", "digest", "--root", &root]));
        let remote = || {
            let mut command = packhorse(&["sha1", &root]);
            command.env("PACKHORSE_BROKER", &node.url);
            run(command, &theirs);
        };
        let [embedded, remote] =
            in_turn(settings.rounds, [&|| run(packhorse(&["sha1", text(&files)]), &ours), &remote]);
        rows.push(Row::seconds(&format!("{name}, embedded"), &embedded));
        rows.push(Row::seconds(&format!("{name}, RabbitMQ, 2 consumers with -j1"), &remote));
        rows.push(Row::ratio(&format!("{name}, RabbitMQ / embedded"), &remote, &embedded, limit));
    }
    rows
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

        // Fresh roles for each size: a peak remembers all that was before.
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
    vec![Row::millis("packhorse sha1 FILE, 4 KiB, start to finish, 50 times", &Figures::new(millis.into_inner()), 20.0)]
}
