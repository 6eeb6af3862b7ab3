//! Files that import each other in a circle, and rooms that import what is above them.
//!
//! An import is a `use` of product code or a path that begins with `crate`, `super` or one of our packages. It leads to
//! the deepest file that the path names. A file may use what stands in a module around it: that is how a folder shares
//! its own types. All others must have an order.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, Tree};

/// Our packages, as code names them, and where their files are.
const PACKAGES: [(&str, &str); 5] = [
    ("shared", "shared/src"),
    ("producer", "producer/src"),
    ("consumer", "consumer/src"),
    ("reducer", "reducer/src"),
    ("packhorse", "src"),
];

/// Rooms of one package, the lowest first. None may name one that comes after it.
const FLOORS: [&[&str]; 1] = [&["shared/src/system/", "shared/src/protocol/", "shared/src/transport/"]];

/// Arrows between files: from whom to which.
type Imports<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

pub(super) fn circles(tree: &Tree) -> Vec<String> {
    let imports = imports(tree);
    let mut complaints = Vec::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for &start in imports.keys() {
        let circle: Vec<&str> =
            reached(&imports, start).into_iter().filter(|file| reached(&imports, file).contains(start)).collect();
        if !circle.is_empty() && told.insert(start) {
            told.extend(&circle);
            complaints.push(format!("{start}:1: these files import each other in a circle: {}", circle.join(", ")));
        }
    }
    complaints
}

pub(super) fn floors(tree: &Tree) -> Vec<String> {
    let above = |from: &str, to: &str| {
        let floor = |floors: &[&str], path: &str| floors.iter().position(|floor| path.starts_with(floor));
        FLOORS.iter().any(|floors| floor(floors, from).zip(floor(floors, to)).is_some_and(|(from, to)| to > from))
    };
    let imports = imports(tree);
    let all = imports.iter().flat_map(|(from, targets)| targets.iter().map(move |to| (*from, *to)));
    all.filter(|(from, to)| above(from, to))
        .map(|(from, to)| format!("{from}:1: it imports {to}, of a room above it"))
        .collect()
}

fn imports(tree: &Tree) -> Imports<'_> {
    let product = |source: &&Source| !source.is_test() && PACKAGES.iter().any(|(_, at)| source.path.starts_with(at));
    let paths: BTreeSet<&str> = tree.sources.iter().filter(product).map(|source| source.path.as_str()).collect();
    let of = |source: &Source| {
        let named = named(source).into_iter().filter_map(|path| target(&source.path, &path, &paths));
        named.filter(|to| *to != source.path && !is_around(to, &source.path)).collect()
    };
    let sources = tree.sources.iter().filter(|source| paths.contains(source.path.as_str()));
    sources.map(|source| (source.path.as_str(), of(source))).collect()
}

