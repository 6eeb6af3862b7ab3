//! Reports: a job's records in the order of its plan, as text or JSON Lines, and its receipt.

mod checksum;
mod chunk;
mod file;
mod frequencies;
mod manifest;
mod quote;
mod receipt;
mod render;
mod side;
mod target;

pub use checksum::Checksum;
pub(crate) use chunk::{CHUNK_BYTES, CHUNK_BYTES_MIN, chunk};
pub use file::{MANIFEST, check_directory, check_file, could_be_report, is_one_file, is_stream, write_file};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use frequencies::sum_of;
pub use manifest::line;
pub use receipt::{receipt_json, receipt_text};
pub use render::{Format, Render, ReportError};
pub use side::Side;
pub use target::{Descriptor, Sink, Target};
