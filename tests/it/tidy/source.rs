//! The tree as the rules see it: Rust files with their comments and texts blanked out, and the pages
//! that people read.

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file.
pub(super) struct Source {
    /// Relative to the top, with slashes.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// The same with comments and the insides of texts as spaces; line breaks stay.
    pub code: String,
}

/// One page in Markdown.
pub(super) struct Page {
    /// Relative to the top, with slashes.
    pub path: String,
    /// As it stands.
    pub text: String,
}

/// Everything that rules look at.
#[derive(Default)]
pub(super) struct Tree {
    /// Where it stands.
    pub root: PathBuf,
    /// Every Rust file.
    pub sources: Vec<Source>,
    /// Every page.
    pub pages: Vec<Page>,
    /// Names at the top level, without dotfiles and what git ignores.
    pub top: Vec<String>,
    /// The manifest of each package of ours: its path and text.
    pub manifests: Vec<(String, String)>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    /// Lines of code with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    /// The same without tests at the end of the file.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.code.find("#[cfg(test)]\nmod tests {").unwrap_or(self.code.len());
        (1..).zip(self.code[..end].lines())
    }

    /// Whether all of it is test code.
    pub(super) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "conformance"))
    }

    pub(super) fn complain(&self, line: usize, rule: &str) -> String {
        format!("{}:{line}: {rule}", self.path)
    }
}

impl Page {
    /// Its lines outside of examples, with their numbers.
    pub(super) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut inside = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence
        })
    }

    pub(super) fn complain(&self, line: usize, rule: &str) -> String {
        format!("{}:{line}: {rule}", self.path)
    }
}

impl Tree {
    pub(super) fn read(top: &Path) -> Self {
        let ignored = fs::read_to_string(top.join(".gitignore")).unwrap_or_default();
        let is_ignored = |name: &str| ignored.lines().any(|line| line.trim_matches('/') == name);
        let mut names: Vec<String> = names(top).into_iter().filter(|name| !is_ignored(name)).collect();
        names.sort();
        let mut files = Vec::new();
        for name in &names {
            collect(top, name, &mut files);
        }
        let of_kind = |end: &str| {
            let those = files.iter().filter(|path| path.ends_with(end)).cloned().collect::<Vec<String>>();
            those.into_iter().map(|path| (fs::read_to_string(top.join(&path)).expect("it is UTF-8"), path))
        };
        let sources = of_kind(".rs").map(|(text, path)| Source::new(&path, &text)).collect();
        let pages = of_kind(".md").map(|(text, path)| Page { path, text }).collect();
        let packages = ["", "shared/", "producer/", "consumer/", "reducer/"];
        let manifest = |package: &str| {
            let path = format!("{package}Cargo.toml");
            let text = fs::read_to_string(top.join(&path)).expect("each package has a manifest");
            (path, text)
        };
        let manifests = packages.into_iter().map(manifest).collect();
        Self { root: top.to_path_buf(), sources, pages, top: names, manifests }
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the tree can be read");
    let names = entries.map(|entry| entry.expect("the tree can be read").file_name().to_string_lossy().into_owned());
    // The fuzz targets have a build folder of their own.
    names.filter(|name| !name.starts_with('.') && name != "target").collect()
}

fn collect(top: &Path, relative: &str, files: &mut Vec<String>) {
    let path = top.join(relative);
    if path.is_dir() {
        let mut names = names(&path);
        names.sort();
        names.iter().for_each(|name| collect(top, &format!("{relative}/{name}"), files));
    } else {
        files.push(relative.to_owned());
    }
}

/// Whether `word` stands in the line as a word of its own; if so, where.
pub(super) fn find_word(line: &str, word: &str) -> Option<usize> {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next()))
}

/// Comments and the insides of texts and characters become spaces.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (skipped, kept) = skip(rest);
        if skipped == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (quiet, next) = rest.split_at(skipped);
        out.push_str(&quiet[..kept]);
        out.extend(quiet[kept..].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = next;
    }
    out
}

/// How many bytes of a comment, text or character begin here, and how many of them stay: none of a
/// comment, the opening of a text.
fn skip(rest: &str) -> (usize, usize) {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), 0);
    }
    if rest.starts_with("/*") {
        return (until("*/", 2), 0);
    }
    let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
    if rest.starts_with('r') && rest[1 + hashes..].starts_with('"') {
        return (until(&format!("\"{}", "#".repeat(hashes)), hashes + 2), 1);
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return (1 + quoted(inside, '"'), 1);
    }
    // A lifetime has no quote behind its first letter.
    let is_char = rest.starts_with("'\\") || rest.starts_with('\'') && rest.chars().nth(2) == Some('\'');
    if is_char { (1 + quoted(&rest[1..], '\''), 1) } else { (0, 0) }
}

/// Bytes up to and with the closing quote.
fn quoted(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    inside.len()
}

#[test]
fn comments_and_texts_are_blanked_and_code_stays() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b\n */ c", "a     \n    c"),
        (r#"f("a\"{", '{', 'x')"#, r#"f("     , '  , '  )"#),
        ("r#\"{\"}\"# + 1", "r        + 1"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("b'\\'' b'{'", "b'    b'  "),
    ];
    for (text, code) in cases {
        assert_eq!(blank(text), code, "{text}");
    }
    assert_eq!(find_word("xab ab", "ab"), Some(4));
    assert_eq!(find_word("cab abc ab_", "ab"), None);
}
