//! Command lines become specs.

use super::*;

fn local(paths: &[OsString]) -> (Selection, Vec<PathBuf>) {
    selection(paths, Naming::Local, Links::Skip).expect("a spec")
}

fn shared(paths: &[OsString]) -> Result<Vec<(String, String)>, String> {
    let (spec, _) = selection(paths, Naming::Shared, Links::Skip).map_err(|e| e.to_string())?;
    Ok(spec.roots.into_iter().map(|root| (root.name, root.class.to_string())).collect())
}

fn error(paths: &[OsString]) -> String {
    shared(paths).expect_err("no spec")
}

fn prefixes(spec: &Selection) -> Vec<String> {
    spec.roots.iter().map(|root| root.prefix.display()).collect()
}

#[test]
fn prefixes_are_as_spelt() {
    // Paths relative to the crate, where tests run.
    for (path, prefix, dir, file) in [
        ("src", "src/", "src", None),
        ("src///", "src/", "src", None),
        (".", "./", ".", None),
        ("./src", "./src/", "./src", None),
        ("..", "../", "..", None),
        ("/", "/", "/", None),
        ("//", "/", "/", None),
        ("Cargo.toml", "", ".", Some("Cargo.toml")),
        ("./Cargo.toml", "./", ".", Some("Cargo.toml")),
        ("src//lib.rs", "src//", "src/", Some("lib.rs")),
    ] {
        let (spec, dirs) = local(&[path.into()]);
        assert_eq!((prefixes(&spec), dirs), (vec![prefix.to_owned()], vec![PathBuf::from(dir)]), "{path}");
        assert_eq!(spec.starts[0].file, file.map(|file| file.as_bytes().into()), "{path}");
    }
}

#[test]
fn names_are_those_that_find_prints() {
    for path in [".", "src", "./src", "Cargo.toml", "src/lib.rs"] {
        let paths = [OsString::from(path)];
        let (spec, dirs) = local(&paths);
        assert_eq!(names(&spec, &tasks(&spec, &dirs)), find(&[], &paths), "{path}");
    }
}

#[test]
fn what_is_given_twice_or_inside_is_taken_once() {
    let tree = Tree::new();
    tree.file("d/e/f", 1).file("d/g", 1).file("de", 1).link("same", "d");
    for order in [["d/e", "d", "d/e/f", "de", "d", "same"], ["same", "de", "d/e/f", "d/e", "d", "d"]] {
        let (spec, dirs) = local(&order.map(|path| tree.argument(path)));
        let found = names(&spec, &tasks(&spec, &dirs));
        let outer = if order[0] == "same" { "same" } else { "d" };
        let mut expected = [format!("{outer}/e/f"), format!("{outer}/g"), "de".to_owned()].map(|n| tree.argument(&n));
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[test]
fn files_of_one_parent_share_a_root_and_starts_are_sorted() {
    let tree = Tree::new();
    tree.file("d/b", 1).file("d/a", 1).file("d/c/x", 1).file("d/c.x", 1).file("e", 1);
    let (spec, dirs) = local(&["e", "d/b", "d/c", "d/c.x", "d/a"].map(|path| tree.argument(path)));
    assert_eq!(spec.roots.len(), 3);
    let expected = ["d/a", "d/b", "d/c.x", "d/c/x", "e"].map(|path| tree.argument(path));
    assert_eq!(names(&spec, &tasks(&spec, &dirs)), expected);
}

#[test]
fn shared_roots_have_names() {
    let tree = Tree::new();
    tree.file("photos/x/f", 1).file("photos/x/g", 1).file("a b/f", 1).file("c=d/f", 1);
    let named = |argument: &str| {
        let (name, path) = argument.split_once('=').expect("NAME=PATH");
        let mut whole = OsString::from(format!("{name}="));
        whole.push(tree.path(path));
        whole
    };
    let one = |name: &str, class: &str| Ok(vec![(name.to_owned(), class.to_owned())]);
    assert_eq!(shared(&[tree.argument("photos")]), one("photos", "photos"));
    assert_eq!(shared(&[tree.argument("photos//")]), one("photos", "photos"));
    assert_eq!(shared(&[tree.argument("a b/f")]), one("a b", "a_20b"));
    assert_eq!(shared(&[named("p=photos")]), one("p", "p"));
    assert_eq!(shared(&[named("p=photos/x/f")]), one("p", "p"));
    assert_eq!(shared(&[named("photos=photos"), tree.argument("photos/x")]), one("photos", "photos"));
    assert_eq!(shared(&[named("x=photos/x/f"), tree.argument("photos/x/g")]), one("x", "x"));
    assert_eq!(shared(&[tree.argument("c=d")]), one("c=d", "c_3Dd"));
    assert_eq!(shared(&["here=.".into()]), one("here", "here"));
}

#[test]
fn errors_say_what_to_do() {
    let tree = Tree::new();
    tree.file("a/x/f", 1).file("b/x/f", 1).link("gone", "nowhere").special();
    let text = |path: &str| tree.path(path).display().to_string();
    assert_eq!(error(&[]), "nothing to do: name at least one file or directory");
    assert_eq!(error(&[tree.argument("no")]), format!("{}: No such file or directory", text("no")));
    assert_eq!(
        error(&[tree.argument("gone")]),
        format!("{}: No such file or directory (a dangling link)", text("gone"))
    );
    assert_eq!(error(&[tree.argument("a/x/f/")]), format!("{}: Not a directory", text("a/x/f/")));
    assert_eq!(error(&[tree.argument("fifo")]), format!("{}: neither a file nor a directory", text("fifo")));
    for path in [".", "..", "/", "Cargo.toml"] {
        assert!(error(&[path.into()]).contains("write NAME="), "{path}");
    }
    assert!(error(&[tree.argument("a/x"), tree.argument("b/x")]).contains("would both be called \"x\""));
    let odd = tree.path(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&odd).expect("a directory");
    assert!(error(&[odd.into_os_string()]).contains("write NAME=PATH"));
}
