//! `packhorse words` and `producer words` as their users run them.

use std::fs;

use crate::cluster::Cluster;
use crate::fuse::Mount;
use crate::hostile;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, REDUCER, World, assert_same, os};

/// What GNU `wc` prints for the files beneath `path`, in the order of a report.
fn wc(world: &World, options: &str, path: &str) -> Vec<u8> {
    // The list is a file, so that wc knows all names before it prints the first line.
    let script =
        r#"find "$2" -type f -print0 | LC_ALL=C sort -z > ../list; LC_ALL=C.UTF-8 wc "$1" --files0-from=../list"#;
    let done = world.command("sh", ["-c", script, "sh", options, path]).done();
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    done.out
}

/// How often each word occurs, by awk and sort.
fn awk(world: &World, path: &str) -> Vec<u8> {
    let script = r#"export LC_ALL=C
        find "$1" -type f -exec cat {} + | awk '{ for (i = 1; i <= NF; i++) n[$i]++ }
        END { for (word in n) printf "%d\t%s\n", n[word], word }' | sort -t "$(printf '\t')" -k1,1nr -k2"#;
    let done = world.command("sh", ["-c", script, "sh", path]).done();
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    done.out
}

/// Files of text, with words that occur from once to often.
fn texts(world: &World, name: &str, files: usize) {
    for file in 0..files {
        let word = |at: usize| format!("w{}", (file * 31 + at * at) % (at + 7));
        let text: String = (0..200).map(|at| word(at) + if at % 9 == 0 { "\n" } else { "  " }).collect();
        world.file(format!("{name}/{:02}/{file:04}", file / 100), text);
    }
}

#[test]
fn counts_stand_in_the_columns_of_wc() {
    let world = World::new();
    hostile::plant(&world, "t");
    texts(&world, "t/texts", 300);
    for (name, text) in [
        (&b"no end"[..], &b"one two\nthree"[..]),
        // (wc 9.1 puts two quotes too many before a name with a quote whose end is escaped.)
        (b"it's\nquoted\t\xff.", b"a\n"),
        (b"blank", b" \t\n\x0b\x0c\r"),
        (b"accents", "caf\u{e9} na\u{ef}ve \u{1f40e}\n".as_bytes()),
        (b"nothing", b""),
    ] {
        world.file(os(&[b"t/", name].concat()), text);
    }
    let done = world.packhorse(["words", "t"]).exits(0);
    assert_same(&done.out, &wc(&world, "-lwc", "t"));
    assert!(done.err.contains("0 failed"), "{}", done.err);
    assert_same(&world.packhorse(["words", "-q", "-m", "t"]).exits(0).out, &wc(&world, "-lwmc", "t"));
    assert_same(&world.packhorse(["words", "-q", "t/accents"]).exits(0).out, &wc(&world, "-lwc", "t/accents"));
}

#[test]
fn an_empty_tree_has_no_lines() {
    let world = World::new();
    fs::create_dir(world.path("t")).expect("a directory");
    assert_eq!(world.packhorse(["words", "-q", "t", "--frequencies", "f"]).exits(0).out, b"");
    assert_eq!(fs::read(world.path("f")).expect("a file"), b"");
}

#[test]
fn the_modes_differ_in_what_separates_words() {
    let world = World::new();
    world.file("t", "a\u{a0}b\u{2003}c\u{3000}d \u{2060}e\u{200b}f \u{85}\n");
    world.file("damaged", b"a\xe2\x80 b\xff\xc2 c\xe2");
    let words = |mode: &str, path: &str| {
        let done = world.packhorse(["words", "--mode", mode, "--json", "-q", path]).exits(0);
        done.json()[0]["words"].as_u64().expect("a number")
    };
    assert_eq!((words("ascii", "t"), words("unicode", "t")), (3, 5));
    assert_eq!((words("ascii", "damaged"), words("unicode", "damaged")), (3, 3));
}

#[test]
fn json_has_a_line_a_file_and_the_total() {
    let world = World::new();
    world.file("t/a", "x y\n");
    world.file("t/b", "\u{e9}");
    let lines = world.packhorse(["words", "--json", "-q", "t"]).exits(0).json();
    let of = |at: usize, key: &str| lines[at][key].clone();
    assert_eq!(
        (of(0, "type"), of(0, "lines"), of(0, "words"), of(0, "bytes")),
        ("file".into(), 1.into(), 2.into(), 4.into())
    );
    assert_eq!((of(1, "name")["path"].clone(), of(1, "characters")), ("t/b".into(), 1.into()));
    assert_eq!((of(2, "type"), of(2, "words"), of(2, "bytes")), ("total".into(), 3.into(), 6.into()));
    assert_eq!((of(3, "type"), of(3, "counts")["totals"]["words"].clone()), ("receipt".into(), 3.into()));
}

