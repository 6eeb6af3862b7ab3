//! The house rules, checked: where things stand, who may name what, how long a file gets.
//!
//! Each rule is a function from a file, or from the tree, to complaints of the form
//! `path:line: rule`, and has a test beside it that shows it firing.
//!
//! # Layout
//! - `source`: the tree as the rules see it
//! - `text`: rules about any one file
//! - `circles`: files and rooms that import what they must not
//! - `layout`: rules about who may name what, and where things stand
//! - `prose`: rules about the pages that people read

mod circles;
mod layout;
mod prose;
mod source;
mod text;

use std::path::Path;

use self::source::{Source, Tree};

/// A rule that looks at one file.
type FileRule = fn(&Source) -> Vec<String>;

/// A rule that looks at the whole tree.
type TreeRule = fn(&Tree) -> Vec<String>;

const FILE_RULES: [FileRule; 16] = [
    text::opens_with_a_doc,
    text::file_length,
    text::line_length,
    text::function_length,
    text::vague_names,
    text::unfinished,
    text::unbiased_select,
    text::seeded_maps,
    text::hazards,
    text::swallowed_output,
    layout::names_of_queues,
    layout::variables,
    layout::engines_without_io,
    layout::engines_name_no_workload,
    layout::workloads_without_transport,
    layout::rooms,
];

const TREE_RULES: [TreeRule; 6] =
    [circles::circles, circles::floors, layout::top_level, layout::dependencies, layout::workload_rows, prose::pages];

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(tree.sources.len() > 50, "the rules look at {} files only", tree.sources.len());
    let of_files = tree.sources.iter().flat_map(|source| FILE_RULES.iter().flat_map(move |rule| rule(source)));
    let of_tree = TREE_RULES.iter().flat_map(|rule| rule(&tree));
    let complaints: Vec<String> = of_files.chain(of_tree).collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}
