//! A report in a file: whole or not at all.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::ReportError;
use crate::scratch::Scratch;

/// Whether files can be made in a directory: better known at the start than at a job's end.
pub fn check_directory(directory: &Path) -> std::io::Result<()> {
    tempfile::tempfile_in(directory).map(drop)
}

/// Whether a report can be written to this file.
pub fn check_file(path: &Path) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => Ok(()),
        _ => check_directory(directory_of(&target_of(path))),
    }
}

/// A link is written through, not replaced.
fn target_of(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file through a temporary one beside it and a rename, so that its name never shows half
/// a report. `write` gets the output and gives what the caller wants of it.
pub fn write_file<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>,
) -> Result<T, ReportError> {
    let failed = |cause| ReportError::Output { path: Some(path.to_owned()), cause };
    let named = |error| match error {
        ReportError::Output { path: None, cause } => failed(cause),
        other => other,
    };
    // A device, a pipe: there is nothing to replace.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let mut out = BufWriter::new(File::options().write(true).open(path).map_err(failed)?);
        let value = write(&mut out).map_err(named)?;
        out.flush().map_err(failed)?;
        return Ok(value);
    }
    let target = target_of(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".packhorse-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let (file, _scratch) = Scratch::make(|| builder.tempfile_in(directory_of(&target))).map_err(failed)?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    let value = write(&mut out).map_err(named)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    Ok(value)
}
