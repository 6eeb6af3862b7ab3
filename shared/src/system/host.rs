//! This machine's name, for people who read reports.

/// The host's name, as the kernel gives it.
pub fn name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "unknown".to_owned() } else { name }
}
