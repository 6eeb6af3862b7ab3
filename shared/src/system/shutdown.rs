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

    /// Does this until a stop is asked for; `None` if it was not done by then. Whatever waits for others, as for a
    /// broker, is done like this: a stop must not wait with it.
    pub async fn unless_asked<T>(&self, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = doing => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_others_stops_when_asked() {
        let (stopper, shutdown) = channel();
        assert_eq!(shutdown.unless_asked(async { 1 }).await, Some(1));
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.unless_asked(std::future::pending::<()>()).await }
        });
        stopper.stop();
        assert_eq!(waiting.await.expect("no panic"), None);
        assert_eq!(shutdown.unless_asked(async { 1 }).await, None, "it stays asked");
    }
}
