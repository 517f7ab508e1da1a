//! The handler's side: requests taken, carried out and answered, a few at each tick of the handler's
//! own thread. Nothing here waits: neither for a client that says nothing, nor for one that does not
//! read, nor for a lane, nor for a disk.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use candor_core::{Mono, Nanos};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde_json::{Map, Value, json};

use super::inbox::{Inbox, Order};
use super::peer::{self, Peer};
use super::{Command, Join, Listener, REQUEST_BYTES, Request, line};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::halt::clerk::{Answer, Pending};

/// Clients at once. One more takes the place of the one that has kept silent the longest, or else waits for a disk.
const CLIENTS: usize = 8;

/// How long one may wait for a disk where another wants its place, which may be to halt.
const DISK_SHARED: Nanos = Nanos::from_millis(500);

/// How long a client has for its request.
const REQUEST_WITHIN: Nanos = Nanos::from_secs(1);

/// How long a lane has: many times what one takes that moves at all.
const LANE_WITHIN: Nanos = Nanos::from_secs(2);

/// What the server can't do itself.
pub(crate) trait Hands {
    /// Joins or leaves a partition's lines. Whether that changed anything.
    ///
    /// # Errors
    /// In words for the client; nothing is joined then that was not.
    fn join(&mut self, partition: u16, subscribe: bool) -> Result<bool, Failure>;

    /// Halts a target for this user, and has it recorded; what the client waits for then.
    ///
    /// # Errors
    /// In words for the client; nothing is halted then that was not.
    fn halt(&mut self, asked: (&str, &str), by: u32, now: Mono) -> Result<Pending, Failure>;

    /// Has a halt ended for this user, with a second person; what the client waits for then.
    ///
    /// # Errors
    /// In words for the client; it stays halted then.
    fn resume(&mut self, asked: (&str, &str), by: u32, now: Mono) -> Result<Pending, Failure>;

    /// A partition was joined or left for this user.
    fn done(&self, at: Mono, command: &str, partition: u16, by: u32);

    /// What readers see of a partition, in one word.
    fn status(&self, partition: u16) -> String;
}

/// See the module's description.
pub(crate) struct Server {
    listener: Listener,
    /// The inbox of each lane.
    inboxes: Vec<Arc<Inbox>>,
    /// Oldest first.
    clients: Vec<Client>,
    ticket: u64,
}

struct Client {
    stream: OwnedFd,
    peer: Peer,
    since: Mono,
    state: State,
}

enum State {
    /// Its request is not whole yet.
    Reading { bytes: Box<[u8; REQUEST_BYTES]>, len: usize },
    /// A lane has its order.
    Ordered { request: Join, lane: u16, ticket: u64, changed: bool, at: Mono },
    /// What is recorded of a halt is being changed.
    Recorded(Pending),
}

/// What became of a client in one look.
enum Step {
    /// Nothing new.
    Wait,
    /// Its request is this line.
    Asked(Vec<u8>),
    /// It gets this answer, and is done.
    Answer(Answer),
    /// It went away.
    Gone,
}

impl Server {
    pub(crate) fn new(listener: Listener, inboxes: Vec<Arc<Inbox>>) -> Server {
        Server { listener, inboxes, clients: Vec::with_capacity(CLIENTS), ticket: 0 }
    }

    /// Takes what has come, carries it out, and answers what is done.
    pub(crate) fn tick(&mut self, now: Mono, config: &Config, hands: &mut impl Hands) {
        // Who has asked by now is served before a newcomer could take the place of one who has not.
        self.serve(now, config, hands);
        self.accept(now);
        self.serve(now, config, hands);
    }

    fn serve(&mut self, now: Mono, config: &Config, hands: &mut impl Hands) {
        let mut clients = std::mem::take(&mut self.clients);
        clients.retain_mut(|client| {
            let mut step = self.look(client, now, config, hands);
            if let Step::Asked(request) = &step {
                step = self.begin(client, request, now, config, hands);
            }
            match step {
                Step::Wait | Step::Asked(_) => true,
                Step::Gone => false,
                Step::Answer(answer) => {
                    if let Err(failure) = &answer {
                        let Peer { pid, uid } = client.peer;
                        tracing::warn!(pid, uid, "a command was refused: {failure}");
                    }
                    tell(client, &line(&answer));
                    false
                }
            }
        });
        self.clients = clients;
    }

    /// Takes new clients. A flood of them costs a bounded time and pushes out only who keeps silent.
    fn accept(&mut self, now: Mono) {
        // BOUND: as many as there is room for.
        for _ in 0..CLIENTS {
            let silent = |client: &Client| matches!(client.state, State::Reading { .. });
            let slow = |client: &Client| {
                matches!(client.state, State::Recorded(_)) && now.since(client.since) > DISK_SHARED
            };
            let first = |is: &dyn Fn(&Client) -> bool| self.clients.iter().position(is);
            let gives_way = first(&silent).or_else(|| first(&slow));
            if self.clients.len() == CLIENTS && gives_way.is_none() {
                return;
            }
            let Some(stream) = self.listener.accept() else { return };
            let Ok(peer) = peer::of(stream.as_fd()) else { continue };
            if self.clients.len() == CLIENTS
                && let Some(at) = gives_way
            {
                let client = self.clients.remove(at);
                if let State::Recorded(pending) = &client.state
                    && let Some(answer) = pending.look(Mono::MAX)
                {
                    tell(&client, &line(&answer));
                }
            }
            let state = State::Reading { bytes: Box::new([0; REQUEST_BYTES]), len: 0 };
            self.clients.push(Client { stream, peer, since: now, state });
        }
    }

