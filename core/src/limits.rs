//! Every capacity of the product, with its arithmetic, what happens when it is reached, and the
//! counter that says so. Nothing grows after start.

/// Lines of a partition. Nasdaq and IEX run three (A, B, and the recovery site's); no venue more.
/// A configuration that names a fourth is refused.
pub const LINES: usize = 3;

/// Price levels a side in a published book. Deeper levels stay in the engine's book.
pub const DEPTH: usize = 10;

/// Longest message of a format that numbers messages, in bytes. ITCH's longest is 50, DEEP's 80;
/// the rest is room for messages that grow at their end. A longer message still applies when it
/// arrives in order; it can't be held beyond a gap (`discard_too_long_to_hold`) and the gap then
/// costs it too.
pub const HELD_MESSAGE_BYTES: usize = 128;

/// Messages beyond a gap that a partition can hold, by number: a power of two. 16,384 is 80 ms of
/// a partition at 200,000 messages a second, where lines differ by microseconds and a line's own
/// reordering by less. Reached: the gap is given up (`gaps_lost`) and the partition is stale.
/// Memory: 16,384 × (128 + 8) bytes = 2.2 MB a partition.
pub const WINDOW_MESSAGES: usize = 16_384;

/// Fingerprints of messages already applied, by number: a power of two, so that a second copy that
/// differs is noticed as long as it is not later than this many messages. 8 bytes each.
pub const FINGERPRINTS: usize = 16_384;

/// Gaps a partition tracks at once. Reached: the oldest is given up and counted (`gaps_lost`).
pub const OPEN_GAPS: usize = 64;

/// Ranges one line is missing that are watched until another line or the line itself fills them.
/// Reached: the oldest is counted as lost on that line at once.
pub const LINE_GAPS: usize = 64;

/// Sessions left behind in a day that are remembered, so that their packets are refused by name.
/// Reached: the oldest is forgotten.
pub const OLD_SESSIONS: usize = 8;

/// Messages held back for a snapshot that are applied in one call once it is spliced in: some 0.4 ms
/// of a lane. The rest follows in the next; what comes meanwhile is held back behind them.
pub const REPLAY_MESSAGES: usize = 4_096;

/// Bytes of one buffer on the way from the recovery thread to a lane: a block of a snapshot's messages
/// ([`REPLAY_MESSAGES`] would fill nine), or payloads that answer requests. A longer payload is not
/// taken; services answer in datagrams and segments of some 1,400 bytes.
pub const RECOVERY_BUFFER_BYTES: usize = 16 * 1024;

/// Such buffers of a lane: 1 MiB. A lane gives them back as it goes, at worst a millisecond later, so
/// that a snapshot passes at a gigabyte a second. Reached: nothing more is read from the services'
/// sockets until half of them are back, and the kernel holds the venue up.
pub const RECOVERY_BUFFERS: usize = 64;

/// What a lane takes from the recovery thread in one cycle at most: 8 buffers hold some 3,500 messages,
/// about what [`REPLAY_MESSAGES`] allows. The rest waits for the next cycle.
pub const RECOVERY_REPLIES_A_CYCLE: usize = 8;

/// Requests of a partition on their way to the recovery thread: eight for missing numbers, a snapshot
/// and the end of the one before, and as many again from before it looked. Reached: the lane answers by
/// itself that the request was refused (`retransmit_refused`, `snapshots_failed`).
pub const RECOVERY_ACTIONS: usize = 20;

/// Replies without bytes on their way to a lane, for each of its partitions: a refusal of each of its
/// requests, and the beginning and end of a snapshot. Reached: the reply is dropped, and the partition's
/// own deadline takes its place.
pub const RECOVERY_REPLIES: usize = 24;

/// Requests for missing numbers that a partition has in flight at once. Reached: what else is missing waits its
/// turn.
pub const RETRANSMITS_OUTSTANDING: usize = 8;

/// Requests for missing numbers that are under way or wait in one client of a service; a further one is refused as
/// `Busy`. Over UDP as many are remembered after they were answered or given up, for answers that come late.
pub const RETRANSMITS_REMEMBERED: usize = 2 * RETRANSMITS_OUTSTANDING;

/// Requests within a day that a venue's budget can allow: each one's time is kept. A configuration with more is
/// refused.
pub const RETRANSMITS_A_DAY: u32 = 1 << 20;

/// Sessions of a partition that are written down for the handlers after this one. Those of a day are few, and the
/// latest come last. Reached: the oldest is forgotten.
pub const SESSIONS_KEPT: usize = 16;

/// Partitions of one handler: more than OPRA (96), CME (some 100 channels) and Cboe together.
/// A configuration with more is refused.
pub const PARTITIONS: usize = 1024;

/// Addresses that one service of a venue can have. A configuration or a map with more is refused.
pub const ADDRESSES: usize = 8;

/// Lanes of one handler. A host has fewer cores to spare. A configuration with more is refused.
pub const LANES: usize = 64;

/// Symbols of a partition unless configured. Reached: a further symbol is not defined
/// (`symbols_full`), so that a reader finds it nowhere: Stale(Unmapped).
pub const SYMBOLS: usize = 16_384;

/// Symbols of a partition that can be configured: more than any venue lists in all. A configuration or
/// a map with more is refused.
pub const SYMBOLS_MAX: usize = 1 << 20;

/// Keys without a definition that are remembered a session, so that a symbol defined later is known to
/// have missed messages. A venue that follows its own rules has none. Reached: every symbol defined
/// afterwards counts as one that has (`undefined_instrument` counts the messages).
pub const UNDEFINED_KEYS: usize = 64;

/// Resting orders of a partition unless configured. Whole Nasdaq peaks below two million. Reached:
/// the symbol whose order found no place is quarantined (`orders_full`).
pub const ORDERS: usize = 1 << 21;

/// Price levels of a partition, over all symbols and both sides, unless configured. Reached: the
/// symbol whose level found no place is quarantined (`levels_full`).
pub const LEVELS: usize = 1 << 19;

/// Trades remembered for corrections, a partition. A break of an older trade is counted
/// (`breaks_unmatched`).
pub const TRADES: usize = 1 << 14;

/// Records of a lane's event ring: a power of two, 64 bytes each. 65,536 is 4 MiB and, at a million
/// events a second, 65 ms before a reader that stops is lapped. The writer never waits.
pub const EVENTS: usize = 65_536;

/// Records of a lane's loss log. Reached: the oldest is overwritten; counters keep the sums.
pub const LOSSES: usize = 4_096;

const _: () = assert!(SYMBOLS <= SYMBOLS_MAX);
const _: () = assert!(WINDOW_MESSAGES.is_power_of_two());
const _: () = assert!(FINGERPRINTS.is_power_of_two());
const _: () = assert!(EVENTS.is_power_of_two());
const _: () = assert!(LOSSES.is_power_of_two());
// A copy that is late by the whole window must still be compared with what was applied.
const _: () = assert!(FINGERPRINTS >= WINDOW_MESSAGES);

/// Alerts that a handler tells apart at once, those that are over among them until their place is needed: four
/// causes in each of a dozen places, and as many that are over. The last place is kept for saying that there is
/// no room. Reached: alerts are counted and not told (`alerts-overflow`).
pub const ALERTS: usize = 64;

/// Suspects of an alert. Reached: those that come later are left out.
pub const SUSPECTS: usize = 4;