#[test]
fn frequencies_are_those_of_awk() {
    let world = World::new();
    texts(&world, "t", 300);
    let wanted = awk(&world, "t");
    world.packhorse(["words", "-q", "t", "--frequencies", "all"]).exits(0);
    assert_same(&fs::read(world.path("all")).expect("a file"), &wanted);
    world.packhorse(["words", "-q", "t", "--frequencies", "top", "--top", "3"]).exits(0);
    let top: Vec<u8> = wanted.split_inclusive(|&byte| byte == b'\n').take(3).flatten().copied().collect();
    assert_same(&fs::read(world.path("top")).expect("a file"), &top);
    world.packhorse(["words", "t", "--top", "3"]).exits(2);
}

#[test]
fn a_dash_is_standard_output() {
    let world = World::new();
    texts(&world, "t", 3);
    let report = world.packhorse(["words", "-q", "t"]).exits(0).out;
    assert_same(&world.packhorse(["words", "-q", "t", "-o", "-"]).exits(0).out, &report);
    let done = world.packhorse(["words", "-q", "t", "-o", "report", "--frequencies", "-"]).exits(0);
    assert_same(&done.out, &awk(&world, "t"));
    assert_same(&fs::read(world.path("report")).expect("written"), &report);
    assert!(!world.path("-").exists());
    for args in [&["--frequencies", "-"][..], &["--frequencies", "-", "-o", "report", "--json"]] {
        let done = world.packhorse([&["words", "t"], args].concat()).exits(2);
        assert!(done.err.contains("give the report a file"), "{args:?}: {}", done.err);
    }
}

/// More words than an owner sorts in memory.
#[test]
fn frequencies_of_many_words_go_through_a_temporary_file() {
    let world = World::new();
    let word = |number: u64| format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let text: String = (0..800_000).map(|number| word(number) + "\n").collect();
    world.file("t/a", &text);
    world.file("t/b", text.lines().take(5).collect::<Vec<_>>().join(" ") + "\n");
    world.packhorse(["words", "-q", "t", "--frequencies", "f"]).exits(0);
    assert_same(&fs::read(world.path("f")).expect("a file"), &awk(&world, "t"));
    assert_eq!(world.temporary(), Vec::<String>::new());
}

#[test]
fn a_word_of_100_mb_is_a_word_and_too_long_for_frequencies() {
    let world = World::new();
    world.sparse("t/long", 100 << 20);
    world.file("t/short", "a b");
    let done = world.packhorse(["words", "-q", "t"]).exits(0);
    let wanted = [(0, 1, 104_857_600, "t/long"), (0, 2, 3, "t/short"), (0, 3, 104_857_603, "total")];
    let line = |(lines, words, bytes, name)| format!("{lines:9} {words:9} {bytes:9} {name}\n");
    assert_same(&done.out, wanted.map(line).concat().as_bytes());
    let done = world.packhorse(["words", "-q", "t", "--frequencies", "f"]).exits(1);
    assert!(done.err.contains("t/long: a word of more than 256 KiB, too long"), "{}", done.err);
    assert_same(&fs::read(world.path("f")).expect("a file"), b"1\ta\n1\tb\n");
}

