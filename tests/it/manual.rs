//! Completions complete in a real shell, and `man` renders every page without a warning.

use crate::world::World;

const PROGRAMS: [&str; 4] = ["packhorse", "producer", "consumer", "reducer"];

/// What bash offers for a line that ends at the cursor, its last word begun or empty.
fn offers(world: &World, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (program, cursor) = (words[0], words.len() - 1);
    let script = world.packhorse(["completions", "bash", "--command", program]).exits(0).out;
    world.file("script", script);
    // As the shell calls it; the function's name is whatever the script registers.
    let ask = r#"
        source ./script
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        registered=($(complete -p "$1"))
        for ((i = 0; i < ${#registered[@]}; i++)); do
            [ "${registered[i]}" = -F ] && function=${registered[i + 1]}
        done
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let done = world.command("bash", ["--norc", "-c", ask, "bash"].iter().chain(&words)).done().exits(0);
    assert_eq!(done.err, "", "{line:?} at word {cursor}");
    let text = String::from_utf8(done.out).expect("UTF-8");
    let mut offers: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    offers.sort();
    offers
}

#[test]
fn bash_completes_commands_options_values_and_files() {
    let world = World::new();
    assert_eq!(offers(&world, "packhorse sh"), ["sha1"]);
    assert_eq!(offers(&world, "packhorse comp"), ["completions"]);
    assert_eq!(offers(&world, "packhorse sha1 --follow"), ["--follow", "--follow-outside"]);
    assert_eq!(offers(&world, "packhorse completions z"), ["zsh"]);
    assert_eq!(offers(&world, "producer s"), ["sha1", "steps"]);
    assert_eq!(offers(&world, "producer sha1 --no"), ["--no-recheck", "--no-wait"]);
    assert_eq!(offers(&world, "consumer --ro"), ["--root"]);
    assert_eq!(offers(&world, "reducer --output"), ["--output", "--output-dir"]);
    assert_eq!(offers(&world, "packhorse nonsense"), [""; 0]);
    world.file("photos.sha1", "");
    assert_eq!(offers(&world, "packhorse sha1 --output ph"), ["photos.sha1"]);
}

#[test]
fn every_shell_gets_every_subcommand() {
    let world = World::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.packhorse(["completions", shell]).exits(0).out;
        let script = String::from_utf8(script).expect("UTF-8");
        for name in ["sha1", "producer", "consumer", "reducer", "jobs", "status", "--connect-timeout"] {
            // Fish names long options without their hyphens.
            assert!(script.contains(name.trim_start_matches('-')), "{shell} does not know {name}");
        }
    }
    let done = world.packhorse(["completions", "tcsh"]).exits(2);
    assert!(done.err.contains("invalid value 'tcsh'") && done.err.contains("fish"), "{}", done.err);
}

#[test]
fn man_renders_every_page_without_a_warning() {
    let world = World::new();
    world.packhorse(["man", "--output-dir", "pages/man1"]).exits(0);
    let names = world.names("pages/man1");
    for program in PROGRAMS {
        assert!(names.contains(&format!("{program}.1")), "{names:?}");
    }
    for name in ["packhorse-sha1.1", "packhorse-producer-sha1.1", "packhorse-man.1", "producer-sha1.1"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    for name in &names {
        let page = format!("./pages/man1/{name}");
        let done = world
            .command("man", ["--warnings", "--locale=C", "-E", "UTF-8", "-l", &page])
            .env("MANWIDTH", "80")
            .done()
            .exits(0);
        assert_eq!(done.err, "", "{name}");
        let text = String::from_utf8(done.out).expect("UTF-8");
        for heading in ["NAME", "SYNOPSIS", "EXIT STATUS"] {
            assert!(text.lines().any(|line| line == heading), "{name} has no {heading}: {text}");
        }
        let status = "       2      the command line or the configuration is wrong; nothing was done";
        assert!(text.contains(status), "{name}: {text}");
    }
}

#[test]
fn one_page_is_printed_and_a_page_that_is_not_there_is_usage() {
    let world = World::new();
    world.packhorse(["man", "--output-dir", "pages"]).exits(0);
    for page in ["packhorse", "packhorse-sha1", "consumer"] {
        let printed = world.packhorse(["man", page]).exits(0).out;
        assert!(printed == std::fs::read(world.path(format!("pages/{page}.1"))).expect("a page"), "{page}");
    }
    let done = world.packhorse(["man", "sha1"]).exits(2);
    assert!(done.err.contains(r#"there is no page "sha1"; there are packhorse, packhorse-sha1,"#), "{}", done.err);
}
