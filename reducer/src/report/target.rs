//! The target of a report: an open descriptor, or a file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::system::descriptor;

use super::ReportError;
use super::file::Draft;

/// Bytes; large enough for one task in one write. Each part of a report is flushed when it is
/// complete.
const STREAM_BUFFER: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output, written while the job runs.
    Stdout,
    /// Another descriptor that the command was started with, written while the job runs.
    Descriptor(Descriptor),
    /// A file, which appears only when the report is complete.
    File(PathBuf),
}

/// A descriptor that the command was started with. This value holds a duplicate, so the number
/// cannot come to mean another file.
#[derive(Debug, Clone)]
pub struct Descriptor {
    number: u32,
    file: Arc<File>,
}

impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Descriptor {}

impl Descriptor {
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path such as `/dev/fd/3`, for messages.
    pub fn name(&self) -> PathBuf {
        PathBuf::from(format!("/dev/fd/{}", self.number))
    }
}

impl Target {
    /// The target that a user means by a name. `-` is standard output, by the convention of POSIX
    /// utilities, and so is each path of that descriptor. Another descriptor must be open for
    /// writing; the error says what is wrong with it. Call this before the process opens any file.
    pub fn named(name: OsString) -> Result<Self, String> {
        if name == "-" {
            return Ok(Self::Stdout);
        }
        match descriptor::number_of(Path::new(&name)) {
            None => Ok(Self::File(name.into())),
            Some(descriptor::STDOUT) => Ok(Self::Stdout),
            Some(number) => {
                let file = descriptor::duplicate(number);
                let file = file.map_err(|error| format!("descriptor {number} cannot be written to: {error}"))?;
                Ok(Self::Descriptor(Descriptor { number, file: Arc::new(file) }))
            }
        }
    }

    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Stdout | Self::Descriptor(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// The descriptor, unless it is standard output.
    pub fn descriptor(&self) -> Option<&File> {
        match self {
            Self::Descriptor(descriptor) => Some(descriptor.file()),
            Self::Stdout | Self::File(_) => None,
        }
    }

    /// Whether the output goes to a terminal.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Descriptor(descriptor) => descriptor.file().is_terminal(),
            Self::File(_) => false,
        }
    }

    pub fn begin(&self) -> Result<Sink, ReportError> {
        Ok(match self {
            Self::Stdout => {
                let stdout = descriptor::stdout().map_err(|cause| ReportError::Output { path: None, cause })?;
                Sink::Stream { file: Arc::new(stdout), name: None }
            }
            Self::Descriptor(descriptor) => {
                Sink::Stream { file: Arc::clone(&descriptor.file), name: Some(descriptor.name()) }
            }
            Self::File(path) => Sink::File(Draft::begin(path)?),
        })
    }

    /// Writes to the target. `write` gets the output; its value is returned.
    pub fn write<T>(&self, write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>) -> Result<T, ReportError> {
        self.begin()?.write(write)
    }
}

#[derive(Debug)]
pub enum Sink {
    /// A descriptor. One without a name is standard output.
    Stream {
        file: Arc<File>,
        /// Its name in messages.
        name: Option<PathBuf>,
    },
    File(Draft),
}

impl Sink {
    /// Writes to the target. `write` gets the output; its value is returned.
    pub fn write<T>(self, write: impl FnOnce(&mut dyn Write) -> Result<T, ReportError>) -> Result<T, ReportError> {
        match self {
            Self::Stream { file, name } => {
                let mut out = BufWriter::with_capacity(STREAM_BUFFER, &*file);
                let written = write(&mut out).and_then(|value| {
                    out.flush().map_err(|cause| ReportError::Output { path: None, cause })?;
                    Ok(value)
                });
                written.map_err(|error| error.of(name.as_deref()))
            }
            Self::File(draft) => draft.write(write),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::AsRawFd;

    use super::*;

    fn named(name: &str) -> Result<Target, String> {
        Target::named(name.into())
    }

    #[test]
    fn standard_output_has_several_names() {
        for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            assert_eq!(named(name), Ok(Target::Stdout), "{name}");
        }
        assert_eq!(named("./-"), Ok(Target::File("./-".into())));
    }

    #[test]
    fn a_descriptor_is_written_to_where_it_stands_and_stays_open() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"before ").expect("written");
        let target = named(&format!("/dev/fd/{}", file.as_raw_fd())).expect("it is open");
        for _ in 0..2 {
            let write = |out: &mut dyn Write| {
                out.write_all(b"report ").map_err(|cause| ReportError::Output { path: None, cause })
            };
            target.write(write).expect("written");
        }
        file.write_all(b"after").expect("written");
        file.rewind().expect("rewound");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "before report report after");
    }

    #[test]
    fn a_descriptor_that_takes_nothing_is_told_at_once() {
        let reading = File::open("/dev/null").expect("opened");
        let error = named(&format!("/dev/fd/{}", reading.as_raw_fd())).expect_err("of no use");
        assert!(error.contains("open for reading alone"), "{error}");
        let error = named("/dev/fd/987654").expect_err("of no use");
        assert_eq!(error, "descriptor 987654 cannot be written to: it is closed");
    }
}
