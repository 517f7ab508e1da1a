//! The registry of alerts: what an operator can be told of, by number and name, whose it is, and what to do.
//!
//! A code's number and name are in the region, in journals and in other people's pagers: the table is append
//! only, and no number is ever given again. Each code has a section of the same name in `docs/ALERTS.md`, and
//! names what raises it: a scenario of the simulator or a test. A test fails where either is missing.

use core::fmt;

use crate::status::Reason;

/// What sort of thing an alert is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// Something happened, at a place in the code that knows what.
    Event,
    /// Partitions are stale, and nobody meant them to be.
    Symptom,
    /// Live by protocol, and unlike the venue a minute ago.
    OddWorld,
}

impl Kind {
    /// The kind's name in output and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Symptom => "symptom",
            Kind::OddWorld => "odd-world",
        }
    }
}

/// Who looks first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Owner {
    /// Switches, cables, multicast routing.
    Network,
    /// Who talks to the venue.
    VenueLiaison,
    /// Who has the desk today: maps, commands, configuration.
    Operations,
    /// The host: cores, cards, disks.
    Host,
    /// Who writes Candor.
    Engineering,
}

impl Owner {
    /// The role's name in output and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Owner::Network => "network",
            Owner::VenueLiaison => "venue-liaison",
            Owner::Operations => "operations",
            Owner::Host => "host",
            Owner::Engineering => "engineering",
        }
    }
}

/// How soon somebody has to look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Severity {
    /// When there is time.
    Notice,
    /// Now.
    Page,
}

impl Severity {
    /// The severity's name in output, JSON and the configuration.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Page => "page",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $label:literal, $kind:ident, $owner:ident,
       $severity:ident, $played:literal;)+) => {
        /// What an alert says. Numbers and names are for good: append only, never reused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[repr(u16)]
        pub enum Code { $($(#[doc = $doc])+ $name = $number,)+ }

        impl Code {
            /// Every code, by number.
            pub const ALL: [Code; [$($number),+].len()] = [$(Code::$name),+];

            /// The code's name: its heading in `docs/ALERTS.md` as well.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Code::$name => $label,)+ }
            }

            /// What sort of thing it is about.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Code::$name => Kind::$kind,)+ }
            }

            /// Who looks first.
            #[must_use]
            pub const fn owner(self) -> Owner {
                match self { $(Code::$name => Owner::$owner,)+ }
            }

            /// How soon.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)+ }
            }

            /// What raises it: `sim NAME`, a scenario of `candor-sim`; or `test FILE NAME`.
            #[must_use]
            pub const fn played(self) -> &'static str {
                match self { $(Code::$name => $played,)+ }
            }

            /// The code with this number; `None` for those of a later version.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Code> {
                match number { $($number => Some(Code::$name),)+ _ => None }
            }
        }
    };
}

