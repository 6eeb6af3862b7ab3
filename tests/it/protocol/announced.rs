//! What owners and consumers say of a pool.

use shared::protocol::id::JobId;
use shared::protocol::message::{Announcement, Update, Updates};
use shared::protocol::payload::{ContentType, Payload};
use shared::protocol::workload::Workload;

use super::opening;

pub(super) fn pool() -> JobId {
    "squares-1".parse().expect("an id")
}

pub(super) fn announcement() -> Announcement {
    Announcement {
        job: pool(),
        opening: opening(),
        owner: "guest-4t7c0s5v2b9k1m3q".parse().expect("an id"),
        workload: Workload::Call,
        class: "squares-1".parse().expect("an id"),
        worker: "square".to_owned(),
        codec: ContentType::MESSAGE_PACK,
        version: 2,
        heartbeat_millis: 10_000,
        is_over: false,
    }
}

pub(super) fn updates() -> Updates {
    let body = |byte: u8| Payload { content_type: ContentType::MESSAGE_PACK, bytes: vec![byte].into() };
    let update = |version, replaces| Update { version, replaces, body: body(version as u8) };
    Updates { init: Some(body(0xc0)), updates: vec![update(1, false), update(2, true)], version: 2 }
}
