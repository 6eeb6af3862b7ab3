//! The suite that every transport must pass.
//!
//! A transport joins with a [`Harness`] and one line in a test file:
//!
//! ```text
//! shared::conformance_tests!(MyHarness::new());
//! ```
//!
//! The line expands to one multi-threaded `#[tokio::test]` for each of [`CASES`]. The expression is
//! evaluated in each test, may await, and may follow attributes for the tests (`#[ignore = "needs a
//! broker"] => MyHarness::new().await`). Outside this crate's own tests the suite needs the feature
//! `conformance`.
//!
//! Every case makes its own queues and exchanges under a name that is unique to the run, so cases
//! may share one broker and run at the same time. Every wait has a limit ([`WAIT`]) and names what
//! it waited for. Cases rely only on what RabbitMQ 3.10 guarantees too: exact numbers only of
//! classic queues, states of queues only eventually, no even distribution between consumers.

mod delivery;
mod ground;
mod lifecycle;
mod limits;
mod routing;
mod settling;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

pub use ground::Ground;

use crate::protocol::topology::Topology;
use crate::transport::Transport;

/// Limit of a wait for one event that should happen soon.
pub const WAIT: Duration = Duration::from_secs(10);

/// Limit of a whole case: a few waits that each nearly reached their limit.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// Provides the transport under test.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Another handle on the harness's broker, like another process's. Closing it must not affect
    /// the other handles.
    async fn connect(&self) -> Arc<dyn Transport>;

    /// How the transport differs from others.
    fn features(&self) -> Features {
        Features::default()
    }

    /// Called after each case, even a failed one, with the exchanges and queues that the case
    /// declared. The case's handles are closed by then.
    async fn clean(&self, _declared: &Topology) {}
}

/// Allowed differences between transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Whether the transport may lose its connection and yield
    /// [`crate::transport::Incoming::Interrupted`]. If not, an interruption is a failure.
    pub reconnects: bool,
    /// Whether a classic queue's limits are exact to the message. If not, they hold approximately.
    pub exact_length_limit: bool,
    /// The expected [`Transport::is_ephemeral`].
    pub ephemeral: bool,
}

impl Default for Features {
    /// The features of a broker across a network.
    fn default() -> Self {
        Self { reconnects: true, exact_length_limit: true, ephemeral: false }
    }
}

/// One case. It panics if the transport fails.
pub type Case = fn(Arc<Ground>) -> BoxFuture<'static, ()>;

/// The only list of cases. Passes it to the macro `$then`, after the tokens that the macro gets
/// first.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($then:path, $given:tt) => {
        $then! { $given
            routing: carries_every_property, carries_a_bare_message, words_select_queues, each_queue_gets_one_copy,
                the_alternate_gets_what_is_unroutable, unroutable_without_alternate_is_no_error,
                an_unknown_exchange_is_an_error;
            delivery: keeps_until_a_consumer_comes, keeps_order, honours_prefetch, consumers_share,
                a_single_consumer_is_active, a_cancelled_next_loses_nothing, publishes_at_once_all_arrive;
            settling: ack_removes, a_dropped_subscription_gives_back, a_forgotten_delivery_stays_unacked,
                nack_requeues, returns_are_counted, nack_dead_letters, the_delivery_limit_dead_letters;
            limits: a_full_queue_refuses_exactly, a_limit_of_bytes_refuses, one_full_queue_refuses_for_all,
                each_publisher_learns_of_its_own, drop_head_keeps_the_newest, too_large_is_refused;
            lifecycle: declaring_twice_is_fine, other_arguments_are_a_mismatch, states_of_queues,
                an_exclusive_queue_is_occupied, an_exclusive_queue_ends, an_unused_light_queue_vanishes,
                close_ends_a_pending_next,
                close_gives_back, a_closed_transport_says_so, says_whether_it_is_ephemeral;
        }
    };
}

macro_rules! table {
    (() $($module:ident: $($name:ident),*;)*) => {
        pub const CASES: &[(&str, Case)] =
            &[$($((stringify!($name), |ground| Box::pin($module::$name(ground)))),*),*];
    };
}
conformance_cases!(table, ());

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests_of {
    (($attributes:tt $make:expr) $($module:ident: $($name:ident),*;)*) => {
        $($($crate::conformance_test!($attributes $make, $name);)*)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_test {
    (($(#[$attribute:meta])*) $make:expr, $name:ident) => {
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::transport::conformance::run(stringify!($name), $make).await;
        }
    };
}

/// Makes one `#[tokio::test]` for each case of
/// [`transport::conformance`](crate::transport::conformance), with a harness from the expression.
#[macro_export]
macro_rules! conformance_tests {
    ($(#[$attribute:meta])+ => $make:expr) => {
        $crate::conformance_cases!($crate::conformance_tests_of, (($(#[$attribute])+) $make));
    };
    ($make:expr) => {
        $crate::conformance_cases!($crate::conformance_tests_of, (() $make));
    };
}

/// Runs one case.
///
/// # Panics
/// If the transport fails the case, or no case has this name.
pub async fn run(name: &str, harness: impl Harness) {
    let (_, case) = CASES.iter().find(|(case, _)| *case == name).unwrap_or_else(|| panic!("there is no case {name}"));
    let ground = Arc::new(Ground::new(name, Box::new(harness)).await);
    // In a separate task, so that the broker is cleaned even after a panic.
    let outcome = tokio::spawn(tokio::time::timeout(CASE_LIMIT, case(ground.clone()))).await;
    ground.clean().await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(_)) => panic!("{name} took longer than {CASE_LIMIT:?}"),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => panic!("{name} did not end: {error}"),
        },
    }
}
