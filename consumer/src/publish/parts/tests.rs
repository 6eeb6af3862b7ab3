//! A broker that takes small messages only.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use shared::protocol::id::{PlanHash, TaskId};
use shared::protocol::message::Message;
use shared::protocol::payload::Payload;
use shared::protocol::topology::Topology;
use shared::protocol::workload::Workload;
use shared::transport::{PublishError, QueueState, Subscribe, Subscription, TransportError};

use super::*;

/// A broker that takes no message of more than 10 bytes, or none at all.
#[derive(Default)]
struct Small {
    is_closed: bool,
    taken: Mutex<Vec<Part>>,
}

#[async_trait]
impl Transport for Small {
    async fn publish(&self, _: &str, _: &str, message: Message) -> Result<(), PublishError> {
        let bytes = message.body.len();
        match bytes {
            _ if self.is_closed => return Err(TransportError::Closed.into()),
            11.. => return Err(PublishError::TooLarge(Oversize { bytes, words: Some("over 10".to_owned()) })),
            _ => {}
        }
        let part = Part::from_message(&message).expect("a part");
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        Ok(())
    }

    async fn declare(&self, _: &Topology) -> Result<(), TransportError> {
        Ok(())
    }

    async fn subscribe(&self, _: Subscribe) -> Result<Box<dyn Subscription>, TransportError> {
        Err(TransportError::Closed)
    }

    async fn queue(&self, _: &str) -> Result<Option<QueueState>, TransportError> {
        Ok(None)
    }

    fn is_ephemeral(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

/// The result of publishing one piece, the parts that the broker took, and their count.
fn published(broker: Small, body: &[u8]) -> (Result<(), Unsent>, Vec<Part>, Option<Parts>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let broker = Arc::new(broker);
    let task = TaskId { job: "j".parse().expect("an id"), number: 0 };
    let (owner, opening) = ("o".parse().expect("an id"), "j1".parse().expect("an id"));
    let plan = PlanHash::start();
    let address = Address { task, opening, plan, attempt: 1, owner, workload: Workload::Words };
    let transport = Arc::clone(&broker) as Arc<dyn Transport>;
    let mut publisher = PartPublisher::new(transport, runtime.handle().clone(), Clock::start(), address);
    let done = publisher.publish(Piece { item: Some(3), body: Payload::bytes(body.to_vec()) }, &|| false);
    let taken = broker.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (done, taken, publisher.parts())
}

#[test]
fn a_part_that_the_broker_refuses_for_its_size_goes_in_smaller_ones() {
    let body = b"1\ta\n1\tb\n1\tc\n1\td\n1\te\n";
    let (done, taken, parts) = published(Small::default(), body);
    assert_eq!(done, Ok(()));
    assert_eq!(taken.iter().flat_map(|part| part.body.to_vec()).collect::<Vec<_>>(), body);
    // The owner counts parts from 0.
    let count = taken.len();
    assert!(count >= 3 && taken.iter().map(|part| part.number).eq(0..count as u32), "{taken:?}");
    assert!(taken.iter().all(|part| part.item == Some(3) && part.body.ends_with(b"\n")), "{taken:?}");
    assert_eq!(parts.map(|parts| parts.count as usize), Some(count));
}

#[test]
fn what_cannot_be_cut_or_sent_says_why() {
    let (done, taken, parts) = published(Small::default(), b"1\ta word that is long\n");
    let Err(Unsent::TooLarge(reason)) = done else { panic!("{done:?}") };
    assert!(reason.contains("over 10") && taken.is_empty(), "{reason}");
    assert_eq!(parts.map(|parts| parts.count), Some(0));
    let (done, ..) = published(Small { is_closed: true, ..Small::default() }, b"1\ta\n");
    assert_eq!(done, Err(Unsent::Lost("the transport is closed".to_owned())));
}
