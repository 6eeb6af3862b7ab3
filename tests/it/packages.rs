//! What the packages promise to those who build or fetch them.

use std::process::Command;

use serde_json::Value;

const PACKAGES: [&str; 7] = [
    "packhorse-ops",
    "packhorse-compute",
    "packhorse-shared",
    "packhorse-producer",
    "packhorse-consumer",
    "packhorse-reducer",
    "packhorse",
];

/// Cargo at the top of this tree, with what was fetched for the build of this test.
fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `1.89` and `1.89.0` are the same.
fn version(text: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = text.split('.').map(|number| number.parse().expect("a number")).collect();
    numbers.resize(3, 0);
    numbers
}

#[test]
fn no_dependency_needs_a_newer_rust_than_we_promise() {
    // Packages for other systems were not fetched for this build.
    let rustc = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc runs");
    let host = String::from_utf8(rustc.stdout).expect("UTF-8");
    let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform", host.trim()]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "{} packages only", packages.len());
    let promised = version(env!("CARGO_PKG_RUST_VERSION"));
    let newer = packages.iter().filter_map(|package| {
        let needed = package["rust_version"].as_str()?;
        (version(needed) > promised).then(|| format!("{} {} needs {needed}", package["name"], package["version"]))
    });
    assert_eq!(newer.collect::<Vec<_>>(), [""; 0]);
    for name in PACKAGES {
        let ours = packages.iter().find(|package| package["name"] == name).expect("it is one of ours");
        assert_eq!(ours["rust_version"].as_str().map(version), Some(promised.clone()), "{name}");
    }
}

#[test]
fn every_package_holds_its_licences_and_a_readme() {
    for name in PACKAGES {
        let list = cargo(&["package", "--list", "--allow-dirty", "-p", name]);
        for file in ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"] {
            assert!(list.lines().any(|line| line == file), "{name} lacks {file}: {list}");
        }
    }
    let list = cargo(&["package", "--list", "--allow-dirty", "-p", "packhorse"]);
    assert!(!list.lines().any(|line| line.starts_with("tests/")), "tests look at what a package has not: {list}");
}
