//! What an operator sets for queues by their names.

use super::Broker;

impl Broker {
    /// Sets a policy for the queues whose names match.
    pub async fn set_policy(&self, name: &str, pattern: &str, definition: &str) {
        self.ctl(&["set_policy", "--vhost", &self.vhost, "--apply-to", "queues", name, pattern, definition]).await;
    }

    /// Takes it away.
    pub async fn clear_policy(&self, name: &str) {
        self.ctl(&["clear_policy", "--vhost", &self.vhost, name]).await;
    }

    /// Makes queues whose names match full with one message.
    pub async fn fill_queues(&self, pattern: &str) {
        self.set_policy("full", pattern, r#"{"max-length":1}"#).await;
    }

    /// Takes the limit of [`Broker::fill_queues`] away.
    pub async fn free_queues(&self) {
        self.clear_policy("full").await;
    }
}
