//! Rules about who may name what, and where things stand.

use shared::protocol::workload::Workload;

use super::source::{Source, Tree, find_word};

/// Everything that may stand at the top, beside dotfiles.
const TOP: [&str; 18] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "consumer",
    "deploy",
    "docker-compose.yml",
    "docs",
    "examples",
    "fuzz",
    "producer",
    "python",
    "reducer",
    "shared",
    "src",
];
const TOP_TESTS: &str = "tests";

/// Outside packages with a room: where product code may name them.
const ROOMS: [(&str, &[&str]); 22] = [
    ("async-rs", &["shared/src/transport/rabbitmq/"]),
    ("base64", &["shared/src/protocol/path.rs", "shared/src/protocol/payload.rs"]),
    ("chacha20poly1305", &["shared/src/protocol/seal/"]),
    ("clap", &["src/cli/args.rs", "src/cli/args/", "src/cli/manual.rs", "src/main.rs", "src/bin/", "examples/"]),
    ("clap_complete", &["src/cli/args/manual.rs", "src/cli/manual.rs"]),
    ("clap_mangen", &["src/cli/manual.rs"]),
    ("hashbrown", &["consumer/src/work/words/", "reducer/src/report/frequencies/"]),
    ("humantime", &["shared/src/system/clock.rs"]),
    ("indicatif", &["src/cli/progress.rs"]),
    ("futures-rustls", &["shared/src/transport/rabbitmq/"]),
    ("lapin", &["benches/peers/calls/", "shared/src/transport/rabbitmq/"]),
    ("libm", &["consumer/compute/src/define/tests.rs", "consumer/compute/src/reference/"]),
    ("rand", &["shared/src/system/random.rs"]),
    ("rmp-serde", &["shared/src/protocol/workload/call/codec.rs"]),
    ("rusqlite", &["reducer/src/store/"]),
    (
        "rustix",
        &[
            "consumer/src/isolation/",
            "consumer/src/work/files/",
            "producer/src/plan/files/",
            "shared/src/system/beneath",
            "shared/src/system/descriptor/",
            "shared/src/system/host",
            "src/cli/",
        ],
    ),
    ("rustls", &["shared/src/transport/rabbitmq/"]),
    ("rustls-native-certs", &["shared/src/transport/rabbitmq/"]),
    ("sha1", &["consumer/src/work/digest/", "shared/src/protocol/id/plan.rs"]),
    ("sha2", &["reducer/src/fold/digests.rs", "reducer/src/report/", "src/cli/topology.rs"]),
    ("tracing-subscriber", &["shared/src/system/telemetry.rs"]),
    ("walkdir", &["producer/src/plan/"]),
];

/// Outside packages that belong to the language that all of it is written in.
const EVERYWHERE: [&str; 10] = [
    "anyhow",
    "async-trait",
    "bytes",
    "futures-util",
    "serde",
    "serde_json",
    "tempfile",
    "thiserror",
    "tokio",
    "tracing",
];

/// State machines: what they decide must follow from events alone.
const ENGINES: [&str; 8] = [
    "consumer/src/engine.rs",
    "consumer/src/engine/",
    "consumer/src/parts.rs",
    "consumer/src/recalled.rs",
    "producer/src/client/engine",
    "reducer/src/owner/",
    "reducer/src/fold/",
    "shared/src/protocol/message/",
];

/// A workload's plan, work and fold.
const WORKLOADS: [&str; 3] = ["producer/src/plan/", "consumer/src/work/", "reducer/src/fold/"];

/// What serves every workload alike: engines, services, stores, transports and messages.
const FOR_ALL_WORKLOADS: [&str; 16] = [
    "consumer/src/engine",
    "consumer/src/executor/",
    "consumer/src/isolation/",
    "consumer/src/parts.rs",
    "consumer/src/publish/",
    "consumer/src/recalled.rs",
    "consumer/src/service",
    "producer/src/client/",
    "reducer/src/ledger",
    "reducer/src/owner/",
    "reducer/src/service/",
    "reducer/src/store/",
    "reducer/src/takeover.rs",
    "shared/src/protocol/message/",
    "shared/src/transport/",
    "src/run/",
];

fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

pub(super) fn top_level(tree: &Tree) -> Vec<String> {
    let strange = tree.top.iter().filter(|name| *name != TOP_TESTS && !TOP.contains(&name.as_str()));
    strange
        .map(|name| format!("{name}:1: the top level holds only the agreed names; see docs/ARCHITECTURE.md"))
        .collect()
}

/// Roles meet in messages, never in code; an outside package is a decision.
pub(super) fn dependencies(tree: &Tree) -> Vec<String> {
    tree.manifests.iter().flat_map(|(path, text)| dependencies_of(path, text)).collect()
}

fn dependencies_of(path: &str, manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut section = "";
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        let package = line.split(['=', '.', ' ']).next().unwrap_or_default();
        if package.is_empty() || package.starts_with('#') || !section.ends_with("dependencies") {
            continue;
        }
        let is_root = path == "Cargo.toml";
        if package.starts_with("packhorse-") {
            let allowed = is_root || (package == "packhorse-shared" && path != "shared/Cargo.toml");
            if !allowed {
                complaints.push(format!("{path}:{number}: a role depends on shared alone, shared on none of ours"));
            }
        } else if section == "dependencies"
            && !EVERYWHERE.contains(&package)
            && !ROOMS.iter().any(|(name, _)| *name == package)
        {
            complaints.push(format!("{path}:{number}: {package} needs a room: add it to the tidy test's table"));
        }
    }
    complaints
}

/// Outside packages stay in one room each, so that one can be replaced.
pub(super) fn rooms(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (package, rooms) in ROOMS.iter().filter(|(_, rooms)| !source.is_test() && !is_in(&source.path, rooms)) {
        let name = package.replace('-', "_");
        // A module of ours may have the name of a package that its crate does not use.
        if !rooms.iter().any(|room| crate_of(room) == crate_of(&source.path)) {
            continue;
        }
        for (number, line) in source.product_lines() {
            let outside = find_word(line, &name).is_some_and(|at| {
                let (before, after) = (&line[..at], &line[at + name.len()..]);
                let is_ours = ["crate::", "self::", "super::", "."].iter().any(|own| before.ends_with(own));
                let is_path = after.starts_with("::") || before.trim_end().ends_with("use");
                is_path && !is_ours
            });
            if outside {
                complaints.push(source.complain(number, &format!("{package} is used only in {}", rooms.join(", "))));
            }
        }
    }
    complaints
}

fn crate_of(path: &str) -> &str {
    match path.split('/').next() {
        Some(name @ ("shared" | "producer" | "consumer" | "reducer")) => name,
        _ => "packhorse",
    }
}

/// One place spells the names of exchanges and queues.
pub(super) fn names_of_queues(source: &Source) -> Vec<String> {
    if source.is_test() || source.path == "shared/src/protocol/topology.rs" {
        return Vec::new();
    }
    let named = (1..).zip(source.text.lines()).filter(|(_, line)| line.contains("packhorse.v1"));
    named
        .map(|(number, _)| source.complain(number, "only shared/src/protocol/topology.rs spells names of queues"))
        .collect()
}

/// One place reads variables: there an empty one is as unset, and one that is no text an error.
pub(super) fn variables(source: &Source) -> Vec<String> {
    if source.is_test() || source.path == "shared/src/system/environment.rs" {
        return Vec::new();
    }
    let read = source.product_lines().filter(|(_, line)| line.contains("env::var") || line.contains("temp_dir()"));
    read.map(|(number, _)| source.complain(number, "only shared/src/system/environment.rs reads variables")).collect()
}

