//! Rules about the pages that people read.

use std::path::{Component, Path, PathBuf};

use super::source::{Page, Tree};

const LINE_CHARACTERS: usize = 100;
const README_LINES: usize = 150;

pub(super) fn pages(tree: &Tree) -> Vec<String> {
    tree.pages.iter().flat_map(|page| [line_length(page), links(page, tree), readme_length(page)].concat()).collect()
}

/// Examples and tables are as wide as they are.
fn line_length(page: &Page) -> Vec<String> {
    let is_long = |line: &str| {
        // What has no blank cannot be broken.
        line.chars().count() > LINE_CHARACTERS && line.trim_start().chars().take(LINE_CHARACTERS).any(|c| c == ' ')
    };
    let long = page.prose().filter(|(_, line)| !line.trim_start().starts_with('|') && is_long(line));
    long.map(|(number, _)| page.complain(number, &format!("a line of prose has at most {LINE_CHARACTERS} characters")))
        .collect()
}

/// A link within the tree leads to a file.
fn links(page: &Page, tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in page.prose() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            let file = target.split('#').next().unwrap_or_default();
            let is_outside = file.is_empty() || file.contains("://");
            if !is_outside && !tree.root.join(beside(&page.path, file)).exists() {
                complaints.push(page.complain(number, &format!("{target} is not there")));
            }
        }
    }
    complaints
}

/// A path that is given relative to a page, relative to the top.
fn beside(page: &str, file: &str) -> PathBuf {
    let mut path = Path::new(page).parent().map(Path::to_path_buf).unwrap_or_default();
    for component in Path::new(file).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            other => path.push(other),
        }
    }
    path
}

fn readme_length(page: &Page) -> Vec<String> {
    let lines = page.text.lines().count();
    if page.path != "README.md" || lines < README_LINES {
        return Vec::new();
    }
    vec![page.complain(lines, &format!("{lines} lines; it has fewer than {README_LINES}, the rest is in docs/guide"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page { path: "docs/guide/a.md".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn prose_is_narrow_and_what_cannot_be_broken_is_not_prose() {
        let long = "word ".repeat(30);
        assert_eq!(line_length(&page(&long)).len(), 1);
        for text in [format!("| {long} |"), format!("```sh\n{long}\n```"), "x".repeat(150), "word ".repeat(20)] {
            assert_eq!(line_length(&page(&text)), [] as [String; 0], "{text}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
        let found = |text: &str| links(&page(text), &tree).len();
        assert_eq!(found("[a](../PROTOCOL.md#names) [b](https://example.org/) [c](#here)"), 0);
        assert_eq!(found("[a](PROTOCOL.md) and [b](../../README.md)"), 1);
        assert_eq!(found("```\n[a](PROTOCOL.md)\n```"), 0);
    }

    #[test]
    fn a_readme_that_grows_is_found() {
        let readme = |lines: usize| Page { path: "README.md".to_owned(), text: "line\n".repeat(lines) };
        assert_eq!([readme_length(&readme(149)).len(), readme_length(&readme(150)).len()], [0, 1]);
    }
}
