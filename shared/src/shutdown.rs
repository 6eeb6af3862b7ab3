//! The two-step stop: the first signal asks, the second exits at once.

use tokio::sync::watch;

/// Asked to stop? Clone it into every loop; it stays asked once it is.
#[derive(Debug, Clone)]
pub struct Shutdown {
    asked: watch::Receiver<bool>,
}

/// Asks every clone of its [`Shutdown`] to stop.
#[derive(Debug, Clone)]
pub struct Stopper {
    ask: watch::Sender<bool>,
}

/// A connected pair.
pub fn channel() -> (Stopper, Shutdown) {
    let (ask, asked) = watch::channel(false);
    (Stopper { ask }, Shutdown { asked })
}

impl Stopper {
    /// Asks; asking again does nothing.
    pub fn stop(&self) {
        self.ask.send_replace(true);
    }

    /// Another handle on the same stop.
    pub fn subscribe(&self) -> Shutdown {
        Shutdown { asked: self.ask.subscribe() }
    }
}

impl Shutdown {
    /// Whether a stop was asked for.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until a stop is asked for; for ever if its [`Stopper`] is gone without asking.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|&asked| asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