/// Whether `module` is the file of a module that `file` stands in.
fn is_around(module: &str, file: &str) -> bool {
    let folder = module.strip_suffix("/mod.rs").or_else(|| module.strip_suffix("/lib.rs"));
    let folder = folder.or_else(|| module.strip_suffix(".rs")).unwrap_or(module);
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Every path of product code that a file names, as its segments.
fn named(source: &Source) -> Vec<Vec<String>> {
    let code: String = source.product_lines().flat_map(|(_, line)| [line, "\n"]).collect();
    let mut found = Vec::new();
    let begins = ["crate", "super", "self"].into_iter().chain(PACKAGES.iter().map(|(name, _)| *name));
    for begin in begins {
        for (at, _) in code.match_indices(&format!("{begin}::")) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
                expand(&code[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// The paths that begin here, with what stands in braces written out.
fn expand(text: &str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    before.push(text[..word].to_owned());
    let depth = before.len();
    let mut at = word;
    if let Some(rest) = text[at..].strip_prefix("::{") {
        at += 3;
        let mut left = rest;
        while !left.is_empty() && !left.starts_with('}') {
            let gap = left.find(|c: char| c.is_alphanumeric() || matches!(c, '_' | '}')).unwrap_or(left.len());
            at += gap;
            left = &left[gap..];
            if left.starts_with('}') || left.is_empty() {
                break;
            }
            let used = expand(left, before, found);
            at += used;
            left = &left[used..];
        }
        at += 1;
    } else if let Some(rest) =
        text[at..].strip_prefix("::").filter(|rest| rest.starts_with(|c: char| c.is_alphabetic()))
    {
        at += 2 + expand(rest, before, found);
    } else {
        found.push(before.clone());
    }
    before.truncate(depth - 1);
    at
}

/// The file that a path in `file` leads to.
fn target<'a>(file: &str, path: &[String], files: &BTreeSet<&'a str>) -> Option<&'a str> {
    let package = PACKAGES.iter().find(|(_, at)| file.starts_with(&format!("{at}/")))?;
    // The folder in which the children of a file's own module stand.
    let own =
        file.strip_suffix("/mod.rs").or_else(|| file.strip_suffix("/lib.rs")).unwrap_or(file.strip_suffix(".rs")?);
    let mut folder = own.to_owned();
    let mut segments = path.iter().map(String::as_str).peekable();
    match segments.next()? {
        "crate" => folder = package.1.to_owned(),
        "self" => {}
        "super" => {
            folder = parent(&folder)?;
            while segments.next_if_eq(&"super").is_some() {
                folder = parent(&folder)?;
            }
        }
        name => folder = PACKAGES.iter().find(|(known, _)| *known == name)?.1.to_owned(),
    }
    for segment in segments {
        let next = format!("{folder}/{segment}");
        if !files.iter().any(|file| is_module(file, &next)) {
            break;
        }
        folder = next;
    }
    files.iter().copied().find(|file| is_module(file, &folder))
}

fn parent(folder: &str) -> Option<String> {
    folder.rsplit_once('/').map(|(parent, _)| parent.to_owned())
}

/// Whether a file is that of the module whose children stand in `folder`.
fn is_module(file: &str, folder: &str) -> bool {
    file.strip_prefix(folder).is_some_and(|rest| matches!(rest, ".rs" | "/mod.rs" | "/lib.rs"))
}

/// The files that can be come to from `start`, by one import or more.
fn reached<'a>(imports: &Imports<'a>, start: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = vec![start];
    while let Some(file) = open.pop() {
        for &next in imports.get(file).into_iter().flatten() {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree { sources: files.iter().map(|(path, text)| Source::new(path, text)).collect(), ..Tree::default() }
    }

    #[test]
    fn a_circle_of_files_is_found_and_a_module_may_share_with_those_within() {
        let lib = ("shared/src/lib.rs", "pub mod a;\npub mod b;");
        let b = ("shared/src/b/mod.rs", "mod c;\npub use self::c::D;");
        let c = ("shared/src/b/c.rs", "use super::E;");
        assert_eq!(circles(&tree(&[lib, ("shared/src/a.rs", "use crate::b::D;"), b, c])).len(), 0);
        let back = ("shared/src/b/c.rs", "use std::{fmt, io};\nuse super::{E, super::{x, a::F}};");
        let found = circles(&tree(&[lib, ("shared/src/a.rs", "fn f() { crate::b::c::g() }"), b, back]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("shared/src/a.rs") && found[0].contains("shared/src/b/c.rs"), "{found:?}");
        // Tests and comments import nothing.
        let quiet = ("shared/src/b/c.rs", "// crate::a::F\n#[cfg(test)]\nmod tests { use crate::a::F; }");
        assert_eq!(circles(&tree(&[lib, ("shared/src/a.rs", "use crate::b::c::G;"), b, quiet])).len(), 0);
    }

    #[test]
    fn a_room_may_not_import_one_above_it() {
        let transport = ("shared/src/transport/mod.rs", "use crate::protocol::id::JobId;");
        let id = ("shared/src/protocol/id.rs", "");
        assert_eq!(floors(&tree(&[transport, id])).len(), 0);
        let up = ("shared/src/protocol/id.rs", "use crate::transport::Transport;");
        assert_eq!(floors(&tree(&[("shared/src/transport/mod.rs", ""), up])).len(), 1);
    }
}
