//! The example as a program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The example, built as this test was, with the features that the whole workspace has then: cargo names no
/// variable for examples, and builds none for `cargo test --test it`.
pub fn example() -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // What `cargo test` compiles with, or all dependencies are compiled once more.
        let profile = if cfg!(debug_assertions) { "test" } else { "release" };
        // The other example as well, which a page of the guide runs.
        build.args(["build", "--quiet", "--workspace", "--profile", profile]);
        build.args(["--example", "horse_rider", "--example", "pool"]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        // Tests hear from cargo whose they are. Build scripts that look at the same variables would run again,
        // and all that depends on them be compiled again, here and in the next `cargo test`.
        let of_this_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(of_this_package) {
                build.env_remove(name);
            }
        }
        assert!(build.status().expect("cargo runs").success(), "the example builds");
        let test = std::env::current_exe().expect("this test's path");
        let profile = test.parent().and_then(Path::parent).expect("PROFILE/deps/it-HASH");
        profile.join("examples/horse_rider")
    })
}
