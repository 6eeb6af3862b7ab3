//! Rules about any one file.

use super::source::{Source, find_word};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;
const LINE_CHARACTERS: usize = 120;

/// A reader learns first what a file is for.
pub(super) fn opens_with_a_doc(source: &Source) -> Vec<String> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    vec![source.complain(1, "a file opens with a `//!` comment that says what it is for")]
}

pub(super) fn file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES {
        return Vec::new();
    }
    vec![source.complain(lines, &format!("{lines} lines; a file has at most {FILE_LINES}"))]
}

pub(super) fn line_length(source: &Source) -> Vec<String> {
    let long = (1..).zip(source.text.lines()).filter(|(_, line)| line.chars().count() > LINE_CHARACTERS);
    long.map(|(number, _)| source.complain(number, &format!("a line has at most {LINE_CHARACTERS} characters")))
        .collect()
}

pub(super) fn function_length(source: &Source) -> Vec<String> {
    let too_long = functions(&source.code).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES);
    too_long
        .map(|(line, lines)| {
            source.complain(line, &format!("a function of {lines} lines; it has at most {FUNCTION_LINES}"))
        })
        .collect()
}

/// The first line and the number of lines of each function with a body.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = find_word(&code[from..], "fn").map(|at| from + at) {
        from = at + 2;
        // `fn(` is a type.
        let is_named = code[from..].trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_');
        if let Some(end) = is_named.then(|| body_end(&code[from..])).flatten() {
            let lines_to = |end: usize| code[..end].matches('\n').count() + 1;
            found.push((lines_to(at), lines_to(from + end) - lines_to(at) + 1));
        }
    }
    found
}

