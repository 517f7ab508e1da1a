//! Known-wrong variants of the product, each a fault that handlers have had, to prove that the
//! simulator's checks can fail; and that tests can, of what lies below the simulator: sockets, rings and
//! mappings. They exist in builds with `--cfg canary` alone; in every other build [`crate::canary!`] is the
//! word `false`.

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
    /// A session that handlers before this one heard under yesterday's map is taken for one of today's.
    EarlierBelieved,
    /// A symbol that a map moves is given before every other partition has taken the map.
    GivenAtOnce,
    /// A start that answers brought is believed to be of the numbers that lines bring.
    StartUnproven,
    /// A reader does not look at the words of the kill switch.
    HaltIgnored,
    /// What was held back behind a snapshot is believed though no line has gone on since that was made.
    HeldUnproven,
    /// A snapshot is not held against what the lines brought right before its number.
    ImageUnwitnessed,
    /// What was held back is believed behind a snapshot though an answer has contradicted it.
    ContradictedReplayed,
    /// An answer is taken right behind a snapshot, where nothing is known that it could agree with.
    BareAnswerTaken,
    /// Of two changes of session, one soon behind the other, the second is taken to be in order.
    ChangeUndoubted,
    /// Two sessions are as far apart as the looks at them, for a lane that stood still in between.
    LookedAtLate,
    /// What a partition says of a symbol since it moved there is taken for its whole book.
    EndBelieved,
    /// A partition that has not heard all of the date is believed to have had no symbol that it never heard of.
    UnheardBelieved,
    /// What waits for the lane behind another partition's packets is not thought of.
    BacklogIgnored,
    /// That asks far from the best have changed is not noted, so that the region is not told.
    ChangeUnnoted,
    /// Behind a restart, a line's own old packet that comes once more is taken for its first new one.
    FenceLowered,
    /// A packet that is not handed out leaves some of its frames behind.
    FrameLost,
    /// A reader counts itself in, in the region.
    ReaderWrites,
    /// Of some numbers an equal copy is said to differ.
    FalseDiffer,
    /// A gap that outlives its grace is given up at once: nobody is asked for it.
    GaveUpAtOnce,
    /// Some symbols that the map does not list are never defined.
    NeverDefined,
    /// What finds no room in a socket is tried again until it does.
    SendSpins,
}

impl Canary {
    /// What `cargo test` must be given, so that it fails with the canary in force, where the simulator has
    /// nothing of the kind: the package, the target and the test.
    #[must_use]
    pub const fn test(self) -> Option<&'static str> {
        Some(match self {
            Canary::FrameLost => {
                "-p candor-af-xdp --lib receive::tests::no_frame_is_lost_whatever_the_caller_does"
            }
            Canary::SendSpins => {
                "-p candor --lib recovery::sockets::tests::what_finds_no_room_is_given_up_at_once"
            }
            _ => return None,
        })
    }
}

/// Names the canary that is in force from the start.
pub const VARIABLE: &str = "CANDOR_CANARY";

/// 0 stands for none.
static CHOSEN: AtomicU8 = AtomicU8::new(UNSAID);

/// Nothing was chosen: [`VARIABLE`] says.
const UNSAID: u8 = u8::MAX;

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
    let chosen = match CHOSEN.load(Ordering::Relaxed) {
        UNSAID => named(),
        chosen => chosen,
    };
    chosen == canary as u8 + 1
}

#[cold]
fn named() -> u8 {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let known = Canary::ALL.into_iter().find(|one| one.name() == name);
    assert!(known.is_some() || name.is_empty(), "{VARIABLE}: there is no canary {name}");
    choose(known);
    CHOSEN.load(Ordering::Relaxed)
}
