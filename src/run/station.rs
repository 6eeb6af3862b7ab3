//! The owner of one job in this process, with workers beside it if there are any.

use std::sync::Arc;

use consumer::ConsumerConfig;
use reducer::service::{self, Handle, ServiceConfig, ServiceError};
use shared::protocol::limits;
use shared::system::shutdown::{self, Stopper};
use shared::transport::Transport;
use tokio::task::JoinHandle;

pub(crate) struct Station {
    pub handle: Handle,
    stop_owner: Stopper,
    workers: Option<(Stopper, JoinHandle<()>)>,
    transport: Arc<dyn Transport>,
}

impl Station {
    /// Starts the owner. The station closes the transport at its end, and if it cannot start.
    pub async fn start(owner: ServiceConfig, transport: Arc<dyn Transport>) -> Result<Self, ServiceError> {
        let (stop_owner, stop) = shutdown::channel();
        match service::start(owner, Arc::clone(&transport), stop).await {
            Ok(handle) => Ok(Self { handle, stop_owner, workers: None, transport }),
            Err(error) => {
                transport.close().await;
                Err(error)
            }
        }
    }

    pub fn add_workers(&mut self, workers: ConsumerConfig) {
        let (stop, stopped) = shutdown::channel();
        let run = consumer::run(workers, Arc::clone(&self.transport), stopped);
        let run = tokio::spawn(async move {
            if let Err(error) = run.await {
                tracing::error!(%error, "The workers in this process have stopped.");
            }
        });
        self.workers = Some((stop, run));
    }

    /// Stops its parts in the reverse order of the flow of work: workers first, so that their last
    /// outcomes still reach the owner, then the owner, then the transport. Without `waits`, work may
    /// go on in this process, and nobody hears what comes of it.
    pub async fn end(mut self, waits: bool) {
        if let Some((stop, run)) = self.workers.take() {
            stop.stop();
            if waits {
                // They stop within their own time limit. If they failed, the job has failed as well.
                let _ = run.await;
            }
        }
        self.stop_owner.stop();
        let _ = tokio::time::timeout(limits::STOP_TIMEOUT, self.handle.ended()).await;
        self.transport.close().await;
    }
}
