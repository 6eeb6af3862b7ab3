//! Compares counts and frequencies with simple oracles.

use std::collections::BTreeMap;

use shared::protocol::limits::{WORD_BYTES_MAX, WORD_SHARED_BYTES};
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::protocol::workload::files::{Files, Item, Links};
use shared::protocol::workload::words::{Answer, Batch, Check, Counts, Manner, Mode, part};

use super::count::Counter;
use super::cut;
use super::separate::{Separate, is_separator};
use crate::work::{Context, Piece, Site, Unsent, work};

/// The counts of a text that comes in pieces.
fn counts(mode: Mode, pieces: &[&[u8]]) -> Counts {
    let (mut counter, mut separate) = (Counter::default(), Separate::new(mode));
    for piece in pieces {
        counter.bytes(piece);
        counter.words(separate.next(piece));
    }
    counter.words(separate.last());
    counter.counts
}

fn expected(mode: Mode, text: &[u8]) -> Counts {
    let words = match mode {
        Mode::Ascii => text.split(|&byte| is_separator(byte)).filter(|word| !word.is_empty()).count(),
        Mode::Unicode => String::from_utf8_lossy(text).split_whitespace().count(),
    };
    Counts {
        lines: text.iter().filter(|&&byte| byte == b'\n').count() as u64,
        words: words as u64,
        characters: text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64,
        bytes: text.len() as u64,
    }
}

/// Numbers that look random and are the same each time (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Building blocks of texts: every separator, near misses, and cut separators.
fn particles() -> Vec<Vec<u8>> {
    let mut particles: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    let every = ('\u{0}'..=char::MAX).filter(|c| c.is_whitespace());
    particles.extend(every.flat_map(|c| vec![c.to_string().into_bytes(); 8]));
    for near in ["\u{200b}", "\u{2060}", "\u{feff}", "\u{180e}", "\u{e9}", "\u{4e2d}", "\u{1f40e}", "\u{a1}", "word"] {
        particles.extend(vec![near.as_bytes().to_vec(); 4]);
    }
    for cut in [&b"\xe2\x80"[..], b"\xe2\x81", b"\xe3\x80", b"\xe1\x9a", b"\xf0\x9f", b"\xe2", b"\xc2"] {
        particles.extend(vec![cut.to_vec(); 4]);
    }
    particles
}

