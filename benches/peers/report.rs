//! The table on the terminal and the document, section by section.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Settings;
use crate::parts::Part;
use crate::row::Row;

const HEAD: &str = "\
# Benchmarks

Made by `cargo bench --bench peers`: contestants take turns in the same run, on the same work, with
a warm cache; figures are medians with the smallest and the largest in brackets. A target that is
missed says so. Run it again: `cargo bench --bench peers -- PART...` replaces the sections of those
parts.
";

pub struct Section {
    part: Part,
    /// Markdown, from its heading on.
    pub text: String,
}

/// One part's section, with where and when it was measured: parts may be from different runs.
pub fn section(part: Part, settings: &Settings, rows: Vec<Row>) -> Section {
    let mut text = format!("## {}\n\n{}\n\n", part.title(), circumstances(settings));
    if !part.note().is_empty() {
        let _ = write!(text, "{}\n\n", wrapped(part.note()));
    }
    text.push_str("| what | figure | target | |\n| --- | --- | --- | --- |\n");
    rows.iter().for_each(|row| text.push_str(&row.line()));
    Section { part, text }
}

fn circumstances(settings: &Settings) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory, load) = (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/loadavg"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        line.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let kib: f64 = field(&memory, "MemTotal").split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0);
    let mut text = format!(
        "{}; {} cores, {}, {:.0} GiB; Linux {}; {}; {}; {}; RabbitMQ {}; commit {}",
        said("date", &["-u", "+%Y-%m-%d"]),
        settings.cores,
        field(&cpu, "model name"),
        kib / (1024.0 * 1024.0),
        read("/proc/sys/kernel/osrelease").trim(),
        said("rustc", &["--version"]),
        said("sha1sum", &["--version"]),
        said("openssl", &["version"]),
        said("rabbitmqctl", &["version"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
    );
    let load = load.split(' ').next().unwrap_or_default();
    let _ = write!(text, "; {} rounds; load at the end {load}", settings.rounds);
    if settings.scale < 1.0 {
        let _ = write!(text, "; at {} of the full size, so no target applies", settings.scale);
    }
    wrapped(&text)
}

/// The words in lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let fits = column + 1 + length <= 100;
        if column > 0 {
            lines.push(if fits { ' ' } else { '\n' });
        }
        column = if column > 0 && fits { column + 1 + length } else { length };
        lines.push_str(word);
    }
    lines
}

/// The first line that a program says about itself.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let line = output.ok().and_then(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned));
    line.filter(|line| !line.is_empty()).unwrap_or_else(|| format!("{program}: unknown"))
}

/// Writes these sections to the document, and keeps the sections of other parts.
pub fn write(document: &Path, sections: Vec<Section>) {
    let before = fs::read_to_string(document).unwrap_or_default();
    let mut text = HEAD.to_owned();
    for part in Part::ALL {
        let new = sections.iter().find(|section| section.part == part).map(|section| section.text.clone());
        let kept = || {
            let heading = format!("## {}\n", part.title());
            let start = before.find(&heading)?;
            let end = before[start + 3..].find("\n## ").map_or(before.len(), |end| start + 3 + end);
            Some(before[start..end].to_owned())
        };
        if let Some(section) = new.or_else(kept) {
            let _ = write!(text, "\n{}\n", section.trim_end());
        }
    }
    let written = document.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(document, text));
    written.expect("the report can be written");
}
