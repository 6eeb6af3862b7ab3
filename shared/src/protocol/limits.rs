//! Every limit's default, with its unit and reason. Each has a flag where a user may need another.

use std::time::Duration;

/// Items in one task, at most. Cost is per message: at 1,000 files a message's share of a file's
/// cost is below a tenth of a microsecond.
pub const TASK_ITEMS_MAX: usize = 1_000;

/// Bytes of one task's message that the planner fills, at most. Throughput in bytes stops rising
/// here, and brokers slow down above it.
pub const TASK_MESSAGE_BYTES: usize = 256 * 1024;

/// Bytes of file content in one task. Keeps a task's time, and so what a crash costs, near 0.1 s.
pub const TASK_CONTENT_BYTES: u64 = 64 * 1024 * 1024;

/// Items of a job's first task; each later task may hold twice as many, so that the first answer
/// comes at once and few jobs end on one late task.
pub const TASK_ITEMS_FIRST: usize = 16;

/// Bytes of one message's body, at most, in either direction. Brokers of version 4 refuse 16 MiB.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of headers that a message may have. They travel in one frame, and a frame over its connection's limit
/// of 32 KiB costs the whole connection.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// Bytes by which a seal may make a body larger: it takes in the headers, which stay below 64 KiB, with
/// as much again for what JSON escapes, and adds a nonce and a tag.
pub const SEAL_BYTES_MAX: usize = 130 * 1024;

/// How long a consumer holds a task that its keys cannot open before it refuses it. One that was
/// started without the key must not take tasks as fast as they come from those that have it.
pub const KEYLESS_DELAY: Duration = Duration::from_secs(5);

/// How long a consumer waits for a root whose directory cannot be reached before it fails a task of it. A
/// consumer that has lost a mount must not take tasks as fast as they come from those that have it.
pub const ROOT_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of one part of an outcome: few messages, each far below a message's limit.
pub const PART_BYTES: usize = 512 * 1024;

/// Bytes of the table of words that one task keeps, at most, before it sends it in parts. Each slot
/// has two of them.
pub const WORDS_TABLE_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of one word whose occurrences are counted: it has to fit into a part.
pub const WORD_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a word that shares a part with the words of other files, at most. A broker that refuses messages that
/// small (`max_message_size`) takes no tasks either.
pub const WORD_SHARED_BYTES: usize = 16 * 1024;

/// Bytes of words and counts that an owner sorts in memory before it goes on in a temporary file.
pub const FREQUENCIES_BYTES: usize = 64 * 1024 * 1024;

/// Unanswered tasks that an owner keeps with consumers, for each slot that they announce.
pub const WINDOW_PER_SLOT: usize = 4;

/// Unanswered tasks that an owner keeps with consumers, at least.
pub const WINDOW_MIN: usize = 64;

/// The same at most, however many slots are announced: 4,096 of them have their four tasks each, and the
/// largest tasks of one job fill a queue ([`QUEUE_BYTES_MAX`]) and no more of the owner's memory.
pub const WINDOW_MAX: usize = 16_384;

/// Messages that a publisher has written and that are not confirmed yet, at most. More gains
/// nothing (measured: flat from 1,000 on).
pub const PUBLISH_WINDOW_MESSAGES: usize = 1_000;

/// The same in bytes of body: what a publisher may hold in memory for a resend.
pub const PUBLISH_WINDOW_BYTES: usize = 32 * 1024 * 1024;

/// Messages that one queue of tasks or outcomes holds before it refuses more.
pub const QUEUE_MESSAGES_MAX: u32 = 100_000;

/// Bytes that one queue of tasks or outcomes holds before it refuses more: a tenth of a small
/// broker's disk.
pub const QUEUE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// The same for a queue in a process's own memory, whatever it was declared with: 64 of the largest messages.
pub const MEMORY_QUEUE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Deliveries of one message before the broker moves it to the dead-letter exchange (RabbitMQ 4's
/// own default; 3.x has none).
pub const DELIVERY_LIMIT: u32 = 20;

/// Messages that the queues of dead and unrouted messages keep. They are traces, so the oldest go.
pub const TRACE_MESSAGES_MAX: u32 = 10_000;

/// Whips in flight between riders and horses; the seed's own figure.
pub const WHIP_CAPACITY: u32 = 16;

/// Between two heartbeats of a consumer; a sign is missed after two of them.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// The longest time between two heartbeats: two of them may pass before a silent consumer's tasks are sent
/// again, whatever it says of itself.
pub const HEARTBEAT_MAX: Duration = Duration::from_secs(60 * 60);

/// Attempts at a task whose outcome is `failed` or which comes back dead, before the owner records
/// it as failed.
pub const ATTEMPTS_MAX: u32 = 5;

/// Tries at a task before it is worked on item by item in a process of its own. It is said of a task
/// that it killed two consumers; one death may be anybody's fault.
pub const ISOLATED_AFTER: u32 = 2;

/// Bytes of the error output that the report of one item keeps when its process died: a thousand of
/// them fit into a message, and a panic's text into one.
pub const ITEM_STDERR_BYTES: usize = 400;

/// The same of a whole task.
pub const TASK_STDERR_BYTES: usize = 4 * 1024;

/// Before the second attempt; each later one waits twice as long, up to [`RETRY_DELAY_MAX`].
pub const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The longest wait between two attempts.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);