#[test]
fn differential_random_texts_in_random_pieces() {
    let (particles, mut numbers) = (particles(), Numbers(1));
    for _ in 0..3_000 {
        let text: Vec<u8> =
            (0..numbers.below(60)).flat_map(|_| particles[numbers.below(particles.len())].clone()).collect();
        let mut pieces = Vec::new();
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + numbers.below(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        for mode in [Mode::Ascii, Mode::Unicode] {
            assert_eq!(counts(mode, &pieces), expected(mode, &text), "{mode:?} {pieces:x?}");
        }
    }
}

#[test]
fn long_texts_cross_every_block() {
    for length in [0, 1, 191, 192, 193, 384, 1_000, 100_000] {
        for every in [1, 2, 3, 7, 191, 192, 193, 255, 256, 257, 5_000] {
            let text: Vec<u8> = (0..length).map(|at| if at % every == 0 { b"\n \t"[at % 3] } else { b'x' }).collect();
            assert_eq!(counts(Mode::Ascii, &[&text]), expected(Mode::Ascii, &text), "{length} {every}");
        }
    }
}

/// Does a task over files of these contents; returns the answer and the published pieces.
fn run(manner: Manner, contents: &[&[u8]]) -> (Answer, Vec<Piece>) {
    run_within(manner, contents, usize::MAX)
}

/// The same with a limit on the size of a piece.
fn run_within(manner: Manner, contents: &[&[u8]], bytes_max: usize) -> (Answer, Vec<Piece>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let item = |(at, content): (usize, &&[u8])| {
        let path = format!("f{at}");
        std::fs::write(directory.path().join(&path), content).expect("a file");
        Item { path: path.as_bytes().into(), size: 0, times: None }
    };
    let items = contents.iter().enumerate().map(item).collect();
    let batch = Batch { manner, files: Files { links: Links::Skip, root: "r".to_owned(), items, strict_times: false } };
    let mut site = Site::new();
    site.add_root("r", directory.path()).expect("it is there");
    let mut pieces = Vec::new();
    let mut publish = |piece: Piece| {
        if piece.body.len() > bytes_max {
            return Err(Unsent::TooLarge("the broker's words".to_owned()));
        }
        pieces.push(piece);
        Ok(())
    };
    let context = Context { site: &site, planned_at: None, cancelled: &|| false, publish: &mut publish, early: None };
    let body = Payload::of(&batch);
    let answer = work(Workload::Words, &body, context).expect("an answer");
    (Answer::parse(&answer, contents.len() as u32).expect("owners take our answers"), pieces)
}

const FREQUENT: Manner = Manner { mode: Mode::Ascii, characters: false, frequencies: true };

/// Adds the pieces up as an owner does.
fn sum(answer: &Answer, pieces: &[Piece]) -> BTreeMap<Vec<u8>, u64> {
    let mut sum = BTreeMap::new();
    let mut check = Check::default();
    let counts_it = |item: u32| answer.counts[item as usize].is_some();
    for piece in pieces.iter().filter(|piece| piece.item.is_none_or(counts_it)) {
        let lines: Vec<_> = part::lines(&piece.body).collect::<Result<_, _>>().expect("lines");
        assert!(lines.is_sorted_by_key(|(_, word)| word), "in byte order");
        for (count, word) in lines {
            check.add(word, count);
            *sum.entry(word.to_vec()).or_default() += count;
        }
    }
    assert_eq!(check, answer.check);
    sum
}

fn count_words<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> BTreeMap<Vec<u8>, u64> {
    let mut sum = BTreeMap::new();
    let words = |text: &'a [u8]| text.split(|&byte| is_separator(byte)).filter(|word| !word.is_empty());
    texts.into_iter().flat_map(words).for_each(|word| *sum.entry(word.to_vec()).or_default() += 1);
    sum
}

#[test]
fn frequencies_of_several_files_add_up() {
    let texts: [&[u8]; 5] = [b"a b a\n", b"", b"b c\tc c", b"\0 \xff\xfe \0", b"end"];
    let (answer, pieces) = run(FREQUENT, &texts);
    assert_eq!(sum(&answer, &pieces), count_words(texts));
    assert_eq!(pieces.len(), 1);
    assert_eq!(answer.total().words, 11);
}

/// The text has more distinct words than a table holds, and words across the borders of reads.
#[test]
fn a_table_that_is_full_leaves_in_parts() {
    let mut text = Vec::new();
    for number in 0_u64..1_500_000 {
        text.extend_from_slice(format!("{:x} ", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).as_bytes());
    }
    let texts = [&b"before"[..], &text, b"after"];
    let (answer, pieces) = run(FREQUENT, &texts);
    assert!(pieces.iter().any(|piece| piece.item == Some(1)), "some parts left before the file's end");
    assert_eq!(sum(&answer, &pieces), count_words(texts));
}

#[test]
fn a_word_over_the_limit_fails_its_file_alone_and_none_of_it_counts() {
    let longest = vec![b'x'; WORD_BYTES_MAX];
    let too_long = vec![b'x'; WORD_BYTES_MAX + 1];
    let spoilt = [&b"seen before "[..], &too_long, b" after"].concat();
    for (bad, texts) in [(None, [&b"a"[..], &longest, b"b"]), (Some(1), [&b"a"[..], &spoilt, b"b"])] {
        let (answer, pieces) = run(FREQUENT, &texts);
        assert_eq!(answer.failed.iter().map(|failure| failure.item).collect::<Vec<_>>(), Vec::from_iter(bad));
        let good = texts.iter().enumerate().filter(|(at, _)| bad != Some(*at as u32)).map(|(_, text)| *text);
        assert_eq!(sum(&answer, &pieces), count_words(good));
    }
    let (answer, _) = run(Manner { frequencies: false, ..FREQUENT }, &[&vec![b'x'; 3 * WORD_BYTES_MAX]]);
    assert_eq!(answer.total().words, 1, "without frequencies a word may have any length");
}

#[test]
fn a_part_that_nobody_takes_fails_its_file_alone_with_the_reason() {
    let long = [&b"seen before "[..], &vec![b'x'; WORD_SHARED_BYTES + 1], b" after"].concat();
    let texts = [&b"a b"[..], &long, b"b c"];
    let (answer, pieces) = run_within(FREQUENT, &texts, WORD_SHARED_BYTES);
    let failed: Vec<_> = answer.failed.iter().map(|failure| (failure.item, failure.reason.as_str())).collect();
    assert_eq!(failed, [(1, "the broker's words")]);
    assert_eq!(sum(&answer, &pieces), count_words([texts[0], texts[2]]));
    let (answer, pieces) = run_within(FREQUENT, &texts, WORD_SHARED_BYTES * 2);
    assert_eq!(sum(&answer, &pieces), count_words(texts));
}

#[test]
fn a_piece_is_cut_between_its_lines_until_there_is_one() {
    assert_eq!(cut(b"1\ta\n"), None);
    assert_eq!(cut(b""), None);
    assert_eq!(cut(b"1\ta\n1\tb\n"), Some(4));
    assert_eq!(cut(b"1\ta\n1\tb\n1\tc\n"), Some(8));
    assert_eq!(cut(b"1\ta\n1\tbbbbbbbbbbbbbbbbbbbbbbb\n"), Some(4));
    assert_eq!(cut(b"1\tbbbbbbbbbbbbbbbbbbbbbbb\n1\ta\n"), Some(26));
}

#[test]
fn two_answers_to_one_task_have_one_check() {
    let texts: [&[u8]; 3] = [b"a b a", b"c", b"d d"];
    assert_eq!(run(FREQUENT, &texts).0, run(FREQUENT, &texts).0);
    assert_ne!(run(FREQUENT, &texts).0.check, run(FREQUENT, &[b"a b b", b"c", b"d d"]).0.check);
}