/// A mount of one's own: nothing outside sees it, and it ends with the command.
fn on_a_small_disk(world: &World, script: &str) -> crate::world::Done {
    fs::create_dir_all(world.path("small")).expect("a directory");
    let script = format!("mount -t tmpfs -o size=2m tmpfs small && {script}");
    world.command("unshare", ["--map-root-user", "--mount", "sh", "-c", &script, PACKHORSE]).done()
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_half_written() {
    let world = World::new();
    let word = |number: u64| format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let text: String = (0..800_000).map(|number| word(number) + "\n").collect();
    world.file("t", &text);
    let done = on_a_small_disk(&world, "{ \"$0\" words -q t --frequencies small/f; echo $?; ls -A small; }");
    assert_eq!(String::from_utf8_lossy(&done.out).lines().last(), Some("3"), "{}", done.err);
    assert!(done.err.contains("cannot write the report small/f: No space left on device"), "{}", done.err);
    let script = "{ SQLITE_TMPDIR=$PWD/small \"$0\" words -q t --frequencies f; echo $?; ls f; }";
    let done = on_a_small_disk(&world, script);
    assert_eq!(String::from_utf8_lossy(&done.out).lines().last(), Some("3"), "{}", done.err);
    assert!(done.err.contains("disk is full"), "{}", done.err);
    assert!(!world.path("f").exists());
}

#[test]
fn a_device_is_written_to_and_not_replaced() {
    let world = World::new();
    world.file("t", "a b");
    world.packhorse(["words", "-q", "t", "-o", "/dev/null", "--frequencies", "/dev/null"]).exits(0);
    let done = world.packhorse(["words", "-q", "t", "-o", "/dev/full"]).exits(3);
    assert!(done.err.contains("/dev/full: No space left on device"), "{}", done.err);
    use std::os::unix::fs::FileTypeExt;
    let is_device = |path: &str| fs::metadata(path).expect("it is there").file_type().is_char_device();
    assert!(is_device("/dev/null") && is_device("/dev/full"));
}

#[test]
fn where_a_report_cannot_go_is_said_before_the_work() {
    let world = World::new();
    world.sparse("t/a", 1 << 40);
    world.file("d/f", "x");
    let refused = |args: &[&str], said: &str| {
        let done = world.packhorse([&["words", "t"], args].concat()).exits(2);
        assert!(done.err.contains(said), "{args:?}: {}", done.err);
    };
    refused(&["-o", "d"], "cannot write d: is a directory");
    refused(&["-o", "none/x"], "cannot write none/x: No such file or directory");
    refused(&["-o", "x", "--frequencies", "none/x"], "cannot write none/x: No such file or directory");
    refused(&["-o", "x", "--frequencies", "x"], "--output and --frequencies name one file");
    refused(&["-o", "d/f", "--frequencies", "d/f"], "--output and --frequencies name one file");
}

#[test]
fn a_report_is_written_through_a_link() {
    let world = World::new();
    world.file("t", "a b\n");
    world.file("reports/old", "of last year");
    std::os::unix::fs::symlink("reports/old", world.path("latest")).expect("made");
    world.packhorse(["words", "-q", "t", "-o", "latest"]).exits(0);
    assert!(world.path("latest").is_symlink());
    assert_eq!(fs::read_to_string(world.path("reports/old")).expect("read"), "1 2 4 t\n");
    assert_eq!(world.names("reports"), ["old"]);
}

/// The words of each of the seed's 22 files: see the word count of A. Schumacher's MapReduce.
const SEED: [usize; 22] = [49, 57, 53, 43, 38, 68, 93, 54, 49, 44, 38, 59, 42, 38, 38, 76, 48, 53, 68, 26, 27, 26];

#[tokio::test]
async fn the_seeds_files_count_1087_words_with_a_consumer_killed_after_counting() {
    let cluster = Cluster::new().await;
    for (number, words) in SEED.iter().enumerate() {
        cluster.world.file(format!("t/{number:02}.txt"), "word ".repeat(*words) + "\n");
    }
    // One more holds its reader up for seconds when it has counted the others of its task.
    cluster.world.file("t/22.txt", "\n".repeat(8 << 20));
    let _mount = Mount::of(&cluster.world, "t", &["-r", "--read-rate=1M"]);
    let wanted = wc(&cluster.world, "-lwc", "t");
    let total = String::from_utf8_lossy(&wanted).lines().last().map(str::to_owned).expect("a total");
    assert_eq!(total.split_whitespace().nth(1), Some("1087"));
    let reducer = cluster.reducer(&["--output-dir", "reports"]);
    let consumer = cluster.ready(CONSUMER, &["--root", "t=mnt", "--heartbeat", "1", "-j", "1"]);
    let producer = cluster.start(PRODUCER, ["words", "t", "--job", "seed", "--watch=0.1"]);
    consumer.opens(&cluster.world.path("mnt/22.txt"));
    producer.says(" words so far");
    consumer.kill();
    let consumers = [cluster.consumer(&["-j", "1"]), cluster.consumer(&["-j", "1"])];
    let done = producer.wait().exits(0);
    let said: Vec<&str> = done.err.lines().filter(|line| line.contains(" words")).collect();
    let numbers: Vec<u64> = said.iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    assert!(numbers.is_sorted() && numbers.len() == said.len(), "{said:?}");
    assert_eq!(said.last(), Some(&"1087 words, all counted"));
    let report = fs::read(cluster.world.path("reports/seed.txt")).expect("a report");
    assert_same(&report, &wanted);
    for role in consumers.into_iter().chain([reducer]) {
        role.stop().exits(0);
    }
    cluster.assert_tidy().await;
}

#[tokio::test]
async fn over_a_broker_the_bytes_are_the_same() {
    let cluster = Cluster::new().await;
    texts(&cluster.world, "t", 1_500);
    let wanted = wc(&cluster.world, "-lwc", "t");
    let consumers = [cluster.consumer(&["-j", "1"]), cluster.consumer(&["-j", "1", "--workload", "words"])];
    let command = cluster.run(PACKHORSE, ["words", "t", "--frequencies", "f"]).exits(0);
    assert_same(&command.out, &wanted);
    assert_same(&fs::read(cluster.world.path("f")).expect("frequencies"), &awk(&cluster.world, "t"));

    let reducer = cluster.reducer(&["--output-dir", "reports"]);
    cluster.start(PRODUCER, ["words", "t", "--job", "w", "--frequencies"]).wait().exits(0);
    assert_same(&cluster.run(REDUCER, ["--job", "w"]).exits(0).out, &wanted);
    let frequencies = fs::read(cluster.world.path("reports/w.frequencies")).expect("frequencies");
    assert_same(&frequencies, &awk(&cluster.world, "t"));
    for role in consumers.into_iter().chain([reducer]) {
        role.stop().exits(0);
    }
    cluster.assert_tidy().await;
}