pub(super) fn engines_without_io(source: &Source) -> Vec<String> {
    const OUTSIDE: [&str; 8] =
        ["tokio", "Instant", "SystemTime::now", "std::fs", "std::net", "std::thread", "std::process", "rand"];
    forbid(source, &ENGINES, &OUTSIDE, "an engine has no I/O, no clock, no threads: they come in as events")
}

pub(super) fn workloads_without_transport(source: &Source) -> Vec<String> {
    forbid(source, &WORKLOADS, &["transport", "topology", "tokio"], "a workload knows no transport")
}

/// What serves every workload alike asks the workload's descriptor and names none.
pub(super) fn engines_name_no_workload(source: &Source) -> Vec<String> {
    if source.is_test() || !is_in(&source.path, &FOR_ALL_WORKLOADS) {
        return Vec::new();
    }
    let names = Workload::ALL.map(|workload| {
        let name = workload.as_str();
        let variant = name[..1].to_uppercase() + &name[1..];
        [format!("Workload::{variant}"), format!("JobSpec::{variant}"), format!("workload::{name}")]
    });
    let of_workloads = ["Whip", "whip", "WHIP", "frequencies", "Frequencies", "caravan"];
    let bad = |line: &str| {
        names.iter().flatten().any(|name| line.contains(name)) || of_workloads.iter().any(|word| line.contains(word))
    };
    let rule = "it serves every workload alike: ask the workload's descriptor";
    source.product_lines().filter(|(_, line)| bad(line)).map(|(number, _)| source.complain(number, rule)).collect()
}

fn forbid(source: &Source, places: &[&str], words: &[&str], rule: &str) -> Vec<String> {
    if source.is_test() || !is_in(&source.path, places) {
        return Vec::new();
    }
    let bad = |line: &str| words.iter().any(|word| find_word(line, word).is_some());
    source.product_lines().filter(|(_, line)| bad(line)).map(|(number, _)| source.complain(number, rule)).collect()
}

/// Rows are roles, columns are workloads.
pub(super) fn workload_rows(tree: &Tree) -> Vec<String> {
    let names: Vec<&str> = Workload::ALL.into_iter().map(Workload::as_str).collect();
    workload_rows_of(&names, &tree.sources.iter().map(|source| source.path.as_str()).collect::<Vec<_>>())
}

