//! Known-wrong variants of the product, each a fault that handlers have had, to prove that the
//! simulator's checks can fail. They exist in builds with `--cfg canary` alone; in every other
//! build [`crate::canary!`] is the word `false`.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

macro_rules! canaries {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A fault on purpose.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Canary { $($(#[doc = $doc])+ $name,)+ }

        impl Canary {
            /// Every canary.
            pub const ALL: [Canary; [$(Canary::$name),+].len()] = [$(Canary::$name),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Canary::$name => stringify!($name),)+ }
            }
        }
    };
}

canaries! {
    /// Any packet renews the lease, whatever it proves.
    LeaseOnAnyPacket,
    /// The reader believes the words and never looks at the clock.
    ReaderTrustsFlag,
    /// A packet that begins before the number expected and ends behind it is dropped whole.
    StraddleDropped,
    /// The session's name is not looked at.
    SessionChangeIgnored,
    /// Numbers that begin again are taken for copies.
    RestartSwallowed,
    /// Packets beyond a gap are thrown away.
    BeyondGapDropped,
    /// The count that says the session is over is taken for a count of messages.
    EndCountTrusted,
    /// What is published first depends on a hash's random order.
    HashOrder,
    /// A deadline is made of a clock of the machine.
    ClockInside,
    /// A packet that is refused is described in a text.
    AllocatesOnError,
    /// A gap never outlives its grace.
    GapForgotten,
    /// What waited in a queue while the handler stood still is taken for fresh.
    StallForgotten,
    /// The books of the old session are kept in the new one.
    BooksCarriedOver,
    /// The first message behind a snapshot is left out.
    SpliceOffByOne,
    /// A snapshot is spliced though what was held back behind it is gone.
    HoldbackGone,
    /// A request is made again only when another packet comes.
    RetryOnTraffic,
    /// A snapshot that has arrived whole is shown before what was held back behind it is applied.
    PromotedBeforeSplice,
    /// An answer that holds nothing asked for is taken for what was asked for.
    ForeignRangeTaken,
    /// An answer of another session is taken for one of the session followed.
    ForeignSessionTaken,
    /// A buffer that is full becomes twice as long.
    BufferDoubles,
    /// A packet that says it holds more than it does is read past its end.
    LengthsTrusted,
    /// A message that is too short for its type is read past its end.
    ShortMessageRead,
    /// A book is shown in the middle of the venue's transaction.
    HalfTransactionShown,
    /// A transaction may stay open for ever, and the book before it is shown as long.
    NeverTorn,
    /// Numbers that begin again under the same name are believed at once.
    RestartBelieved,
    /// What an answer says of the number before the gap is not looked at.
    AnswerUnproven,
    /// A snapshot of whichever session the venue has is taken for one of the session followed.
    SnapshotSessionIgnored,
    /// The last number that a snapshot of IEX contains is taken for the first that it doesn't.
    SnapEndOffByOne,
    /// A snapshot of IEX is taken for whole whatever length it said it has.
    SnapLengthIgnored,
    /// Of two sessions that are heard at the start the one followed last is taken for the one in force.
    RivalIgnored,
    /// What the venue allows of requests is not looked at.
    BudgetIgnored,
    /// The first packet after a silence makes the books of before Live, whatever it shows missing.
    SilenceForgiven,
    /// A map holds for ever.
    MapNeverEnds,
    /// A session that was heard under yesterday's map is taken for one of today's.
    YesterdayBelieved,
    /// A symbol that a map moves is given before every other partition has taken the map.
    GivenAtOnce,
    /// A start that answers brought is believed to be of the numbers that lines bring.
    StartUnproven,
    /// A reader does not look at the words of the kill switch.
    HaltIgnored,
}

/// 0 stands for none.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// How often [`outside`] was asked.
static ASKED: AtomicU64 = AtomicU64::new(1);

/// From now on this canary is in force, or none.
pub fn choose(canary: Option<Canary>) {
    CHOSEN.store(canary.map_or(0, |canary| canary as u8 + 1), Ordering::Relaxed);
}

/// What a clock or a random seed of the machine would say: something else each time, and not the same
/// in a second run. The crates that do no IO read neither, not even to be wrong.
#[must_use]
pub fn outside() -> u64 {
    // Knuth, TAOCP 3, 6.4: neighbours lie far apart.
    ASKED.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whether this canary is in force.
#[must_use]
pub fn is(canary: Canary) -> bool {
    CHOSEN.load(Ordering::Relaxed) == canary as u8 + 1
}
