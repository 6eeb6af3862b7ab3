//! Every limit's default, with its unit and reason. A limit that a user may need to change has a
//! flag.

use std::time::Duration;

/// Items in one task, at most. A message's cost is shared by its items: with 1,000 files in a
/// message, each file's share is below 0.1 microseconds.
pub const TASK_ITEMS_MAX: usize = 1_000;

/// Bytes that the planner puts into one task's message, at most. Throughput in bytes per second
/// does not rise beyond this size, and brokers slow down above it.
pub const TASK_MESSAGE_BYTES: usize = 256 * 1024;

/// Bytes of file content in one task. This keeps a task's duration, and so the work that a crash
/// loses, near 0.1 s.
pub const TASK_CONTENT_BYTES: u64 = 64 * 1024 * 1024;

/// Items in a job's first task. Each later task may hold twice as many as the one before it, so the
/// first answer comes early and few jobs end by waiting for one late task.
pub const TASK_ITEMS_FIRST: usize = 16;

/// Bytes of one message's body, at most, in either direction. RabbitMQ 4 refuses messages of more
/// than 16 MiB.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of headers in one message, at most. The headers travel in one frame, and a frame over the
/// connection's limit of 32 KiB makes the broker close the connection.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// Bytes that sealing may add to a body. The sealed body contains the headers, which stay below 64
/// KiB, as much again for JSON escapes, a nonce and a tag.
pub const SEAL_BYTES_MAX: usize = 130 * 1024;

/// How long a consumer holds a task that its keys cannot open before it refuses it. Without this
/// delay a consumer that was started without the key would take tasks away from consumers that have
/// it.
pub const KEYLESS_DELAY: Duration = Duration::from_secs(5);

/// How long a consumer waits for a root whose directory cannot be reached before it fails a task of
/// that root. Without this delay a consumer that has lost a mount would take tasks away from
/// consumers that have it.
pub const ROOT_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of one part of an outcome. Large enough for few messages, and far below a message's limit.
pub const PART_BYTES: usize = 512 * 1024;

/// Bytes of the result of one call, at most, and of its argument. With [`RESULTS_BYTES`] it fits a
/// message.
pub const RESULT_BYTES_MAX: usize = 850 * 1024;

/// Bytes of results after which a slot answers and leaves the other calls of its pack.
pub const RESULTS_BYTES: usize = 128 * 1024;

/// Calls of one pack, at most. Each call's share of the pack's cost is below a microsecond then.
pub const PACK_CALLS_MAX: usize = 1_000;

/// Bytes of the calls of one pack, at most, if it has more than one: as a task's message.
pub const PACK_BYTES: usize = 256 * 1024;

/// Characters of the reason why a consumer cannot serve an announced job.
pub const TROUBLE_CHARS: usize = 500;

/// Jobs with workers of their own that one consumer serves at a time. Each has slots, with threads
/// and workers.
pub const ANNOUNCED_MAX: usize = 64;

/// Bytes of the word table that one task keeps in memory, at most, before it sends the table in
/// parts. Each slot has two tables.
pub const WORDS_TABLE_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of one word whose occurrences are counted, at most. A word has to fit into a part.
pub const WORD_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a word that shares a part with words of other files, at most. A broker whose
/// `max_message_size` is too small for such a part cannot carry tasks either.
pub const WORD_SHARED_BYTES: usize = 16 * 1024;

/// Bytes of words and counts that an owner sorts in memory before it continues in a temporary file.
pub const FREQUENCIES_BYTES: usize = 64 * 1024 * 1024;

/// Unanswered tasks that an owner keeps published, for each slot that consumers announce.
pub const WINDOW_PER_SLOT: usize = 4;

/// Unanswered tasks that an owner keeps published, at least.
pub const WINDOW_MIN: usize = 64;

/// Unanswered tasks that an owner keeps published, at most, however many slots are announced. It
/// allows 4,096 slots their four tasks each. The largest tasks of one job then fill one queue
/// ([`QUEUE_BYTES_MAX`]) and use no more than that of the owner's memory.
pub const WINDOW_MAX: usize = 16_384;

/// Messages that a publisher has written and the broker has not confirmed, at most. Throughput is
/// flat from 1,000 on (measured).
pub const PUBLISH_WINDOW_MESSAGES: usize = 1_000;

