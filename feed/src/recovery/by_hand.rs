//! The recovery thread's work done by a test: its queues, buffers and desks as they are, and of its
//! sockets what a service is said to have sent.

use std::sync::Arc;

use candor_core::Action;
use candor_services::agent::Channel;

use super::open;
use super::post::{Buffer, Mailbox, Post, Wishes};
use super::thread::Thread;
use crate::config::Config;
use crate::daily::Place;

/// Lane 0's services, of which partition 0 is the first.
pub(crate) struct ByHand {
    thread: Thread,
    wishes: Arc<Wishes>,
    post: Arc<Post>,
    taken: Vec<Buffer>,
}

impl ByHand {
    /// The services of a configuration, and the lane's end of the way to them.
    pub(crate) fn new(config: &Config, places: &[Place]) -> (ByHand, Mailbox) {
        let opened = open(config, places).unwrap().expect("there is a service");
        let mailbox = opened.mailbox(0).unwrap();
        let (wishes, post) = (Arc::clone(&opened.wishes), Arc::clone(&opened.posts[0]));
        (ByHand { thread: opened.thread, wishes, post, taken: Vec::new() }, mailbox)
    }

    /// Another lane wants more than the thread has come to: there is no room for a wish.
    pub(crate) fn fill(&self) {
        let mut other = Mailbox::new(Arc::clone(&self.wishes), Arc::clone(&self.post));
        while other.want(0, Action::DropSnapshot { cycle: u32::MAX }) {}
    }

    /// What is wanted next.
    pub(crate) fn wish(&self) -> Option<Action> {
        let (partition, action) = self.wishes.next()?;
        assert_eq!(partition, 0);
        Some(action)
    }

    /// Hands what is wanted to the venue's desk.
    pub(crate) fn ask(&mut self, action: Action) {
        let now = self.thread.clock.now();
        self.thread.with(0, |agent, hands| agent.act(now, 0, action, hands));
    }

    /// The snapshot's connection is made, and brings this.
    pub(crate) fn serve(&mut self, bytes: &[u8]) {
        let now = self.thread.clock.now();
        self.thread.with(0, |agent, hands| {
            agent.on_connected(now, 0, Channel::Snapshot, hands);
            agent.on_bytes(now, 0, Channel::Snapshot, bytes, hands);
        });
    }

    /// The retransmit service sends a datagram.
    pub(crate) fn answer(&mut self, bytes: &[u8]) {
        let now = self.thread.clock.now();
        self.thread.with(0, |agent, hands| agent.on_datagram(now, 0, 0, bytes, hands));
    }

    /// A lane that stands still has all buffers but so many.
    pub(crate) fn leave_buffers(&mut self, left: usize) {
        self.taken.extend(std::iter::from_fn(|| self.post.buffer()));
        self.taken.drain(..left).for_each(|buffer| self.post.put_back(buffer));
    }

    /// It gives them back.
    pub(crate) fn give_back(&mut self) {
        self.taken.drain(..).for_each(|buffer| self.post.put_back(buffer));
    }
}