/// Where the body ends that follows a function's name; `None` if there is none.
fn body_end(code: &str) -> Option<usize> {
    let (mut brackets, mut braces) = (0i32, 0i32);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 => return Some(at),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// Names that say nothing gather everything.
pub(super) fn vague_names(source: &Source) -> Vec<String> {
    const VAGUE: [&str; 8] = ["util", "utils", "common", "manager", "helper", "helpers", "misc", "stuff"];
    let is_vague = |name: &str| VAGUE.contains(&name);
    let rule = "a module is named for what it does, not utils, common, manager or helper";
    let in_path = source.path.split(['/', '.']).any(is_vague).then(|| source.complain(1, rule));
    let declared = source.lines().filter(|(_, line)| {
        let name = find_word(line, "mod").map(|at| line[at + 3..].trim_start());
        name.is_some_and(|name| is_vague(name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")))
    });
    in_path.into_iter().chain(declared.map(|(number, _)| source.complain(number, rule))).collect()
}

/// What is merged works, and a test that does not run proves nothing.
pub(super) fn unfinished(source: &Source) -> Vec<String> {
    let is_bad = |line: &str| ["todo!", "unimplemented!", "#[ignore"].iter().any(|mark| line.contains(mark));
    let bad = source.lines().filter(|(_, line)| is_bad(line));
    bad.map(|(number, _)| source.complain(number, "no `todo!`, no `unimplemented!`, no ignored test")).collect()
}

/// Without `biased` the order of branches is drawn by lot, and no seed repeats it.
pub(super) fn unbiased_select(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if source.is_test() {
        return complaints;
    }
    let lines: Vec<(usize, &str)> = source.lines().collect();
    for (index, (number, line)) in lines.iter().enumerate().filter(|(_, (_, line))| line.contains("select! {")) {
        let same = line.split("select! {").nth(1).unwrap_or_default().trim();
        let next = lines[index + 1..].iter().map(|(_, line)| line.trim()).find(|line| !line.is_empty());
        let first = if same.is_empty() { next.unwrap_or_default() } else { same };
        if !first.starts_with("biased;") {
            complaints.push(source.complain(*number, "`select!` begins with `biased;`"));
        }
    }
    complaints
}

/// Where a hashed map is sorted before anyone sees its order.
const SORTED: &str = "reducer/src/report/frequencies/sum.rs";

/// Their order differs from run to run.
pub(super) fn seeded_maps(source: &Source) -> Vec<String> {
    if source.path == SORTED {
        return Vec::new();
    }
    let is_bad = |line: &str| ["HashMap", "HashSet"].iter().any(|name| find_word(line, name).is_some());
    let bad = source.lines().filter(|(_, line)| is_bad(line));
    bad.map(|(number, _)| source.complain(number, "BTreeMap and BTreeSet: hashed ones differ in order each run"))
        .collect()
}

/// Where the AMQP client is used.
const CLIENT: &str = "shared/src/transport/rabbitmq/";

/// What of the AMQP client mixes up or hides confirms, acks and returns, each tried: publishes are told apart by
/// their tags, deliveries are acked by their own ackers, and connections come back by our own means.
pub(super) fn hazards(source: &Source) -> Vec<String> {
    const HAZARDS: [&str; 5] = ["wait_for_confirms", "enable_auto_recover", "basic_ack", "set_delegate", "mandatory"];
    if !source.path.starts_with(CLIENT) {
        return Vec::new();
    }
    let is_bad = |line: &str| HAZARDS.iter().any(|name| find_word(line, name).is_some());
    let bad = source.lines().filter(|(_, line)| is_bad(line));
    bad.map(|(number, _)| source.complain(number, "this of the AMQP client loses confirms or acks")).collect()
}

/// What the standard library writes to standard output is taken for written where that is closed.
pub(super) fn swallowed_output(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let is_macro =
        |line: &str, name: &str| find_word(line, name).is_some_and(|at| line[at + name.len()..].starts_with('!'));
    let is_bad =
        |line: &str| ["print", "println"].iter().any(|name| is_macro(line, name)) || line.contains("stdout().lock()");
    let bad = source.product_lines().filter(|(_, line)| is_bad(line));
    bad.map(|(number, _)| source.complain(number, "results are printed through shared/src/system/descriptor/"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<usize> {
        let line = |complaint: &String| complaint.split(':').nth(1).expect("path:line: rule").parse().expect("a line");
        rule(&Source::new(path, text)).iter().map(line).collect()
    }

    #[test]
    fn each_rule_fires_where_it_should() {
        assert_eq!(lines(opens_with_a_doc, "a.rs", "// x\n"), [1]);
        assert_eq!(lines(file_length, "a.rs", &"\n".repeat(401)), [401]);
        assert_eq!(lines(line_length, "a.rs", &format!("\n{}\n{}", "ä".repeat(120), "x".repeat(121))), [3]);
        assert_eq!(lines(vague_names, "src/utils/mod.rs", ""), [1]);
        assert_eq!(lines(vague_names, "src/a.rs", "//! x\npub mod helpers;\nmod helper_free;"), [2]);
        assert_eq!(lines(unfinished, "a.rs", "\ntodo!()\nunimplemented!();\n#[ignore]\n// todo!"), [2, 3, 4]);
        assert_eq!(lines(unbiased_select, "a.rs", "tokio::select! {\n    x = y => {}\n}"), [1]);
        assert_eq!(lines(seeded_maps, "a.rs", "use std::collections::HashMap;"), [1]);
        assert_eq!(
            lines(swallowed_output, "a.rs", "println!();\nprint!();\nlet mut out = stdout().lock();"),
            [1, 2, 3]
        );
        let client = format!("{CLIENT}a.rs");
        assert_eq!(lines(hazards, &client, "x.basic_ack(1);\nlet o = Options { mandatory: true };"), [1, 2]);
    }

    #[test]
    fn rules_keep_quiet_where_all_is_well() {
        assert!(lines(file_length, "a.rs", &"\n".repeat(400)).is_empty());
        assert!(lines(unfinished, "a.rs", "let x = \"todo!\"; // unimplemented!").is_empty());
        assert!(lines(unbiased_select, "a.rs", "tokio::select! {\n    // why\n    biased;\n}").is_empty());
        assert!(lines(vague_names, "src/helper_free.rs", "mod tests {").is_empty());
        assert!(lines(swallowed_output, "a.rs", "eprintln!();\nterm::print(b);\n// println!()").is_empty());
        assert!(lines(hazards, "tests/a.rs", "x.basic_ack(1);").is_empty());
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let body = |lines: usize| format!("fn f(x: [u8; 3]) -> u8 {{\n{}}}", "    g('}');\n".repeat(lines - 2));
        assert!(lines(function_length, "a.rs", &body(70)).is_empty());
        assert_eq!(lines(function_length, "a.rs", &format!("//! x\n{}", body(71))), [2]);
        let code = "trait T {\n fn a();\n fn b(f: fn(u8) -> u8) {\n  if x { y }\n }\n}";
        assert_eq!(functions(code), [(3, 3)]);
    }
}
