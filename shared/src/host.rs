//! This machine's name, for people who read reports.

use std::fs;

use crate::environment;

/// The host's name, as the kernel or the environment gives it.
pub fn name() -> String {
    let file = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    // Set by a shell, not by people: one that is no text says nothing.
    let variable = || environment::text("HOSTNAME").ok().flatten();
    let known = file("/proc/sys/kernel/hostname").or_else(variable).or_else(|| file("/etc/hostname"));
    known.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}
