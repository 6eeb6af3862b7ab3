//! Numbers, cuts and refusals of parts, one step at a time.

use shared::protocol::id::{PlanHash, TaskId};
use shared::protocol::workload::Workload;

use super::*;

fn queue() -> PartQueue {
    let task = TaskId { job: "j".parse().expect("an id"), number: 0 };
    let (owner, opening) = ("o".parse().expect("an id"), "j1".parse().expect("an id"));
    PartQueue::new(Address { task, opening, plan: PlanHash::start(), attempt: 1, owner, workload: Workload::Words })
}

fn push(queue: &mut PartQueue, item: u32, body: &'static str) {
    let body = Payload::bytes(body.as_bytes().to_vec());
    queue.push(Piece { item: Some(item), body }, || RunId::from_name(format!("run-{item}").as_bytes()));
}

/// The number, item and body of the part to publish now.
fn next(queue: &PartQueue) -> Option<(u32, u32, Vec<u8>)> {
    queue.next().map(|part| (part.number, part.item.expect("it has one"), part.body.to_vec()))
}

#[test]
fn parts_are_numbered_as_they_are_confirmed_and_all_are_of_one_run() {
    let mut queue = queue();
    assert_eq!(next(&queue), None);
    push(&mut queue, 1, "1\ta\n");
    push(&mut queue, 2, "1\tb\n");
    assert_eq!(next(&queue), Some((0, 1, b"1\ta\n".to_vec())));
    assert_eq!(next(&queue), Some((0, 1, b"1\ta\n".to_vec())), "until it is confirmed");
    queue.confirmed();
    assert_eq!(next(&queue), Some((1, 2, b"1\tb\n".to_vec())));
    let run = queue.next().expect("a part").run;
    queue.confirmed();
    queue.confirmed();
    assert_eq!(next(&queue), None);
    assert_eq!(queue.parts(), Some(Parts { run, count: 2 }), "a confirm without a part counts nothing");
}

#[test]
fn a_part_that_is_too_large_is_cut_in_order() {
    let mut queue = queue();
    push(&mut queue, 1, "1\ta\n1\tb\n1\tc\n");
    push(&mut queue, 2, "1\td\n");
    assert_eq!(queue.too_large("over 8 bytes"), Ok(()));
    let mut bodies = Vec::new();
    while let Some((number, item, body)) = next(&queue) {
        assert_eq!(number as usize, bodies.len());
        bodies.push((item, body));
        queue.confirmed();
    }
    assert_eq!(bodies.last(), Some(&(2, b"1\td\n".to_vec())));
    assert_eq!(bodies.iter().flat_map(|(_, body)| body.clone()).collect::<Vec<_>>(), b"1\ta\n1\tb\n1\tc\n1\td\n");
    assert_eq!(bodies.len(), 3);
}

#[test]
fn what_cannot_be_cut_is_given_up_and_later_pieces_go_on_in_the_same_run() {
    let mut queue = queue();
    push(&mut queue, 1, "1\ta\n");
    queue.confirmed();
    push(&mut queue, 2, "1\tlong\n");
    let refused = queue.too_large("over 4 bytes");
    assert_eq!(refused, Err(Unsent::TooLarge("a part of its answer cannot be sent: over 4 bytes".to_owned())));
    assert_eq!(next(&queue), None);
    push(&mut queue, 3, "1\tb\n");
    assert_eq!(next(&queue), Some((1, 3, b"1\tb\n".to_vec())));
    assert_eq!(queue.next().expect("a part").run, RunId::from_name(b"run-1"));
}