    fn look(&self, client: &mut Client, now: Mono, config: &Config, hands: &impl Hands) -> Step {
        match &mut client.state {
            State::Reading { bytes, len } => {
                let step = read(&client.stream, bytes, len);
                match step {
                    Step::Wait if now.since(client.since) > REQUEST_WITHIN => Step::Answer(Err(
                        Failure::usage(format!("no request within {REQUEST_WITHIN}")),
                    )),
                    step => step,
                }
            }
            State::Ordered { request, lane, ticket, changed, at } => {
                let done = self.inboxes.get(usize::from(*lane)).is_some_and(|i| i.is_done(*ticket));
                if done {
                    let status = hands.status(request.partition);
                    let partition = crate::watch::name(config, request.partition);
                    let command = request.command;
                    let Peer { pid, uid } = client.peer;
                    let took = now.since(*at);
                    hands.done(now, command.word(), request.partition, uid);
                    tracing::warn!(partition, pid, uid, status, %took, "{command} done");
                    return Step::Answer(Ok(fields(request, config, *changed, status, took)));
                }
                if now.since(*at) > LANE_WITHIN {
                    return Step::Answer(Err(Failure::new(
                        Exit::Unknown,
                        format!(
                            "lane {lane} has not answered within {LANE_WITHIN}: it hangs, and its \
                             symbols are stale for that; it is told as soon as it moves"
                        ),
                    )));
                }
                Step::Wait
            }
            State::Recorded(pending) => pending.look(now).map_or(Step::Wait, Step::Answer),
        }
    }

    /// Carries a request out as far as this thread can, and tells the lane.
    fn begin(
        &mut self,
        client: &mut Client,
        line: &[u8],
        now: Mono,
        config: &Config,
        hands: &mut impl Hands,
    ) -> Step {
        let Peer { pid, uid } = client.peer;
        let request = match Request::parse(line, config) {
            Ok(Request::Join(join)) => join,
            Ok(Request::Halt { target, reason }) => {
                tracing::warn!(target, reason, pid, uid, "halt commanded");
                return recorded(client, hands.halt((&target, &reason), uid, now));
            }
            Ok(Request::Resume { target, second }) => {
                tracing::warn!(target, second, pid, uid, "resume commanded");
                return recorded(client, hands.resume((&target, &second), uid, now));
            }
            Err(failure) => return Step::Answer(Err(failure)),
        };
        let partition = crate::watch::name(config, request.partition);
        tracing::warn!(partition, pid, uid, "{} commanded", request.command);
        let number = usize::from(request.partition);
        let lane = config.partitions.get(number).map_or(0, |partition| partition.lane);
        let Some(inbox) = self.inboxes.get(usize::from(lane)) else {
            return Step::Answer(Err(Failure::host(format!("there is no lane {lane}"))));
        };
        let subscribe = request.command == Command::Subscribe;
        self.ticket += 1;
        let order = Order { partition: request.partition, subscribe, ticket: self.ticket };
        let full = || {
            let message = format!("lane {lane} hangs, and has too many orders waiting already");
            Step::Answer(Err(Failure::new(Exit::Unknown, message)))
        };
        // Left: stale first, then deaf. Joined: hearing first, so that only what comes from then on
        // can prove anything.
        if !subscribe && !inbox.push(order) {
            return full();
        }
        let changed = match hands.join(request.partition, subscribe) {
            Ok(changed) => changed,
            Err(failure) => return Step::Answer(Err(failure)),
        };
        if subscribe && !inbox.push(order) {
            // What was joined before stays so: its lane was not told to leave it.
            if changed {
                let _ = hands.join(request.partition, false);
            }
            return full();
        }
        client.state = State::Ordered { request, lane, ticket: order.ticket, changed, at: now };
        Step::Wait
    }
}

/// The client waits for what is recorded, unless it was refused.
fn recorded(client: &mut Client, asked: Result<Pending, Failure>) -> Step {
    match asked {
        Ok(pending) => {
            client.state = State::Recorded(pending);
            Step::Wait
        }
        Err(failure) => Step::Answer(Err(failure)),
    }
}

/// Takes what is there of a request.
fn read(stream: &OwnedFd, bytes: &mut [u8; REQUEST_BYTES], len: &mut usize) -> Step {
    let got = match recv(stream, &mut bytes[*len..], RecvFlags::DONTWAIT) {
        Ok((0, _)) => return Step::Gone,
        Ok((got, _)) => got,
        Err(Errno::AGAIN | Errno::INTR) => return Step::Wait,
        Err(_) => return Step::Gone,
    };
    *len += got;
    let so_far = &bytes[..*len];
    if let Some(end) = so_far.iter().position(|byte| *byte == b'\n') {
        return Step::Asked(so_far[..end].to_vec());
    }
    if *len == REQUEST_BYTES {
        let message = format!("a request is one line of at most {REQUEST_BYTES} bytes");
        return Step::Answer(Err(Failure::usage(message)));
    }
    Step::Wait
}

/// Says a line to a client. One that has no room for it, or is gone, does without.
fn tell(client: &Client, line: &[u8]) {
    let _ = send(&client.stream, line, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

fn fields(
    request: &Join,
    config: &Config,
    changed: bool,
    status: String,
    took: Nanos,
) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("command".to_owned(), json!(request.command.word()));
    if let Some(partition) = config.partitions.get(usize::from(request.partition)) {
        fields.insert("venue".to_owned(), json!(partition.venue.as_str()));
        fields.insert("partition".to_owned(), json!(partition.name.as_str()));
    }
    fields.insert("changed".to_owned(), json!(changed));
    fields.insert("status".to_owned(), json!(status));
    fields.insert("took_ns".to_owned(), json!(took.0));
    fields
}
