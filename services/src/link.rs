//! One connection to a service, and what is to be done with it.

use candor_core::{Mono, Nanos};

use crate::Io;
use crate::addresses::{Addresses, Pick};
use crate::counts::{Count, Counts};

/// The longest thing a client says at once, in bytes: a request of SNAP.
pub(crate) const SAY_MAX: usize = 64;

/// Things to do that one event can lead to: say farewell, close, connect, and spare.
const TO_DO: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ToDo {
    Connect(usize),
    Say,
    Close,
}

/// Where the connection stands. `by` is when whoever wanted it has no use for it any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    /// Every address rests.
    Resting {
        until: Mono,
        by: Mono,
    },
    Connecting {
        address: usize,
        until: Mono,
        by: Mono,
    },
    Open {
        address: usize,
    },
}

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Nothing that the client has to know.
    None,
    /// The connection is there.
    Opened,
    /// No address can be reached in time.
    Unreachable,
    /// The service has closed the connection.
    Lost,
}

/// One connection at a time to one of a service's addresses.
#[derive(Debug)]
pub(crate) struct Link {
    addresses: Addresses,
    connect: Nanos,
    state: State,
    to_do: [ToDo; TO_DO],
    to_do_len: usize,
    done: usize,
    say: [u8; SAY_MAX],
    say_len: usize,
}

impl Link {
    pub(crate) fn new(addresses: Addresses, connect: Nanos) -> Link {
        Link {
            addresses,
            connect,
            state: State::Closed,
            to_do: [ToDo::Close; TO_DO],
            to_do_len: 0,
            done: 0,
            say: [0; SAY_MAX],
            say_len: 0,
        }
    }

    /// Starts connecting. Says `false` where no address can be tried before `by`.
    pub(crate) fn open(&mut self, now: Mono, by: Mono, counts: &mut Counts) -> bool {
        assert!(self.state == State::Closed, "one connection at a time");
        self.state = match self.addresses.pick(now) {
            _ if by <= now => State::Closed,
            Pick::Now(address) => {
                counts.add(Count::Connects);
                self.push(ToDo::Connect(address));
                State::Connecting { address, until: (now + self.connect).min(by), by }
            }
            Pick::From(until) if until < by => State::Resting { until, by },
            Pick::From(_) => State::Closed,
        };
        self.state != State::Closed
    }

    pub(crate) fn on_connected(&mut self, counts: &mut Counts) -> Change {
        match self.state {
            State::Connecting { address, .. } => {
                self.state = State::Open { address };
                Change::Opened
            }
            State::Closed | State::Resting { .. } | State::Open { .. } => {
                counts.add(Count::Stray);
                Change::None
            }
        }
    }

    pub(crate) fn on_closed(&mut self, now: Mono, counts: &mut Counts) -> Change {
        match self.state {
            State::Connecting { address, by, .. } => {
                counts.add(Count::Unreachable);
                self.go_on(now, address, by, counts)
            }
            State::Open { .. } => {
                counts.add(Count::Closed);
                self.state = State::Closed;
                Change::Lost
            }
            State::Closed | State::Resting { .. } => {
                counts.add(Count::Stray);
                Change::None
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        match self.state {
            State::Connecting { until, .. } | State::Resting { until, .. } => Some(until),
            State::Closed | State::Open { .. } => None,
        }
    }

    pub(crate) fn on_deadline(&mut self, now: Mono, counts: &mut Counts) -> Change {
        match self.state {
            State::Connecting { address, until, by } if until <= now => {
                counts.add(Count::TimedOut);
                self.push(ToDo::Close);
                self.go_on(now, address, by, counts)
            }
            State::Resting { until, by } if until <= now => {
                self.state = State::Closed;
                if self.open(now, by, counts) { Change::None } else { Change::Unreachable }
            }
            _ => Change::None,
        }
    }

    fn go_on(&mut self, now: Mono, failed: usize, by: Mono, counts: &mut Counts) -> Change {
        self.blame(now, failed, counts);
        self.state = State::Closed;
        if self.open(now, by, counts) { Change::None } else { Change::Unreachable }
    }

    /// The address the connection is to, where there is one.
    pub(crate) const fn address(&self) -> Option<usize> {
        match self.state {
            State::Connecting { address, .. } | State::Open { address } => Some(address),
            State::Closed | State::Resting { .. } => None,
        }
    }

    /// The service at this address did not do what it was asked.
    pub(crate) fn blame(&mut self, now: Mono, address: usize, counts: &mut Counts) {
        if self.addresses.failed(now, address) {
            counts.add(Count::Failovers);
        }
    }

    /// What the service at this address has is of no use: the next request goes to another, where there is one.
    pub(crate) fn turn_from(&mut self, address: usize, counts: &mut Counts) {
        if self.addresses.useless(address) {
            counts.add(Count::Failovers);
        }
    }

    /// The service at this address did what it was asked.
    pub(crate) fn praise(&mut self, address: usize) {
        self.addresses.worked(address);
    }

    /// Closes whatever is open, or being opened.
    pub(crate) fn close(&mut self) {
        match self.state {
            State::Connecting { .. } | State::Open { .. } => self.push(ToDo::Close),
            State::Closed | State::Resting { .. } => {}
        }
        self.state = State::Closed;
    }

    /// Says what `write` puts at the front of the buffer it is given.
    pub(crate) fn say(&mut self, write: impl FnOnce(&mut [u8; SAY_MAX]) -> Option<usize>) -> bool {
        assert!(matches!(self.state, State::Open { .. }), "only what is open can be spoken to");
        assert!(!self.pending().contains(&ToDo::Say), "what was said before was not sent");
        let Some(len) = write(&mut self.say) else { return false };
        assert!(len <= SAY_MAX);
        self.say_len = len;
        self.push(ToDo::Say);
        true
    }

    pub(crate) fn next_io(&mut self) -> Option<Io<'_>> {
        let to_do = *self.pending().first()?;
        self.done += 1;
        Some(match to_do {
            ToDo::Connect(address) => Io::Connect { address },
            ToDo::Say => Io::Send(&self.say[..self.say_len]),
            ToDo::Close => Io::Close,
        })
    }

    /// Whether everything that was to be done was handed out.
    pub(crate) fn is_drained(&self) -> bool {
        self.pending().is_empty()
    }

    pub(crate) fn check(&self) {
        self.addresses.check();
        assert!(self.done <= self.to_do_len);
    }

    fn pending(&self) -> &[ToDo] {
        &self.to_do[self.done..self.to_do_len]
    }

    fn push(&mut self, to_do: ToDo) {
        if self.is_drained() {
            (self.done, self.to_do_len) = (0, 0);
        }
        // A connection nobody was told to open needs not be closed.
        if to_do == ToDo::Close && matches!(self.pending().last(), Some(ToDo::Connect(_))) {
            self.to_do_len -= 1;
            return;
        }
        assert!(self.to_do_len < TO_DO, "what was to be done before was not done");
        self.to_do[self.to_do_len] = to_do;
        self.to_do_len += 1;
    }
}
