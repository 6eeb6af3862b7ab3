//! README.md and the pages of docs/guide are run: every line after `$ ` in a block that begins with
//! ```` ```console ````, in the order of the page, with the real commands, in a directory with the tree
//! that the page speaks of.
//!
//! # What the page may say
//! - The lines under a command are what it prints, on stdout and then on stderr. Numbers, ids and runs
//!   of blanks may differ, and so may the size of a unit (kB, MB); SHA-1 and SHA-256 digests may not.
//! - Where `...` stands, other lines may be among those shown, in any order.
//! - A command that prints `Killed` is killed by the test once it has planned all and counted
//!   something; until then the last file of the tree has no end.
//! - `consumer`, and `reducer` without `--job`, go on to the end of their block.
//! - `export` holds to the end of its block, and an id that was shown stands for the real one from
//!   there on.
//! - [`Page::translate`] says what stands for things that only their users have.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::broker;
use crate::horse_rider;
use crate::world::{PACKHORSE, Process, Run, World};

/// A command and the lines that it prints.
struct Command {
    line: String,
    prints: Vec<String>,
}

/// The pages whose examples are run, by their names, with their texts.
fn pages() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_dir(top.join("docs/guide")).expect("the guide");
    let mut pages: Vec<_> = guide.map(|page| page.expect("a page").path()).collect();
    pages.sort();
    pages.insert(0, top.join("README.md"));
    let named = |page: &PathBuf| {
        let name = page.file_name().and_then(|name| name.to_str()).expect("a plain name");
        (name.to_owned(), fs::read_to_string(page).expect("a text"))
    };
    pages.iter().map(named).collect()
}

/// The blocks of a page.
fn blocks(name: &str, page: &str) -> Vec<Vec<Command>> {
    let mut blocks: Vec<Vec<Command>> = Vec::new();
    let mut inside = false;
    for text in page.lines() {
        if text.starts_with("```") {
            inside = text == "```console";
            if inside {
                blocks.push(Vec::new());
            }
        } else if let (true, Some(block)) = (inside, blocks.last_mut()) {
            match (text.strip_prefix("$ "), block.last_mut()) {
                (Some(line), _) => block.push(Command { line: line.to_owned(), prints: Vec::new() }),
                (None, Some(command)) => command.prints.push(text.to_owned()),
                (None, None) => panic!("a block of {name} begins with output: {text}"),
            }
        }
    }
    blocks
}

/// The page while it is run.
struct Page {
    name: String,
    world: World,
    url: String,
    /// Ids on the page and in reality.
    ids: Vec<(String, String)>,
}

impl Page {
    /// 2,880 photos of 5 to 56 kB, with content by number, and one link.
    fn new(name: String, url: String) -> Self {
        let world = World::new();
        for number in 0..2_880 {
            let name = format!("{}/{:02}/IMG_{:04}.jpg", 2019 + number / 720, number / 60 % 12 + 1, number % 60);
            world.file(format!("photos/{name}"), photo(number));
        }
        symlink("2022", world.path("photos/latest")).expect("a link");
        Self { name, world, url, ids: Vec::new() }
    }

    fn translate(&self, line: &str) -> String {
        let horse_rider = horse_rider::example().to_str().expect("a plain name");
        let pool = horse_rider::example().with_file_name("pool");
        let photos = self.world.path("photos");
        let line = line
            .replace("amqp://USER:PASSWORD@broker.example.org:5672/%2f", &self.url)
            .replace("/mnt/archive/photos", photos.to_str().expect("a plain name"))
            .replace("cargo run --release --example horse_rider --", horse_rider)
            .replace("cargo run --release --example pool --", pool.to_str().expect("a plain name"));
        self.ids.iter().fold(line, |line, (shown, real)| line.replace(shown, real))
    }

    fn run_block(&mut self, block: &[Command]) {
        let mut environment = Vec::new();
        let mut services: Vec<Process> = Vec::new();
        for Command { line, prints } in block {
            let real = self.translate(line);
            if let Some((name, value)) = real.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
                environment.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let make = || environment.iter().fold(self.shell(&real), |run, (name, value)| run.env(name, value));
            let role = real.split(' ').next().unwrap_or_default();
            if role == "consumer" || role == "reducer" && !real.contains("--job") {
                let service = make().start();
                service.says(&format!("The {role} is ready."));
                services.push(service);
            } else if prints == &["Killed"] {
                self.kill_midway(make, &real);
            } else {
                let done = make().done();
                let out = String::from_utf8(done.out).expect("UTF-8");
                self.compare(line, prints, &format!("{out}{}", done.err));
            }
        }
        for service in services {
            service.stop().exits(0);
        }
    }