codes! {
    /// Partitions that were Live are silent.
    PartitionSilent = 1, "partition-silent", Symptom, Network, Page, "sim partition-silent";
    /// Messages are missing on every line.
    PartitionGap = 2, "partition-gap", Symptom, Network, Page, "sim gap-both-lines";
    /// The handler has fallen behind the wire.
    PartitionLate = 3, "partition-late", Symptom, Host, Page, "sim overload";
    /// Lines carry different bytes under one number.
    LinesDiffer = 4, "lines-differ", Symptom, VenueLiaison, Page, "sim lines-differ";
    /// Bytes that break the venue's specification.
    PartitionQuarantined = 5, "partition-quarantined", Symptom, VenueLiaison, Page,
        "test feed/tests/veth/damage.rs a_message_in_sequence_that_nobody_can_read_leaves_nothing_of_its_partition_live";
    /// Which session is in force is not known.
    SessionUnclear = 6, "session-unclear", Symptom, VenueLiaison, Page, "sim start-beside-late-service";
    /// Books are not whole, and were.
    PartitionRecovering = 7, "partition-recovering", Symptom, VenueLiaison, Page, "sim snapshot-older-than-gap";
    /// Left, and nobody said so.
    PartitionUnsubscribed = 8, "partition-unsubscribed", Symptom, Operations, Page,
        "test engine/src/alerts/tests.rs every_reason_that_nobody_meant_has_its_code";
    /// A lane does not renew its lease.
    LaneStalled = 9, "lane-stalled", Symptom, Host, Page, "sim stop";
    /// Heartbeats come, and numbers stand still.
    FrozenNumbers = 16, "frozen-numbers", OddWorld, VenueLiaison, Page, "sim heartbeats-without-data";
    /// Books have lost their quotes.
    EmptyBooks = 17, "empty-books", OddWorld, VenueLiaison, Page, "sim zero-quotes";
    /// Multicast that no partition takes.
    UnmappedMulticast = 18, "unmapped-multicast", OddWorld, Operations, Notice,
        "test feed/tests/veth/alerts.rs multicast_that_no_partition_takes_is_one_notice";
    /// An interface was without its program, or is gone.
    Interface = 32, "interface", Event, Host, Page,
        "test feed/tests/veth/alerts.rs an_interface_that_loses_its_program_is_one_alert";
    /// Frames came to the wrong lane, or to none.
    FramesAstray = 33, "frames-astray", Event, Host, Notice,
        "test feed/tests/veth/lanes.rs frames_on_another_lanes_queue_are_counted_and_make_nothing_wrong_live";
    /// Somebody else sends to our groups and ports.
    OtherSenders = 34, "other-senders", Event, Network, Notice,
        "test feed/tests/veth/senders.rs another_sender_on_the_lines_group_is_not_followed";
    /// Packets contradict their checksums.
    DamagedPackets = 35, "damaged-packets", Event, Network, Notice,
        "test feed/tests/veth/damage.rs a_damaged_datagram_is_refused_and_counted";
    /// Packets that nothing vouches for were taken.
    UnverifiedPackets = 36, "unverified-packets", Event, Network, Notice,
        "test feed/tests/veth/damage.rs a_damaged_datagram_is_refused_and_counted";
    /// More happened than could be written down.
    LogOverflow = 37, "log-overflow", Event, Engineering, Notice,
        "test feed/src/alert/tests.rs what_finds_no_room_on_its_way_is_said";
    /// A line of a map could not be joined, or is on an interface that the handler was started without.
    LineNotJoined = 38, "line-not-joined", Event, Network, Page,
        "test feed/tests/veth/alerts.rs a_line_of_a_map_that_can_not_be_joined_is_one_alert_and_the_partition_goes_on";
    /// No map is in force for the date under way.
    NoMap = 39, "no-map", Event, Operations, Page,
        "test feed/tests/veth/maps.rs without_a_map_of_the_day_nothing_is_live_until_there_is_one";
    /// A map came in force that can't be followed.
    MapRefused = 40, "map-refused", Event, Operations, Page,
        "test feed/tests/recovery/morning.rs a_map_that_can_not_be_followed_is_refused_until_the_one_that_is_here_is_in_force_again";
    /// The journal is not written.
    Journal = 41, "journal", Event, Host, Page,
        "test feed/src/journal/thread.rs a_journal_that_cannot_be_opened_keeps_nobody_and_misses_nothing_that_can_wait";
    /// The journal is not as it was written.
    JournalBroken = 42, "journal-broken", Event, Operations, Notice,
        "test feed/src/journal/thread.rs a_journal_that_somebody_has_changed_is_an_alert_and_goes_on_in_a_new_file";
    /// The command that passes alerts on can't be run.
    AlertCommand = 43, "alert-command", Event, Operations, Notice,
        "test feed/src/alert/tests.rs a_command_that_fails_is_said_once_and_never_by_itself";
    /// More alerts at once than there is room for.
    AlertsOverflow = 44, "alerts-overflow", Event, Engineering, Page,
        "test engine/src/alerts/tests.rs what_finds_no_room_is_counted_and_said";
    /// Half of the slack of a milestone of the morning is gone.
    MilestoneLate = 45, "milestone-late", Event, Operations, Notice,
        "test feed/src/morning/tests.rs milestones_that_are_late_are_one_alert_of_their_venue";
    /// A milestone of the morning is missed.
    MilestoneMissed = 46, "milestone-missed", Event, Operations, Page,
        "test feed/tests/recovery/morning.rs a_partition_that_is_never_heard_makes_its_milestone_missed_and_that_is_an_alert_once";
    /// Preopen does not say go.
    PreopenNoGo = 47, "preopen-no-go", Event, Operations, Page,
        "test feed/tests/recovery/morning.rs a_handler_asks_for_preopen_by_itself_when_it_is_due";
    /// What runs is not what was signed for.
    NotAttested = 48, "not-attested", Event, Operations, Page,
        "test feed/tests/attest/handler.rs a_running_handler_is_not_attested_by_a_changed_byte_and_heals_without_a_restart";
    /// What is known of a venue's calendar ends soon, or has ended.
    CalendarEnds = 49, "calendar-ends", Event, Operations, Notice,
        "test feed/src/morning/tests.rs a_calendar_that_ends_in_sixty_days_is_an_alert_every_morning_until_it_is_renewed";
    /// It can't be written down which sessions are followed.
    SessionsUnwritten = 50, "sessions-unwritten", Event, Host, Page,
        "test feed/tests/recovery/join.rs a_record_of_sessions_that_can_not_be_written_is_an_alert_until_it_can";
}