/// Bytes of body in those unconfirmed messages, at most. The publisher keeps them in memory for a
/// resend.
pub const PUBLISH_WINDOW_BYTES: usize = 32 * 1024 * 1024;

/// Messages that a queue of tasks or outcomes holds before it refuses more.
pub const QUEUE_MESSAGES_MAX: u32 = 100_000;

/// Bytes that a queue of tasks or outcomes holds before it refuses more: a tenth of a small
/// broker's disk.
pub const QUEUE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Bytes that a queue of the embedded broker holds, at most, even if its declaration allows more:
/// 64 messages of the largest size.
pub const MEMORY_QUEUE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Deliveries of one message before the broker moves it to the dead-letter exchange (RabbitMQ 4's
/// own default; 3.x has none).
pub const DELIVERY_LIMIT: u32 = 20;

/// Messages that each of the two trace queues (dead and unrouted messages) keeps. When a trace
/// queue is full, the broker drops the oldest message.
pub const TRACE_MESSAGES_MAX: u32 = 10_000;

/// After this long without a consumer and without a declaration the broker deletes a light queue,
/// with the tasks in it. Owners with open jobs declare theirs again with each heartbeat interval, so
/// a restart of an owner or of a broker's node fits in; and the queues of pools that have ended are
/// gone soon.
pub const LIGHT_QUEUE_EXPIRES: Duration = Duration::from_secs(5 * 60);

/// Messages in the whip queue of the horse and rider example, at most: the number in the original
/// exercise.
pub const WHIP_CAPACITY: u32 = 16;

/// Time between two heartbeats of a consumer. Owners take a consumer for dead after two intervals
/// of silence.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// The longest heartbeat interval; an owner counts a longer one that a consumer announces as this.
/// A silent consumer's tasks are sent again after two intervals, so the interval needs a bound.
pub const HEARTBEAT_MAX: Duration = Duration::from_secs(60 * 60);

/// Attempts at a task that answers `failed` or comes back dead, before the owner records the task
/// as failed.
pub const ATTEMPTS_MAX: u32 = 5;

/// Threads that a consumer's lane works with, at most, however many slots are asked for. Each takes
/// memory for its stack, and few machines have more cores.
pub const SLOT_THREADS_MAX: u32 = 512;

/// Earlier attempts at a task, returned deliveries included, from which on a consumer does it item
/// by item in a separate process. Two deaths of consumers point at the task; a single one may have
/// any cause.
pub const ISOLATED_AFTER: u32 = 2;

/// Bytes of error output kept for one item whose process died. A thousand of these fit into a
/// message, and a panic's text fits into one.
pub const ITEM_STDERR_BYTES: usize = 400;

/// Bytes of error output kept for one whole task.
pub const TASK_STDERR_BYTES: usize = 4 * 1024;

/// Wait before the second attempt at a task. The wait doubles with each later attempt, up to
/// [`RETRY_DELAY_MAX`].
pub const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The longest wait between two attempts at a task.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);

/// Consumers that one task may list in its `avoid` header, at most.
pub const AVOID_MAX: usize = 16;

/// How long an ending owner waits for the broker to confirm its last replies.
pub const REPLY_PATIENCE: Duration = Duration::from_secs(1);

/// Roots that one heartbeat reports, at most: a heartbeat has to fit into one message.
pub const PRESENCE_ROOTS_MAX: usize = 256;

/// A request over the control exchange is repeated after this long without an answer.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a command that asks every owner collects answers. An owner that is busy with a write
/// answers after it.
pub const GATHER: Duration = Duration::from_secs(1);

/// After this long without a consumer for its queue, a submitter prints a notice.
pub const NO_CONSUMER_NOTICE: Duration = Duration::from_secs(5);

/// Time limit for each exchange of frames with the broker that should be immediate: connect,
/// declare, close.
pub const RPC_TIMEOUT: Duration = Duration::from_secs(15);

/// A channel counts as dead when a published message has no confirm for this long. Publishers that
/// the broker blocks (memory or disk alarm) are exempt.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);

/// The first wait between two tries to reach a broker. It doubles up to [`RECONNECT_DELAY_MAX`],
/// with jitter.
pub const RECONNECT_DELAY: Duration = Duration::from_millis(200);

/// The longest wait between two tries to reach a broker.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(10);

