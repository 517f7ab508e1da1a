//! The command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::control;
use crate::exchange::Speed;
use crate::market::Family;
use crate::publisher::{Faults, HISTORY, LineConfig, Packing};
use candor_core::limits::LINES;
use candor_core::{Line, Nanos};
use candor_decoders::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// An exchange for tests and demonstrations: a synthetic market or a capture, published on
/// redundant multicast lines with the faults you command.
#[derive(Debug, Parser)]
#[command(name = "candor-exchange", version)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Publish; commands are taken from standard input and the control socket
    Run(Box<RunArgs>),
    /// Print the handler's configuration for the same flags
    Config(Box<ConfigArgs>),
    /// Send one command to a running exchange ("help" lists them)
    Control {
        /// The exchange's control socket
        #[arg(long)]
        socket: PathBuf,
        /// The command
        #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

/// What `run` and `config` must agree on.
#[derive(Debug, Args)]
pub(super) struct Shape {
    /// Partitions of the market
    #[arg(long, default_value_t = 4)]
    pub(super) partitions: usize,
    /// Symbols over all partitions
    #[arg(long, default_value_t = 2_000)]
    pub(super) symbols: usize,
    /// The symbols, in the place of so many made-up ones: a file of lines `PARTITION SYMBOL`, partitions
    /// counted from 1, each with one at least
    #[arg(long, conflicts_with_all = ["capture", "symbols"])]
    pub(super) listings: Option<PathBuf>,
    /// Multicast group of partition 1 on line A
    #[arg(long, default_value = "239.66.0.1")]
    pub(super) group_base: Ipv4Addr,
    /// UDP port of partition 1
    #[arg(long, default_value_t = 26_400)]
    pub(super) port_base: u16,
    /// The lines
    #[arg(long, value_delimiter = ',', default_value = "A,B", value_parser = line)]
    pub(super) lines: Vec<Line>,
    /// Replay this capture (pcap or pcapng; plain, gzip or zstd) on one partition
    #[arg(long, requires = "feed")]
    pub(super) capture: Option<PathBuf>,
    /// Feed of the capture, or whose messages the market speaks [default: nasdaq-itch50]
    #[arg(long, value_parser = feed)]
    pub(super) feed: Option<Format>,
    /// Run the venue's services (retransmission, snapshots) on this address [default without an
    /// address: the interface's own]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "absent, without an address, with one")]
    pub(super) services: Option<Option<Ipv4Addr>>,
    /// Port of partition 1's retransmit service, by UDP and, for IEX, TCP; its snapshot service has
    /// the next port, by TCP; each further partition has the next two [default: the port base plus
    /// 1000]
    #[arg(long)]
    pub(super) service_port_base: Option<u16>,
}

impl Shape {
    /// Partitions published: a capture has one.
    pub(super) fn partitions(&self) -> usize {
        if self.capture.is_some() { 1 } else { self.partitions }
    }

    /// The first port of services.
    pub(super) fn service_port_base(&self) -> u16 {
        self.service_port_base.unwrap_or(self.port_base.saturating_add(1_000))
    }

    /// Whose messages the market speaks.
    pub(super) fn family(&self) -> Result<Family, String> {
        let format = self.format();
        Family::of(format).ok_or_else(|| {
            format!("a market speaks nasdaq-itch50 or iex-deep, not {}", format.name())
        })
    }

    /// The format published.
    pub(super) fn format(&self) -> Format {
        self.feed.unwrap_or(Format::NasdaqItch50)
    }
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) shape: Shape,
    /// Address or name of the interface to send from; there is no default
    #[arg(long)]
    pub(super) interface: String,
    /// Messages a second over all partitions
    #[arg(long, default_value_t = 10_000)]
    pub(super) rate: u64,
    /// Messages a second during the opening sequence [default: the rate, at least 50000]
    #[arg(long)]
    pub(super) opening_rate: Option<u64>,
    /// Orders a side put on each book before the open
    #[arg(long, default_value_t = 3)]
    pub(super) prefill: usize,
    /// No symbol is ever halted
    #[arg(long)]
    pub(super) no_halts: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Session name of the market
    #[arg(long, default_value = "CANDOR0001")]
    pub(super) session: String,
    /// Pace of a capture: a factor of its own pace, or max
    #[arg(long, default_value = "1", value_parser = speed)]
    pub(super) speed: Speed,
    /// Stop after so many seconds
    #[arg(long)]
    pub(super) duration: Option<u64>,
    /// End the session (and say so for three seconds) before stopping, and stop behind a capture
    #[arg(long)]
    pub(super) end: bool,
    /// Say heartbeats only until the command `resume`
    #[arg(long)]
    pub(super) start_paused: bool,
    /// Idle time before a heartbeat
    #[arg(long, default_value = "1s", value_parser = length)]
    pub(super) heartbeat: Nanos,
    /// How a line packs: LINE=BYTES/MESSAGES/LINGER [defaults: A=1300/40/0us, others 1100/27/50us]
    #[arg(long, value_parser = packing)]
    pub(super) packing: Vec<(Line, Packing)>,
    /// Messages of the session that each partition remembers for its services
    #[arg(long, default_value_t = HISTORY)]
    pub(super) history: usize,
    /// Connections a service serves at once
    #[arg(long, default_value_t = 8)]
    pub(super) service_connections: usize,
    /// User and password of GLIMPSE clients, as USER:PASSWORD [default: anybody is let in]
    #[arg(long, value_parser = login)]
    pub(super) service_login: Option<([u8; 6], [u8; 10])>,
    /// Log of what was true when
    #[arg(long)]
    pub(super) truth: Option<PathBuf>,
    /// Unix socket to take commands from
    #[arg(long)]
    pub(super) control: Option<PathBuf>,
    /// A command to begin with, such as "loss A 5%"; may be repeated
    #[arg(long = "command")]
    pub(super) commands: Vec<String>,
}

