//! Another name for an exclusive queue.
//!
//! A broker may keep such a queue's name for a connection that is gone: until it misses that, or for good
//! (RabbitMQ 3.10.8, when the virtual host is deleted meanwhile). The queue is known by its bindings alone, so
//! its owner can do without the name.

use super::Subscribe;

/// A subscription under its present name.
#[derive(Debug)]
pub struct Alias {
    asked: Subscribe,
    present: Subscribe,
    renames: u32,
}

impl Alias {
    /// Under the name that was asked for.
    pub fn of(asked: Subscribe) -> Self {
        Self { present: asked.clone(), asked, renames: 0 }
    }

    /// What to subscribe to.
    pub fn present(&self) -> &Subscribe {
        &self.present
    }

    /// How many names were left behind.
    pub fn renames(&self) -> u32 {
        self.renames
    }

    /// Takes the next name: that which was asked for, with a number.
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
