//! Opening a store in the background.

use shared::protocol::id::OwnerId;

use crate::store::{Place, Store, StoreError};

/// A store that is being opened on a thread of its own. Creating one takes as long as connecting to
/// a broker, so the two are done at the same time.
#[derive(Debug)]
pub struct Opening {
    is_temporary: bool,
    opened: tokio::task::JoinHandle<Result<Store, StoreError>>,
}

impl Opening {
    /// Begins to open a store. A new store belongs to `owner`. Call this within a tokio runtime.
    pub fn begin(place: Place, owner: OwnerId) -> Self {
        let is_temporary = place == Place::Temporary;
        Self { is_temporary, opened: tokio::task::spawn_blocking(move || Store::open(&place, || owner)) }
    }

    /// Begins to open a store for a service. A store of another owner is an error. Without `owner`,
    /// the service takes the store's name, or `main` for a new store.
    pub fn of_service(place: Place, owner: Option<OwnerId>) -> Self {
        let open = move || {
            let name = || owner.clone().unwrap_or_else(OwnerId::main);
            let store = Store::open(&place, name)?;
            match owner.as_ref().filter(|owner| *owner != store.owner()) {
                Some(wanted) => {
                    let (path, owner) = (store.path().to_owned(), store.owner().clone());
                    Err(StoreError::Owner { path, owner, wanted: wanted.clone() })
                }
                None => Ok(store),
            }
        };
        Self { is_temporary: false, opened: tokio::task::spawn_blocking(open) }
    }

    /// Whether the store is temporary: it is empty now, and is removed when the process ends.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// Waits until the store is open and returns it. A second call panics.
    pub async fn store(&mut self) -> Result<Store, StoreError> {
        (&mut self.opened).await.expect("opening a store does not panic")
    }
}
