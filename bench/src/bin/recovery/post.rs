//! The recovery thread's hands: what its agent wants done with sockets, and what the lane is told, in
//! as many buffers as there are.

use candor_core::limits::RECOVERY_BUFFER_BYTES;
use candor_core::{Mono, Refusal, Refused, SeqNo, SessionId};
use candor_services::Io;
use candor_services::agent::{Channel, Shell, Told};
use candor_services::snapshot::{Block, Body, Piece};

/// Bytes before each payload of a buffer.
const PREFIX: usize = 2;

/// Something to be done with a socket.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Send this to the retransmit service.
    Datagram(Vec<u8>),
    /// Connect.
    Connect,
    /// Send this over the connection.
    Say(Vec<u8>),
    /// Close the connection.
    Close,
}

/// A part of a snapshot that is on its way.
#[derive(Debug)]
pub(crate) struct Part {
    cycle: u32,
    body: Owned,
}

#[derive(Debug)]
enum Owned {
    Begin { session: SessionId },
    Messages { bytes: Vec<u8>, count: u16 },
    End { next: SeqNo },
    Failed(Refusal),
}

impl Part {
    /// As the engine wants it.
    pub(crate) fn piece(&self) -> Piece<'_> {
        let body = match &self.body {
            Owned::Begin { session } => Body::Begin { session: *session },
            Owned::Messages { bytes, count } => Body::Messages(Block { bytes, count: *count }),
            Owned::End { next } => Body::End { next: *next },
            Owned::Failed(why) => Body::Failed(*why),
        };
        Piece { cycle: self.cycle, body }
    }
}

/// What the lane is told.
#[derive(Debug)]
pub(crate) enum What {
    /// Payloads of one buffer.
    Payloads(Vec<Vec<u8>>),
    /// A request that will not be answered.
    Refused(Refused),
    /// A part of a snapshot.
    Part(Part),
}

impl What {
    /// Whether it lies in one of the buffers.
    pub(crate) fn has_buffer(&self) -> bool {
        match self {
            What::Payloads(_) => true,
            What::Part(part) => matches!(part.body, Owned::Messages { .. }),
            What::Refused(_) => false,
        }
    }
}

/// Something the lane is told, and when what it comes from reached the host.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) came: Mono,
    pub(crate) what: What,
}

/// What an agent says in one call.
#[derive(Debug)]
pub(crate) struct Hands {
    /// When what it says it about reached the host.
    pub(crate) came: Mono,
    buffers: usize,
    wires: Vec<(Channel, Wire)>,
    replies: Vec<Reply>,
    /// Bytes in the buffer of the last reply, if that holds payloads.
    filled: usize,
}

impl Hands {
    /// Hands with so many free buffers.
    pub(crate) fn new(buffers: usize) -> Hands {
        Hands { came: Mono(0), buffers, wires: Vec::new(), replies: Vec::new(), filled: 0 }
    }

    /// What was said.
    pub(crate) fn done(self) -> (Vec<(Channel, Wire)>, Vec<Reply>) {
        (self.wires, self.replies)
    }

    fn push(&mut self, what: What) -> bool {
        self.replies.push(Reply { came: self.came, what });
        true
    }

    fn payload(&mut self, payload: &[u8]) -> bool {
        let bytes = PREFIX + payload.len();
        if let Some(Reply { what: What::Payloads(payloads), .. }) = self.replies.last_mut()
            && self.filled + bytes <= RECOVERY_BUFFER_BYTES
        {
            payloads.push(payload.to_vec());
            self.filled += bytes;
            return true;
        }
        if self.buffers == 0 || bytes > RECOVERY_BUFFER_BYTES {
            return false;
        }
        self.buffers -= 1;
        self.filled = bytes;
        self.push(What::Payloads(vec![payload.to_vec()]))
    }

    fn part(&mut self, piece: Piece<'_>) -> bool {
        let cycle = piece.cycle;
        let body = match piece.body {
            Body::Begin { session } => Owned::Begin { session },
            Body::End { next } => Owned::End { next },
            Body::Failed(why) => Owned::Failed(why),
            Body::Messages(_) if self.buffers == 0 => {
                let body = Owned::Failed(Refusal::Overrun);
                self.push(What::Part(Part { cycle, body }));
                return false;
            }
            Body::Messages(block) => {
                self.buffers -= 1;
                Owned::Messages { bytes: block.bytes.to_vec(), count: block.count }
            }
        };
        self.push(What::Part(Part { cycle, body }))
    }
}

impl Shell for Hands {
    fn io(&mut self, _: u16, channel: Channel, io: Io<'_>) {
        let wire = match io {
            Io::Connect { .. } => Wire::Connect,
            Io::Send(bytes) => Wire::Say(bytes.to_vec()),
            Io::SendTo { bytes, .. } => Wire::Datagram(bytes.to_vec()),
            Io::Close => Wire::Close,
        };
        self.wires.push((channel, wire));
    }

    fn tell(&mut self, _: u16, told: Told<'_>) -> bool {
        match told {
            Told::Payload(bytes) => self.payload(bytes),
            Told::Refused(refused) => self.push(What::Refused(refused)),
            Told::Snapshot(piece) => self.part(piece),
        }
    }
}