fn workload_rows_of(names: &[&str], paths: &[&str]) -> Vec<String> {
    let rows = ["shared/src/protocol/workload", "producer/src/plan", "consumer/src/work", "reducer/src/fold"];
    let has = |row: &str, name: &str| {
        [format!("{row}/{name}.rs"), format!("{row}/{name}/mod.rs")].iter().any(|path| paths.contains(&path.as_str()))
    };
    let missing = names.iter().flat_map(|name| rows.map(|row| (row, *name))).filter(|(row, name)| !has(row, name));
    let strange = paths.iter().filter_map(|path| path.strip_prefix("shared/src/protocol/workload/")).filter(|file| {
        let name = file.split(['/', '.']).next().unwrap_or_default();
        // What workloads over files have in common.
        !["mod", "files"].contains(&name) && !names.contains(&name)
    });
    missing
        .map(|(row, name)| format!("{row}/{name}.rs:1: a workload has a module of its name in each role"))
        .chain(strange.map(|file| format!("shared/src/protocol/workload/{file}:1: no workload has this name")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
        rule(&Source::new(path, text)).len()
    }

    #[test]
    fn the_top_level_is_closed() {
        let tree = Tree { top: vec!["src".to_owned(), "scripts".to_owned()], ..Tree::default() };
        assert_eq!(top_level(&tree).len(), 1);
    }

    #[test]
    fn roles_depend_on_shared_alone_and_packages_have_rooms() {
        let of = |path: &str, line: &str| dependencies_of(path, &format!("[dependencies]\n{line}\n")).len();
        assert_eq!(of("producer/Cargo.toml", "packhorse-reducer.workspace = true"), 1);
        assert_eq!(of("producer/Cargo.toml", "packhorse-shared = { workspace = true }"), 0);
        assert_eq!(of("shared/Cargo.toml", "packhorse-consumer.workspace = true"), 1);
        assert_eq!(of("Cargo.toml", "packhorse-consumer.workspace = true"), 0);
        assert_eq!(of("shared/Cargo.toml", "left-pad = \"1\""), 1);
        assert_eq!(dependencies_of("producer/Cargo.toml", "[dev-dependencies]\npackhorse-consumer = {}").len(), 1);
        assert_eq!(dependencies_of("shared/Cargo.toml", "[dev-dependencies]\nproptest = \"1\"").len(), 0);
    }

    #[test]
    fn packages_stay_in_their_rooms() {
        assert_eq!(count(rooms, "shared/src/transport/ask.rs", "use lapin::Channel;\nuse lapin;\nlapin::f();"), 3);
        assert_eq!(count(rooms, "shared/src/transport/rabbitmq/link.rs", "use lapin::Channel;"), 0);
        assert_eq!(count(rooms, "examples/pool/main.rs", "use lapin::Channel;"), 1);
        assert_eq!(count(rooms, "benches/peers/calls/bare.rs", "use lapin::Channel;"), 0);
        assert_eq!(count(rooms, "src/cli/mod.rs", "use clap::Parser;\nsha1::run();"), 1);
        assert_eq!(count(rooms, "src/bin/consumer.rs", "use clap::Parser;"), 0);
        assert_eq!(count(rooms, "reducer/src/owner/mod.rs", "let c: rusqlite::Connection;"), 1);
        assert_eq!(
            count(
                rooms,
                "shared/src/system/clock.rs",
                "// use rand::random;\ncrate::rand::x(); tracing_subscriber::x()"
            ),
            1
        );
    }

    #[test]
    fn names_of_queues_have_one_place() {
        assert_eq!(count(names_of_queues, "src/run/mod.rs", "let q = \"packhorse.v1.tasks\";"), 1);
        assert_eq!(count(names_of_queues, "tests/it/rabbitmq.rs", "let q = \"packhorse.v1.tasks\";"), 0);
    }

    #[test]
    fn variables_are_read_in_one_place() {
        let text = "std::env::var(x);\nenv::var_os(x);\nstd::env::temp_dir();\nstd::env::current_exe();";
        assert_eq!(count(variables, "src/cli/health.rs", text), 3);
        assert_eq!(count(variables, "shared/src/system/environment.rs", text), 0);
        assert_eq!(count(variables, "tests/it/world.rs", text), 0);
    }

    #[test]
    fn engines_and_workloads_are_kept_apart_from_the_world() {
        assert_eq!(count(engines_without_io, "reducer/src/owner/mod.rs", "use tokio::time;\nstd::fs::read(x)"), 2);
        assert_eq!(count(engines_without_io, "reducer/src/service/mod.rs", "use tokio::time;"), 0);
        assert_eq!(
            count(workloads_without_transport, "consumer/src/work/steps/mod.rs", "use shared::transport::X;"),
            1
        );
    }

    #[test]
    fn what_serves_every_workload_names_none() {
        let text =
            "if let JobSpec::Words(_) = spec {}\nmatch w { Workload::Digest => 1 }\nlet whips = 3;\nlet words = 1;";
        assert_eq!(count(engines_name_no_workload, "reducer/src/owner/job.rs", text), 3);
        assert_eq!(count(engines_name_no_workload, "reducer/src/fold/words.rs", text), 0);
    }

    #[test]
    fn a_workload_without_a_row_is_missed() {
        let paths = [
            "shared/src/protocol/workload/mod.rs",
            "shared/src/protocol/workload/a.rs",
            "producer/src/plan/a.rs",
            "consumer/src/work/a/mod.rs",
        ];
        let complaints = workload_rows_of(&["a"], &paths);
        assert_eq!(complaints, ["reducer/src/fold/a.rs:1: a workload has a module of its name in each role"]);
        assert_eq!(workload_rows_of(&[], &paths).len(), 1);
    }
}
