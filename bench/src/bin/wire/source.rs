//! What is received by, and the handler's configuration for it.

use std::path::Path;

use candor::config::{Config, parse_text};
use clap::ValueEnum;

use crate::Problem;
use crate::veth::RECEIVES;

/// The group and port everything is sent to.
pub(crate) const GROUP: [u8; 4] = [239, 79, 1, 1];
/// See [`GROUP`].
pub(crate) const PORT: u16 = 26_401;

/// What packets are received by.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// AF_XDP, native copy: all that veth has.
    AfXdp,
    /// Ordinary sockets, recvmmsg.
    Udp,
}

impl Kind {
    /// The word on the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Kind::AfXdp => "af-xdp",
            Kind::Udp => "udp",
        }
    }

    /// The name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::AfXdp => "AF_XDP",
            Kind::Udp => "recvmmsg",
        }
    }

    /// What a lane says it receives by.
    pub(crate) const fn mode(self) -> &'static str {
        match self {
            Kind::AfXdp => "native copy",
            Kind::Udp => "udp",
        }
    }
}

/// The configuration of a handler that receives by `kind`, its lane spinning on `core`, its region
/// in `folder`.
pub(crate) fn config(kind: Kind, folder: &Path, core: u16) -> Result<Config, Problem> {
    let (source, queues) = match kind {
        Kind::AfXdp => ("kind = \"af_xdp\"\nmode = \"copy\"\nframes = 8192", "queues = [0]"),
        Kind::Udp => ("kind = \"udp\"\nreceive_buffer = 16777216", ""),
    };
    let [a, b, c, d] = GROUP;
    let text = format!(
        "[handler]\nname = \"wire\"\nregion = \"{}\"\n\
         [source]\ninterface = \"{RECEIVES}\"\n{source}\n\
         [[lane]]\ncore = {core}\nidle = \"spin\"\n{queues}\n\
         [[venue]]\nname = \"XNAS\"\nfeed = \"nasdaq-itch50\"\n\
         [[venue.partition]]\nname = \"1\"\nlane = 0\n\
         symbols_max = 1024\norders_max = 131072\nlevels_max = 65536\n\
         lines.A = {{ group = \"{a}.{b}.{c}.{d}\", port = {PORT} }}\n",
        folder.join("region").display()
    );
    parse_text(Path::new("wire.toml"), &text)
        .map_err(|error| Problem::Other(format!("the handler's configuration: {error}")))
}