/// Consumers that a task names as not to be asked again, at most.
pub const AVOID_MAX: usize = 16;

/// How long an owner that ends waits for its last replies to reach the broker.
pub const REPLY_PATIENCE: Duration = Duration::from_secs(1);

/// Roots whose states a heartbeat tells, at most: a sign has to fit a message.
pub const PRESENCE_ROOTS_MAX: usize = 256;

/// A request over the control exchange is repeated after this long without an answer.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long commands that ask all owners gather their answers: one that is writing answers when it has written.
pub const GATHER: Duration = Duration::from_secs(1);

/// After this long without a consumer for its queue, a submitter says so.
pub const NO_CONSUMER_NOTICE: Duration = Duration::from_secs(5);

/// Every exchange of frames with the broker that should be immediate: connect, declare, close.
pub const RPC_TIMEOUT: Duration = Duration::from_secs(15);

/// A published message without a confirm for this long means a dead channel. Blocked publishers
/// (a broker's memory or disk alarm) are exempt.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two tries to reach a broker: the first wait, doubled up to [`RECONNECT_DELAY_MAX`],
/// with jitter.
pub const RECONNECT_DELAY: Duration = Duration::from_millis(200);

/// The longest wait between two tries to reach a broker.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(10);

/// How long a stopping role waits for what is under way, before it gives it back.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// Tasks of one job: a plan of a billion files has a few million.
pub const JOB_TASKS_MAX: u64 = 1 << 40;

/// Whips of one rider: at ten thousand a second, a day's ride. Each costs a bit of an owner's memory.
pub const WHIPS_MAX: u64 = 1_000_000_000;

/// Planned tasks that a producer has published and that are not confirmed yet.
pub const PLAN_WINDOW: usize = 64;

/// A plan that its owner has not got in full for this long, without a task more, was lost in part with
/// its queue: its producer plans again what is missing, and the owner forgets what came before its turn.
pub const PLAN_SILENCE: Duration = Duration::from_secs(20);

/// Deliveries that an owner takes before it has settled them: enough for one group commit.
pub const OWNER_PREFETCH: u16 = 256;

/// Between two looks of an owner at what is due.
pub const OWNER_TICK: Duration = Duration::from_millis(250);

/// Between two looks of a waiting producer at its job.
pub const STATUS_INTERVAL: Duration = Duration::from_millis(250);

/// A refused publish is tried again after this long; each later try waits twice as long, up to
/// [`REFUSED_DELAY_MAX`].
pub const REFUSED_DELAY: Duration = Duration::from_millis(5);

/// After this long of refusals a publisher says so: its queue's readers are slow or gone, or a policy of the broker
/// lets the queue hold less than one message.
pub const FULL_NOTICE: Duration = Duration::from_secs(30);

/// The longest wait after a refused publish.
pub const REFUSED_DELAY_MAX: Duration = Duration::from_secs(1);

/// Before a service tries again to write a report that could not be written.
pub const REPORT_RETRY: Duration = Duration::from_secs(10);

/// Jobs in one listing: about 700 bytes each, in one message.
pub const JOBS_LISTED_MAX: usize = 1_000;

/// Cancelled jobs that a consumer remembers, and that an owner names in one message: 64 KiB.
pub const CANCELLED_KEPT: usize = 1_000;

/// Dead tasks in one listing: about 300 bytes each, in one message.
pub const DEAD_LISTED_MAX: usize = 1_000;

/// Characters of a reason in a listing.
pub const DEAD_REASON_CHARS: usize = 200;

/// Names, and messages that came back, of one dead task that is shown.
pub const DEAD_SHOWN_MAX: usize = 20;

/// How long the broker waits for an ack before it takes a delivery back and closes the channel:
/// RabbitMQ's default. It cannot be asked for over AMQP.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Heartbeats that an acknowledgement time-out must have at least. Half of it may pass before a
/// consumer looks, at its next heartbeat; the rest is for the lease to be confirmed.
pub const ACK_TIMEOUT_HEARTBEATS: u32 = 4;
