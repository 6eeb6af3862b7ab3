//! Measures Packhorse against other programs for the same work, in the same run, on the same files,
//! taking turns. Programs that are not installed are left out.
//!
//! ```text
//! cargo bench --bench peers                       all parts, at full size; needs 4 GB of disk
//! cargo bench --bench peers -- small latency      some parts
//! ```
//!
//! Parts: `small`, `big`, `rabbit`, `words`, `frequencies`, `words-rabbit`, `memory`, `latency`,
//! `calls`, `calls-rabbit`, `calls-killed`, `call-latency`.
//!
//! Environment:
//! - `PACKHORSE_BENCH_DIR`: where the files are made; they are kept and used again
//! - `PACKHORSE_BENCH_ROUNDS`: rounds after the warm-up, 5 unless given
//! - `PACKHORSE_BENCH_SCALE`: a factor on the numbers and sizes of files and on the numbers of calls, 1
//!   unless given
//! - `PACKHORSE_BENCH_PYTHON`: the Python that has the packages `celery`, `distributed` and
//!   `hyperqueue`, `python3` unless given
//! - `PACKHORSE_BENCH_POOL`: the example `pool`, built before; it is built unless given
//! - `PACKHORSE_BENCH_REPORT`: where the report goes instead of docs/BENCHMARKS.md, which only a run
//!   at full size may write
//!
//! # Layout
//! - `calls`: calls of a pool, beside those of task queues in Python
//! - `corpus`: the files
//! - `measure`: rounds, medians, peaks of memory
//! - `node`: RabbitMQ
//! - `parts`: what is measured, and against which target
//! - `peers`: the commands of others
//! - `report`: the table and the document

mod calls;
mod corpus;
mod measure;
mod node;
mod parts;
mod peers;
mod report;
mod row;

/// RabbitMQ as the tests start it.
#[path = "../../tests/it"]
#[allow(dead_code)]
mod it {
    pub mod broker;
}

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use parts::Part;

pub struct Settings {
    pub directory: PathBuf,
    /// Rounds after the warm-up.
    pub rounds: usize,
    /// Factor on the number and sizes of files; 1 is full size.
    pub scale: f64,
    /// Cores of this machine; peers that need a number of processes get this one.
    pub cores: usize,
}

impl Settings {
    /// Where a contestant's output goes.
    pub fn out(&self, contestant: usize) -> PathBuf {
        self.directory.join(format!("out.{contestant}"))
    }

    /// A number of files or bytes at this run's scale.
    pub fn scaled(&self, full: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(1)
    }
}

fn main() -> ExitCode {
    // Cargo adds --bench to what the user gave.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let parts: Vec<Part> = match wanted.iter().map(|name| Part::named(name).ok_or(name)).collect() {
        Ok(parts) => parts,
        Err(name) => {
            eprintln!("there is no part {name:?}; parts are: {}", Part::ALL.map(Part::name).join(", "));
            return ExitCode::from(2);
        }
    };
    let parts = if parts.is_empty() { Part::ALL.to_vec() } else { parts };
    let number = |name: &str, default: f64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
        Err(_) => default,
    };
    let given = std::env::var_os("PACKHORSE_BENCH_DIR").map(PathBuf::from);
    let temporary = given.is_none().then(|| tempfile::tempdir().expect("a temporary directory"));
    let directory = given.or_else(|| temporary.as_ref().map(|directory| directory.path().to_owned()));
    let settings = Settings {
        directory: directory.expect("one of the two"),
        rounds: (number("PACKHORSE_BENCH_ROUNDS", 5.0) as usize).max(1),
        scale: number("PACKHORSE_BENCH_SCALE", 1.0),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    };
    std::fs::create_dir_all(&settings.directory).expect("the directory for the files");
    let sections: Vec<_> =
        parts.into_iter().map(|part| report::section(part, &settings, part.run(&settings))).collect();
    for section in &sections {
        println!("{}", section.text);
    }
    let document = match std::env::var_os("PACKHORSE_BENCH_REPORT") {
        Some(path) => PathBuf::from(path),
        None if settings.scale >= 1.0 => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/BENCHMARKS.md"),
        None => {
            println!("docs/BENCHMARKS.md stays as it is: this was not a run at full size.");
            return ExitCode::SUCCESS;
        }
    };
    report::write(&document, sections);
    println!("written to {}", document.display());
    ExitCode::SUCCESS
}
