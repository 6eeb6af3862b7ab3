//! How a command that fails ends.

use consumer::ConsumerError;
use reducer::service::ServiceError;
use reducer::store::StoreError;
use shared::transport::TransportError;

use super::Exit;

/// Why a command ends early: its exit code, and a text for the user.
#[derive(Debug)]
pub struct Failure {
    pub(super) exit: Exit,
    pub(super) text: String,
}

impl Failure {
    pub fn new(exit: Exit, error: impl std::fmt::Display) -> Self {
        Self { exit, text: error.to_string() }
    }

    /// The command line or the configuration is wrong; nothing was done.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, error)
    }

    pub fn unfinished(error: impl std::fmt::Display) -> Self {
        Self::new(Exit::Unfinished, error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<TransportError> for Failure {
    /// Errors that the user can fix in the command or the configuration are usage errors.
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Url { .. }
            | TransportError::Credentials { .. }
            | TransportError::VirtualHost { .. }
            | TransportError::Tls { .. } => Self::usage(error),
            _ => Self::unfinished(error),
        }
    }
}

impl From<ConsumerError> for Failure {
    fn from(error: ConsumerError) -> Self {
        match error {
            ConsumerError::Transport(error) => error.into(),
            ConsumerError::Thread(error) => Self::unfinished(error),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Transport(error) => error.into(),
            ServiceError::Running { .. } | ServiceError::OutputDir { .. } => Self::usage(error),
            ServiceError::Store(cause) => Self::from(&*cause),
            other => Self::unfinished(other),
        }
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::InUse(_) | StoreError::Version { .. } | StoreError::Owner { .. } => Self::usage(error),
            _ => Self::unfinished(error),
        }
    }
}
