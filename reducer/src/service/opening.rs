//! A store that is opened while other things go on.

use shared::protocol::id::OwnerId;

use crate::store::{Place, Store, StoreError};

/// A store that is being opened, on a thread of its own: making one takes as long as connecting to a
/// broker, and neither has to wait for the other.
#[derive(Debug)]
pub struct Opening {
    is_temporary: bool,
    opened: tokio::task::JoinHandle<Result<Store, StoreError>>,
}

impl Opening {
    /// Begins. The store belongs to `owner` if it is new. Needs a runtime around it.
    pub fn begin(place: Place, owner: OwnerId) -> Self {
        let is_temporary = place == Place::Temporary;
        Self { is_temporary, opened: tokio::task::spawn_blocking(move || Store::open(&place, || owner)) }
    }

    /// The same for a service: a store of another owner is not for it. Without a name it takes the store's, or
    /// `main`.
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

    /// Whether it holds nothing yet, and nobody will find it again.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// The store, once it is open. There is one: asking again panics.
    pub async fn store(&mut self) -> Result<Store, StoreError> {
        (&mut self.opened).await.expect("opening a store does not panic")
    }
}