    /// A shell with our commands. One command alone takes its place, and gets its signals.
    fn shell(&self, line: &str) -> Run {
        let bin = Path::new(PACKHORSE).parent().expect("a directory").to_str().expect("a plain name");
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap_or_default());
        let exec = if line.contains(['|', '&']) { "" } else { "exec " };
        self.world.command("bash", ["--norc", "-c", &format!("{exec}{line}")]).env("PATH", path)
    }

    /// Kills it when it has counted something and has not ended. It takes a moment only, and may be missed.
    fn kill_midway(&self, make: impl Fn() -> Run, line: &str) {
        let state = line.split(' ').skip_while(|word| *word != "--state").nth(1).expect("it keeps its state");
        for _ in 0..50 {
            let mut run = make().start();
            while !run.has_ended() {
                let done = self.world.packhorse(["jobs", "--json", "--state", state]);
                let jobs = if done.code == 0 { done.json() } else { Vec::new() };
                let counts = jobs.first().map(|job| &job["counts"]["tasks_done"]);
                if counts.and_then(|done| done.as_u64()).is_some_and(|done| done > 0) {
                    break;
                }
            }
            run.kill();
            let done = self.world.packhorse(["jobs", "--json", "--state", state]);
            if done.json().first().is_some_and(|job| job["state"] == "running") {
                return;
            }
            fs::remove_file(self.world.path(state)).expect("it is there");
        }
        panic!("{line}: it was never caught at work");
    }

    fn compare(&mut self, line: &str, wanted: &[String], found: &str) {
        // Shown if the test fails, and the place to copy from.
        println!("$ {line}\n{found}");
        let mut left: Vec<&str> = found.lines().collect();
        let is_loose = wanted.iter().any(|line| line == "...");
        for (number, want) in wanted.iter().filter(|line| *line != "...").enumerate() {
            let is_same = |have: &&str| normal(have) == normal(want);
            let at =
                if is_loose { left.iter().position(is_same) } else { left.first().filter(|h| is_same(h)).map(|_| 0) };
            let Some(at) = at else {
                panic!("{}: $ {line}\nline {}: {want}\nwas not printed; this was:\n{found}", self.name, number + 1)
            };
            self.ids.extend(ids(want).into_iter().zip(ids(left.remove(at))));
        }
        assert!(is_loose || left.is_empty(), "{}: $ {line}\nprints more than is shown:\n{found}", self.name);
    }
}

fn photo(number: usize) -> Vec<u8> {
    let size = 5_000 + number * 7_919 % 51_440;
    let mut content = format!("{number:07}\n").repeat(size / 8 + 1).into_bytes();
    content.truncate(size);
    content
}

/// Words of letters and digits, and what stands between them, in turn.
fn words(line: &str) -> Vec<&str> {
    line.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|piece| match piece.char_indices().next_back() {
            Some((at, last)) if !last.is_ascii_alphanumeric() => vec![&piece[..at], &piece[at..]],
            _ => vec![piece],
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// An id that the commands draw: 16 small letters and digits.
fn is_id(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn ids(line: &str) -> Vec<String> {
    words(line).into_iter().filter(|word| is_id(word)).map(str::to_owned).collect()
}

fn normal(line: &str) -> String {
    let kind = |word: &str| match word {
        "kB" | "MB" | "GB" => "B".to_owned(),
        _ if is_id(word) => "ID".to_owned(),
        _ if word.bytes().all(|byte| byte.is_ascii_digit()) => "0".to_owned(),
        _ => word.to_owned(),
    };
    let line: String = words(line).into_iter().map(kind).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_readme_and_the_guide_print_what_they_say() {
    let broker = broker::shared().await;
    let url = broker.url().to_string().replace(":***@", ":guest@");
    let run = move || {
        let (mut runs, mut commands) = (0, 0);
        for (name, text) in pages() {
            let blocks = blocks(&name, &text);
            if blocks.is_empty() {
                continue;
            }
            let mut page = Page::new(name, url.clone());
            for block in &blocks {
                (runs, commands) = (runs + 1, commands + block.len());
                page.run_block(block);
            }
        }
        assert!(runs >= 8 && commands >= 24, "{runs} blocks with {commands} commands");
    };
    tokio::task::spawn_blocking(run).await.expect("all of it is so");
}

#[test]
fn what_may_differ_is_told_from_what_may_not() {
    let same = |a: &str, b: &str| normal(a) == normal(b);
    assert!(same("job a8b1mg2gcud7utdr finished after 0.31 s", "job osa70pol1vtikj2b finished after 12.05 s"));
    assert!(same("JOB     4/8   (43.2 MB/s)", "JOB 12/8 (900.0 kB/s)"));
    assert!(!same("job a8b1mg2gcud7utdr finished", "job a8b1mg2gcud7utdr failed"));
    let digest = "0997ff2df3c057d2c4d56c43dc3c46d6ad14f8ff";
    assert!(!same(digest, &digest.replace('0', "1")));
    assert!(!same("sha1 a", "sha256 a"));
}
