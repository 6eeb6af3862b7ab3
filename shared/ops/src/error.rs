//! Why an op cannot be built or computed.

/// A sentence that says what is wrong with an op's inputs or parameters. Whoever passes it on puts
/// the op's name and the types of its inputs before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpError(pub String);

impl OpError {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
