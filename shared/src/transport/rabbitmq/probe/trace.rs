//! Inspects the queue of dead letters without removing messages.

use std::collections::BTreeMap;

use lapin::options::BasicGetOptions;

use super::super::fault::rpc;
use super::super::properties::to_message;
use super::{Probe, Refusal, close, name};
use crate::protocol::message::FIRST_DEATH_REASON;

/// Number of messages that are inspected: the oldest ones.
const MESSAGES: usize = 64;

impl Probe {
    /// Counts the oldest messages of a queue by the reason of their death, in the broker's words.
    /// The messages go back to their places and count as delivered once more.
    pub async fn deaths(&self, queue: &str) -> Result<BTreeMap<String, usize>, Refusal> {
        let queue = name(queue)?;
        let (_, channel) = self.channel().await?;
        let mut deaths = BTreeMap::new();
        for _ in 0..MESSAGES {
            let Some(got) = rpc(channel.basic_get(queue.clone(), BasicGetOptions::default())).await? else { break };
            let message = to_message(&got.delivery.properties, Vec::new());
            if let Some(reason) = message.text(FIRST_DEATH_REASON) {
                *deaths.entry(reason.to_owned()).or_default() += 1;
            }
        }
        // Unacked messages go back when the channel is closed.
        close(&channel).await;
        Ok(deaths)
    }
}
