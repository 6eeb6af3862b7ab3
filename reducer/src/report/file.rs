//! A report in a file. The file is either complete or not changed at all.

use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use shared::system::descriptor::is_descriptor_of_another;
use shared::system::draft;
use shared::system::resolve::{directory_of, resolve};
use tempfile::NamedTempFile;

use super::{ReportError, Side};
use crate::scratch::Scratch;

/// Whether files can be created in a directory, so that a command finds out at its start and not at
/// its job's end.
pub fn check_directory(directory: &Path) -> std::io::Result<()> {
    tempfile::tempfile_in(directory).map(drop)
}

/// Ending of the name of a manifest in a directory of reports.
pub const MANIFEST: &str = "txt";

/// Whether a file's name could be that of a report in a directory of reports. A producer may choose
/// the name of a report, but not its ending.
pub fn could_be_report(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == MANIFEST || Side::ALL.iter().any(|side| ending == side.ending))
}

/// Whether a report can be written to this file.
pub fn check_file(path: &Path) -> std::io::Result<()> {
    if path.as_os_str().is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the name is empty"));
    }
    if path.is_dir() || path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(ErrorKind::IsADirectory.into());
    }
    if is_replaced(path) { check_directory(directory_of(&resolve(path))) } else { Ok(()) }
}

/// Whether a stream, such as standard output, is redirected to this file.
pub fn is_stream(stream: impl AsFd, path: &Path) -> bool {
    let stream = stream.as_fd().try_clone_to_owned().and_then(|stream| File::from(stream).metadata());
    let (Ok(stream), Ok(there)) = (stream, std::fs::metadata(path)) else { return false };
    there.is_file() && (stream.dev(), stream.ino()) == (there.dev(), there.ino())
}

/// Whether two paths name one file, so that one output would overwrite the other. A device can take
/// both outputs.
pub fn is_one_file(first: &Path, second: &Path) -> bool {
    is_replaced(first) && resolve(first) == resolve(second)
}

/// Whether a report replaces the file at this path, if there is one. Devices, pipes, and
/// descriptors of other processes are written to instead.
fn is_replaced(path: &Path) -> bool {
    let is_special = |metadata: std::fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    !std::fs::metadata(path).is_ok_and(is_special) && !is_descriptor_of_another(path)
}

/// A report that is being written to a file. It goes into a temporary file in the same directory,
/// which is renamed at the end, so readers never see half a report.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    /// The temporary file; `None` if the target is a device or pipe, which is not replaced.
    beside: Option<Beside>,
}

#[derive(Debug)]
struct Beside {
    file: NamedTempFile,
    target: PathBuf,
    _scratch: Scratch,
}

impl Draft {
    pub fn begin(path: &Path) -> Result<Self, ReportError> {
        let beside = is_replaced(path).then(|| Beside::make(path)).transpose();
        let beside = beside.map_err(|cause| ReportError::Output { path: Some(path.to_owned()), cause })?;
        Ok(Self { path: path.to_owned(), beside })
    }

    /// Writes the report. `write` gets the output; its value is returned.
    pub fn write<T>(self, write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>) -> Result<T, ReportError> {
        let failed = |cause| ReportError::Output { path: Some(self.path.clone()), cause };
        let named = |error: ReportError| error.of(Some(&self.path));
        let Some(Beside { file, target, _scratch }) = self.beside else {
            // Open it only now: opening a pipe blocks until it has a reader.
            let at_end = is_descriptor_of_another(&self.path);
            let file = File::options().write(true).append(at_end).open(&self.path).map_err(failed)?;
            let mut out = BufWriter::new(file);
            let value = write(&mut out).map_err(named)?;
            out.flush().map_err(failed)?;
            return Ok(value);
        };
        let mut out = BufWriter::with_capacity(256 * 1024, file);
        let value = write(&mut out).map_err(named)?;
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&target).map_err(|error| failed(error.error))?;
        Ok(value)
    }
}

impl Beside {
    fn make(path: &Path) -> std::io::Result<Self> {
        let target = resolve(path);
        let mut builder = tempfile::Builder::new();
        builder.prefix(draft::PREFIX).suffix(draft::SUFFIX).rand_bytes(draft::DRAWN);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let (file, _scratch) = Scratch::make(|| builder.tempfile_in(directory_of(&target)))?;
        Ok(Self { file, target, _scratch })
    }
}

/// Writes a file. On an error, an existing file is left as it was.
pub fn write_file<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>,
) -> Result<T, ReportError> {
    Draft::begin(path)?.write(write)
}
