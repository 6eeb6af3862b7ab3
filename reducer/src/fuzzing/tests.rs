//! Tests of the properties on stable Rust.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use shared::protocol::path::PathBytes;

use crate::fold::Record;
use crate::report::line;

/// Names in which bytes that need escaping are frequent.
fn names() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => prop::sample::select(b"\\\n\r'$ \x07\x80\xff#*a".to_vec()), 1 => any::<u8>()];
    prop_oneof![prop::collection::vec(byte, 0..40), "\\PC{0,20}\n?".prop_map(String::into_bytes)]
}

/// Lines of parts, most of them well-formed.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let count = prop_oneof![
        9 => (0..5_u64).prop_map(|count| count.to_string()),
        1 => prop::sample::select(vec!["18446744073709551615", "18446744073709551616", "+1", "-1", "", "01"])
            .prop_map(str::to_owned),
    ];
    let line = (count, "[ab]{0,2}", prop::sample::select(vec!["\n", "\n", "\n", "\n", "\n", "\n", "\t", ""]))
        .prop_map(|(count, word, end)| format!("{count}\t{word}{end}").into_bytes());
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn lines_of_reports_are_read_back(name in names()) {
        super::manifest(&name);
    }

    #[test]
    fn parts_add_up_exactly_or_are_refused(parts in prop::collection::vec(part(), 0..4)) {
        super::parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}

proptest! {
    // Each case opens a store, which takes some milliseconds.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_damaged_store_is_refused_or_has_its_account(
        choice in 0..8_u8,
        rest in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        super::store(&[&[choice], &rest[..]].concat());
    }
}

#[test]
fn a_store_cut_at_any_page_is_refused_or_has_its_account() {
    for kib in 0..96_u32 {
        for (choice, more) in [(0, 0), (1, 0), (1, 100)] {
            let [_, place @ ..] = (kib * 1024 + more).to_be_bytes();
            super::store(&[&[choice], &place[..]].concat());
        }
    }
}

/// GNU `sha1sum` itself reads the manifest.
#[test]
fn sha1sum_checks_a_manifest_of_any_names() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let made = (0..300).map(|_| names().new_tree(&mut runner).expect("a name").current());
    let is_name = |name: &Vec<u8>| {
        !name.is_empty()
            && name.len() < 200
            && *name != b"."
            && *name != b".."
            && !name.iter().any(|b| b"\0/".contains(b))
    };
    let names: BTreeSet<Vec<u8>> = made.filter(is_name).collect();
    assert!(names.len() > 100, "{} names", names.len());
    let (files, mut text) = (directory.path().join("files"), Vec::new());
    fs::create_dir(&files).expect("a directory");
    for name in &names {
        fs::write(files.join(OsStr::from_bytes(name)), b"").expect("a file");
        let digest = "da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned();
        // Names are in a directory, because "-" alone is standard input.
        line(&Record::File { name: PathBytes([b"./", &name[..]].concat()), digest, size: 0 }, &mut text);
    }
    let manifest = directory.path().join("manifest");
    fs::write(&manifest, &text).expect("a file");
    let mut command = Command::new("sha1sum");
    let checked = command.args(["--check", "--strict", "--quiet"]).arg(&manifest).current_dir(&files);
    let output = checked.output().expect("sha1sum runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}
