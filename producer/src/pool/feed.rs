//! Makes packs of a caller's arguments, on a thread of its own: an iterator may block, and may have
//! no end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::protocol::limits::{PACK_BYTES, RESULT_BYTES_MAX};
use shared::protocol::workload::call::{Codec, PackBuilder, Worker};
use shared::system::threads::{self, NoThread};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::error::PoolError;
use super::pack::{Caller, Delivery, Packed};
use super::room::{Place, Room};
use super::sizes::Sizes;

/// Kilobytes that the packs of one caller may have whose results it has not taken: what an endless
/// iterator may get ahead of whoever reads the results.
const UNTAKEN: u32 = 16 * 1024;

/// What a pack counts besides its bytes, in kilobytes: results take room, too.
const PACK_WEIGHT: u32 = 16;

/// What the packs of one caller may weigh that have not become tasks: four, so that packs have the
/// size that is best when they go out.
const UNSENT: u32 = 4 * UNSENT_WEIGHT;

/// What one of them weighs. A short one of the largest size weighs 1.
const UNSENT_WEIGHT: u32 = 64;

/// Where packs go, and what they are made with.
#[derive(Clone)]
pub(super) struct Packing {
    pub runtime: Handle,
    pub packs: mpsc::UnboundedSender<Packed>,
    pub sizes: Arc<Sizes>,
    /// The version of updates that calls need from now on.
    pub version: Arc<AtomicU64>,
}

/// The order in which a caller wants its results, and how it gets them.
pub(super) struct Wanted {
    pub deliveries: mpsc::UnboundedSender<Delivery>,
    /// How often each call is tried again that returns an error.
    pub retries: u32,
    /// The version that its calls need; `None`: the latest at the time of each pack.
    pub version: Option<u64>,
}

/// Starts to make packs of these arguments.
pub(super) fn start<W, I>(packing: Packing, arguments: I, wanted: Wanted) -> Result<(), NoThread>
where
    W: Worker,
    I: IntoIterator<Item = W::Job> + Send + 'static,
    W::Job: Send,
{
    let caller = Arc::new(Caller { deliveries: wanted.deliveries, retries: wanted.retries });
    let mut feeder = Feeder {
        packing,
        caller,
        untaken: Room::new(UNTAKEN),
        unsent: Room::new(UNSENT),
        version: wanted.version,
        builder: PackBuilder::default(),
        first: 0,
    };
    let run = move || {
        let all = || arguments.into_iter().all(|argument| feeder.add::<W>(&argument));
        // What a panic leaves is only what was added before.
        let fed = catch_unwind(AssertUnwindSafe(all));
        if matches!(fed, Ok(false)) || !feeder.flush() {
            return;
        }
        if fed.is_err() {
            let index = feeder.first;
            feeder.caller.deliver(Delivery::Failed { index, error: PoolError::Arguments { index } });
            feeder.first += 1;
        }
        feeder.caller.deliver(Delivery::End { calls: feeder.first });
    };
    threads::start("pool feeder", run).map(drop)
}

struct Feeder {
    packing: Packing,
    caller: Arc<Caller>,
    untaken: Room,
    unsent: Room,
    version: Option<u64>,
    builder: PackBuilder,
    /// The index of the pack's first call.
    first: u64,
}

impl Feeder {
    /// Adds an argument; `false` if nobody wants results any more.
    fn add<W: Worker>(&mut self, argument: &W::Job) -> bool {
        let before = self.builder.bytes();
        let index = self.first + self.builder.len() as u64;
        let failed = match self.builder.push(|to| W::Codec::write(argument, to)) {
            Ok(()) if self.builder.bytes() - before > RESULT_BYTES_MAX => {
                let bytes = self.builder.bytes() - before;
                self.builder.pop();
                Some(PoolError::TooLarge { index, bytes })
            }
            Ok(()) => None,
            Err(cause) => Some(PoolError::Codec { index, cause }),
        };
        if let Some(error) = failed {
            // The calls before it go out first, so that indices stay in order.
            let is_open = self.flush();
            self.first += 1;
            self.caller.deliver(Delivery::Failed { error, index });
            return is_open;
        }
        if self.builder.len() > 1 && self.builder.bytes() > PACK_BYTES {
            // It would have been enough without this one.
            let last = self.builder.pop();
            let is_open = self.flush();
            self.builder.push_bytes(&last);
            return is_open;
        }
        if self.packing.sizes.is_enough(self.builder.len(), self.builder.bytes()) { self.flush() } else { true }
    }

    /// Sends the pack, once there is room for it; `false` if nobody wants results any more.
    fn flush(&mut self) -> bool {
        if self.builder.is_empty() {
            return !self.caller.is_gone();
        }
        let bytes = u32::try_from(self.builder.bytes() / 1024).unwrap_or(u32::MAX);
        let is_short = self.packing.sizes.is_short(self.builder.len(), self.builder.bytes());
        let Self { packing, caller, untaken, unsent, .. } = self;
        let room = place(packing, caller, untaken, PACK_WEIGHT.saturating_add(bytes));
        let mut unsent = || place(packing, caller, unsent, if is_short { 1 } else { UNSENT_WEIGHT });
        let Some((room, unsent)) = room.and_then(|room| Some((room, unsent()?))) else { return false };
        let mut packed = pack(&self.packing, &mut self.builder, &self.caller, self.first, self.version);
        (packed.room, packed.unsent) = (Some(room), Some(unsent));
        self.first += u64::from(packed.calls);
        self.packing.packs.send(packed).is_ok() && !self.caller.is_gone()
    }
}

/// Waits until there is room for a pack; `None` if nobody wants results any more.
fn place(packing: &Packing, caller: &Caller, room: &mut Room, weight: u32) -> Option<Place> {
    loop {
        if let Some(place) = room.place(weight) {
            return Some(place);
        }
        packing.runtime.block_on(async {
            tokio::select! {
                biased;
                () = caller.gone() => None,
                () = room.grow(weight) => Some(()),
            }
        })?;
    }
}

/// Makes a pack of the calls in `builder`.
pub(super) fn pack(
    packing: &Packing,
    builder: &mut PackBuilder,
    caller: &Arc<Caller>,
    first: u64,
    version: Option<u64>,
) -> Packed {
    let (calls, bytes) = (builder.len(), builder.bytes());
    let need = version.unwrap_or_else(|| packing.version.load(Ordering::Acquire));
    let body = builder.finish(need, packing.sizes.budget(calls));
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    Packed { caller: Arc::clone(caller), first, calls, bytes, body, tries: 0, room: None, unsent: None }
}
