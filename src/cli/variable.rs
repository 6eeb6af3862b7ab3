//! Secrets from the environment: the text of a variable, or of a file that a second variable names.

use std::fmt;
use std::path::PathBuf;

use shared::system::environment;

use super::Failure;

/// A text from the environment, and its source.
pub struct Given {
    /// The text, unchanged.
    pub text: String,
    /// The file that holds the text, if a variable names one.
    pub file: Option<PathBuf>,
    variable: String,
}

/// The text of variable `name`, else of the file that variable `name` with `_FILE` at its end
/// names.
pub fn text_or_file(name: &str) -> Result<Option<Given>, Failure> {
    if let Some(text) = environment::text(name).map_err(Failure::usage)? {
        return Ok(Some(Given { text, file: None, variable: name.to_owned() }));
    }
    let variable = format!("{name}_FILE");
    let Some(path) = environment::path(&variable) else { return Ok(None) };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::usage(format!("cannot read {} (named by {variable}): {error}", path.display())))?;
    Ok(Some(Given { text, file: Some(path), variable }))
}

/// Shows the source, never the text.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(path) => write!(f, "{} (named by {})", path.display(), self.variable),
            None => f.write_str(&self.variable),
        }
    }
}
