//! NAME=PATH on the command line: which directory a root's name stands for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Failure;

/// Splits `NAME=DIR`.
pub fn named(text: &OsStr) -> Result<(&str, &Path), Failure> {
    let bytes = text.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=').filter(|&at| at > 0);
    let name = at.and_then(|at| std::str::from_utf8(&bytes[..at]).ok());
    let (Some(at), Some(name)) = (at, name) else {
        return Err(Failure::usage(format!("--root {}: write NAME=DIR", text.display())));
    };
    Ok((name, Path::new(OsStr::from_bytes(&bytes[at + 1..]))))
}
