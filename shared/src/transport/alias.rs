//! A second name for an exclusive queue.
//!
//! A broker may keep the name of an exclusive queue for a lost connection: until it notices the
//! loss, or for good (RabbitMQ 3.10.8, when the virtual host is deleted meanwhile). Senders reach
//! the queue only through its bindings, so its owner can declare it under another name.

use super::Subscribe;

/// A subscription, with the name that its queue has now.
#[derive(Debug)]
pub struct Alias {
    asked: Subscribe,
    present: Subscribe,
    renames: u32,
}

impl Alias {
    pub fn of(asked: Subscribe) -> Self {
        Self { present: asked.clone(), asked, renames: 0 }
    }

    /// The subscription to open now.
    pub fn present(&self) -> &Subscribe {
        &self.present
    }

    /// Number of names given up so far.
    pub fn renames(&self) -> u32 {
        self.renames
    }

    /// Takes the next name: the original one with a number added.
    pub fn rename(&mut self) {
        self.renames += 1;
        let name = format!("{}.{}", self.asked.queue.name, self.renames);
        self.present = self.asked.clone();
        for binding in self.present.bindings.iter_mut().filter(|binding| binding.queue == self.asked.queue.name) {
            binding.queue.clone_from(&name);
        }
        self.present.queue.name = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::id::OwnerId;
    use crate::protocol::topology;

    #[test]
    fn each_name_is_the_first_with_a_number_and_has_all_its_bindings() {
        let (queue, bindings) = topology::owner_control(&OwnerId::from_name(b"main"));
        let (name, count) = (queue.name.clone(), bindings.len());
        let mut alias = Alias::of(Subscribe { queue, bindings, prefetch: 1 });
        assert_eq!((alias.present().queue.name.as_str(), alias.renames()), (name.as_str(), 0));
        for number in 1..4 {
            alias.rename();
            let Subscribe { queue, bindings, .. } = alias.present();
            assert_eq!((queue.name.as_str(), alias.renames()), (format!("{name}.{number}").as_str(), number));
            assert!(count > 0 && bindings.len() == count && bindings.iter().all(|binding| binding.queue == queue.name));
        }
    }
}