impl Code {
    /// The code's number in the region and in journals.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code of this name.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.label() == label)
    }

    /// What partitions show that are stale for this reason and should not be; `None` for reasons that somebody
    /// means: an operator, a map, the venue.
    #[must_use]
    pub const fn of_reason(reason: Reason) -> Option<Code> {
        Some(match reason {
            Reason::WriterGone => Code::LaneStalled,
            Reason::Unsubscribed => Code::PartitionUnsubscribed,
            Reason::Silent => Code::PartitionSilent,
            Reason::Gap => Code::PartitionGap,
            Reason::Recovering => Code::PartitionRecovering,
            Reason::SessionChanged => Code::SessionUnclear,
            Reason::LinesDiffer => Code::LinesDiffer,
            Reason::Late => Code::PartitionLate,
            Reason::Quarantined => Code::PartitionQuarantined,
            _ => return None,
        })
    }

    /// Whether an event is over by itself, a while after it happened last: nobody says that it is.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Code::FramesAstray
                | Code::OtherSenders
                | Code::DamagedPackets
                | Code::UnverifiedPackets
                | Code::LogOverflow
                | Code::LineNotJoined
                | Code::JournalBroken
                | Code::UnmappedMulticast
                | Code::AlertsOverflow
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_as_they_always_were() {
        let numbers: std::vec::Vec<u16> = Code::ALL.iter().map(|code| code.number()).collect();
        // Append, and change nothing that is here.
        assert_eq!(
            numbers,
            [
                1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
                43, 44, 45, 46, 47, 48, 49, 50
            ]
        );
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert_eq!(Code::from_label(code.label()), Some(code));
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(code.label().bytes().all(kebab) && code.label().len() <= 24, "{code}");
        }
        assert_eq!(Code::from_number(0), None);
    }

    #[test]
    fn what_somebody_means_is_no_symptom() {
        for reason in Reason::ALL {
            let code = Code::of_reason(reason);
            assert!(code.is_none_or(|code| code.kind() == Kind::Symptom), "{reason}");
        }
        for meant in [Reason::Halted, Reason::NoMap, Reason::Ended, Reason::NotStarted] {
            assert_eq!(Code::of_reason(meant), None);
        }
    }
}
