//! A pool before its job is open, and at its end.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use shared::protocol::message::Opened;
use shared::protocol::workload::call::{Spec, Worker};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::feed::Packing;
use super::home::{Home, Stream};
use super::pack::{Packed, Terminate};
use super::sizes::Sizes;
use super::tasks::{Joined, Tasks, Wiring};
use super::{CallOptions, Pool, PoolError, Shared};

/// A pool whose job is to be opened by the client that has its tasks.
pub struct Begun {
    join: oneshot::Sender<Joined>,
    packs: mpsc::UnboundedSender<Packed>,
    terminate: mpsc::UnboundedSender<Terminate>,
    sizes: Arc<Sizes>,
    served: watch::Receiver<(u32, u64)>,
    over: Arc<OnceLock<PoolError>>,
    ended: watch::Receiver<()>,
}

/// The end of a pool, for whoever drives its client. When it is dropped, the pool has ended.
pub struct Ending {
    over: Arc<OnceLock<PoolError>>,
    terminate: mpsc::UnboundedReceiver<Terminate>,
    _running: watch::Sender<()>,
}

/// Begins a pool. `pack` is the number of calls in each pack; `None`: as many as seems best.
pub fn begin(spec: &Spec, pack: Option<u32>) -> (Begun, Tasks, Ending) {
    let (packs, waiting) = mpsc::unbounded_channel();
    let (terminate, terminated) = mpsc::unbounded_channel();
    let (served, serving) = watch::channel((0, 0));
    let (running, ended) = watch::channel(());
    let (join, joining) = oneshot::channel();
    let (sizes, over) = (Arc::new(Sizes::new(pack)), Arc::<OnceLock<PoolError>>::default());
    let tasks = Tasks::new(spec.class(), Wiring { joining, packs: waiting, sizes: Arc::clone(&sizes), served });
    let ending = Ending { over: Arc::clone(&over), terminate: terminated, _running: running };
    (Begun { join, packs, terminate, sizes, served: serving, over, ended }, tasks, ending)
}

impl Begun {
    /// The pool, whose job this owner has opened. Call it within a tokio runtime.
    pub fn open<W: Worker>(self, home: Arc<dyn Home>, stream: Box<dyn Stream>, opened: &Opened) -> Pool<W> {
        let Self { join, packs, terminate, sizes, served, over, ended } = self;
        // Without its tasks the pool has ended.
        let _ = join.send(Joined { home: Arc::clone(&home), stream });
        let version = Arc::<AtomicU64>::default();
        let packing = Packing { runtime: Handle::current(), packs, sizes, version: Arc::clone(&version) };
        let packing = Mutex::new(Some(packing));
        let shared = Shared { job: opened.job.clone(), home, packing, terminate, served, version, over, ended };
        Pool { shared: Arc::new(shared), options: CallOptions::default(), worker: std::marker::PhantomData }
    }
}

impl Ending {
    /// Waits until the pool is to end as it stands. Whoever asked for it hears of its end when the
    /// sender is dropped. Cancelling the wait loses nothing.
    pub async fn terminated(&mut self) -> Option<oneshot::Sender<()>> {
        self.terminate.recv().await.flatten()
    }

    /// Why the pool is over, for calls that have no result then. The first reason counts.
    pub fn note(&self, why: PoolError) {
        let _ = self.over.set(why);
    }
}