impl RunArgs {
    /// The lines as the publisher wants them.
    pub(super) fn lines(&self) -> [Option<LineConfig>; LINES] {
        Line::ALL.map(|line| {
            let own = self.packing.iter().rev().find(|(of, _)| *of == line).map(|(_, rule)| *rule);
            let usual = if line == Line::A { Packing::A } else { Packing::B };
            let config = LineConfig { packing: own.unwrap_or(usual), faults: Faults::default() };
            self.shape.lines.contains(&line).then_some(config)
        })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum SourceKind {
    /// The kernel's sockets
    Udp,
    /// AF_XDP
    AfXdp,
}

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    pub(super) shape: Shape,
    /// How the handler receives
    #[arg(long, value_enum, default_value = "udp")]
    pub(super) source: SourceKind,
    /// The handler's interface
    #[arg(long)]
    pub(super) handler_interface: String,
    /// The handler's region file
    #[arg(long, default_value = "/dev/shm/candor-mdh1")]
    pub(super) region: String,
    /// The handler's name
    #[arg(long, default_value = "mdh1")]
    pub(super) name: String,
    /// Lanes; partitions are dealt to them in turn, and each polls the queue of its number
    #[arg(long, default_value_t = 1)]
    pub(super) lanes: usize,
    /// Idle policy of the lanes: spin or block
    #[arg(long, default_value = "block")]
    pub(super) idle: String,
    /// AF_XDP mode: zero-copy, copy or generic
    #[arg(long, default_value = "copy")]
    pub(super) mode: String,
    /// Reorder grace in microseconds
    #[arg(long, default_value_t = 1_000)]
    pub(super) reorder_grace_us: u64,
    /// Silence bound in milliseconds
    #[arg(long, default_value_t = 3_000)]
    pub(super) silence_ms: u64,
    /// File with user and password for the services
    #[arg(long)]
    pub(super) credentials: Option<PathBuf>,
    /// Leave these partitions out (as a handler that was not told of them)
    #[arg(long, value_delimiter = ',')]
    pub(super) without: Vec<usize>,
}

fn line(text: &str) -> Result<Line, String> {
    control::line(text).ok_or_else(|| "a line is A, B or C".to_owned())
}

fn feed(text: &str) -> Result<Format, String> {
    Format::from_name(text)
        .ok_or_else(|| "a feed is iex-deep, iex-tops or nasdaq-itch50".to_owned())
}

fn length(text: &str) -> Result<Nanos, String> {
    control::length(text).map_err(|error| error.to_string())
}

fn login(text: &str) -> Result<([u8; 6], [u8; 10]), String> {
    let parsed = text.split_once(':').and_then(|(user, password)| {
        Some((candor_decoders::alpha(user)?, candor_decoders::alpha(password)?))
    });
    parsed.ok_or_else(|| "a login is USER:PASSWORD, at most 6 and 10 letters".to_owned())
}

fn packing(text: &str) -> Result<(Line, Packing), String> {
    control::packing(text).map_err(|error| error.to_string())
}

fn speed(text: &str) -> Result<Speed, String> {
    match text.parse() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if times > 0 => Ok(Speed::Times(times)),
        _ => Err("a speed is a whole number above 0, or max".to_owned()),
    }
}
