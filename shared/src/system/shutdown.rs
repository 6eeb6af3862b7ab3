//! The two-step stop: the first signal requests a stop, the second exits at once.

use tokio::sync::watch;

/// Tells whether a stop was requested. Clone it into every loop. A request is never withdrawn.
#[derive(Debug, Clone)]
pub struct Shutdown {
    asked: watch::Receiver<bool>,
}

/// Requests a stop of every clone of its [`Shutdown`].
#[derive(Debug, Clone)]
pub struct Stopper {
    ask: watch::Sender<bool>,
}

pub fn channel() -> (Stopper, Shutdown) {
    let (ask, asked) = watch::channel(false);
    (Stopper { ask }, Shutdown { asked })
}

impl Stopper {
    /// Requests the stop; further calls do nothing.
    pub fn stop(&self) {
        self.ask.send_replace(true);
    }

    pub fn subscribe(&self) -> Shutdown {
        Shutdown { asked: self.ask.subscribe() }
    }
}

impl Shutdown {
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until a stop is requested; for ever if the [`Stopper`] was dropped without a request.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|&asked| asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs `doing` until a stop is requested; `None` if it was not done by then. Wrap every wait
    /// for another process, such as the broker, in this, so that a stop need not wait for it.
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