/// How long a stopping role waits for running work before it gives the work back.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// Tasks in one job, at most. A plan of a billion files has a few million tasks.
pub const JOB_TASKS_MAX: u64 = 1 << 40;

/// Earlier tasks whose answers one task may need, at most.
pub const NEEDS_MAX: usize = 1_024;

/// Tasks of one job whose plan follows from its spec, at most: a day's work at ten thousand per
/// second.
pub const DERIVED_TASKS_MAX: u64 = 1_000_000_000;

/// Planned tasks that a producer has published and the broker has not confirmed, at most.
pub const PLAN_WINDOW: usize = 64;

/// How long a plan may be incomplete without another task arriving. After that, part of it was lost
/// with its queue: the producer plans the missing tasks again, and the owner forgets tasks that
/// came ahead of the gap.
pub const PLAN_SILENCE: Duration = Duration::from_secs(20);

/// Answers that have left the store and are still compared with repeats, of each job that streams:
/// some seconds of answers, in 3 MB.
pub const DIGESTS_KEPT: usize = 16_384;

/// Bytes of all updates of a pool that its owner keeps for slots that join late. More are refused
/// until one of them replaces those before it.
pub const UPDATES_BYTES_MAX: u64 = 512 << 20;

/// Bytes of updates in one reply, if there is more than one: as a piece of a report.
pub const UPDATES_REPLY_BYTES: usize = 512 << 10;

/// Bytes of an update, and of what the slots of a pool begin with: as base64 they fit a message.
pub const UPDATE_BYTES_MAX: usize = 700 << 10;

/// Deliveries that an owner takes before it has settled them: enough for one group commit.
pub const OWNER_PREFETCH: u16 = 256;

/// Time between two checks of an owner for work that is due.
pub const OWNER_TICK: Duration = Duration::from_millis(250);

/// Time between two status requests of a producer that waits for its job.
pub const STATUS_INTERVAL: Duration = Duration::from_millis(250);

/// First wait before a refused publish is tried again. The wait doubles with each later try, up to
/// [`REFUSED_DELAY_MAX`].
pub const REFUSED_DELAY: Duration = Duration::from_millis(5);

/// After this long of refusals a publisher logs a warning. The readers of the queue are slow or
/// gone, or a policy of the broker lets the queue hold less than one message.
pub const FULL_NOTICE: Duration = Duration::from_secs(30);

/// The longest wait after a refused publish.
pub const REFUSED_DELAY_MAX: Duration = Duration::from_secs(1);

/// Wait before a service retries to write a report that it could not write.
pub const REPORT_RETRY: Duration = Duration::from_secs(10);

/// Jobs in one listing, at most: about 700 bytes each, in one message.
pub const JOBS_LISTED_MAX: usize = 1_000;

/// Jobs that have ended and stay in an owner's memory: what comes late about them is found at once.
/// What comes later still is looked up in the store.
pub const ENDED_KEPT: usize = 64;

/// Jobs that a store keeps the openings of after it has forgotten them (about 6 MiB): what comes
/// late about them is acked.
pub const FORGOTTEN_KEPT: usize = 65_536;

/// Jobs that an owner forgets at most in one tick, because they ended long ago.
pub const FORGOTTEN_PER_TICK: usize = 1_000;

/// Days that a reducer keeps a job after its report was written.
pub const KEEP_DAYS: f64 = 30.0;

/// Cancelled jobs that a consumer remembers, and that an owner lists in one message (64 KiB).
pub const CANCELLED_KEPT: usize = 1_000;

/// Dead tasks in one listing, at most: about 300 bytes each, in one message.
pub const DEAD_LISTED_MAX: usize = 1_000;

/// Characters of each reason in a listing of dead tasks, at most.
pub const DEAD_REASON_CHARS: usize = 200;

/// When one dead task is shown: item names, and returned messages, at most.
pub const DEAD_SHOWN_MAX: usize = 20;

/// How long the broker waits for an ack before it takes a delivery back and closes the channel.
/// This is RabbitMQ's default; a client cannot read the configured value over AMQP.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Heartbeat intervals that fit into the broker's acknowledgement time-out, at least. A consumer
/// checks at its heartbeats whether half of the time-out has passed. The other half is left for the
/// owner to confirm the lease.
pub const ACK_TIMEOUT_HEARTBEATS: u32 = 4;
