//! What partitions have in common, and which of it is named.

use core::fmt;

use candor_core::Line;
use candor_core::alert::Code;

/// Somewhere that trouble can be. Numbers other than a partition's are whatever the caller counts by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Place {
    /// One line of a partition.
    Line(u16, Line),
    /// A partition.
    Partition(u16),
    /// A multicast group.
    Group(u16),
    /// A sender of lines.
    Source(u16),
    /// An interface.
    Interface(u16),
    /// A lane.
    Lane(u16),
    /// A venue.
    Venue(u16),
    /// All of the handler.
    Handler,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(partition, line) => write!(f, "P{} line {line}", partition + 1),
            Place::Partition(partition) => write!(f, "P{}", partition + 1),
            Place::Group(number) => write!(f, "group {number}"),
            Place::Source(number) => write!(f, "source {number}"),
            Place::Interface(number) => write!(f, "interface {number}"),
            Place::Lane(number) => write!(f, "lane {number}"),
            Place::Venue(number) => write!(f, "venue {number}"),
            Place::Handler => write!(f, "the handler"),
        }
    }
}

/// Places of a partition at most: its venue, its lane, and of each line interface, group and source.
const AT: usize = 2 + 3 * candor_core::limits::LINES;

/// Places compared where several causes have struck at once.
const COMPARED: usize = 64;

/// Further places that fit as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Places([Option<Place>; 3]);

impl Places {
    /// None.
    pub const NONE: Places = Places([None; 3]);

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// Where a partition is.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    number: u16,
    places: [Option<Place>; AT],
}

impl Seat {
    /// At these places; each counts once. Beyond eleven there can't be more.
    #[must_use]
    pub fn new(places: impl IntoIterator<Item = Place>) -> Seat {
        let mut seat = Seat { number: 0, places: [None; AT] };
        for place in places {
            if !seat.places.contains(&Some(place))
                && let Some(free) = seat.places.iter_mut().find(|it| it.is_none())
            {
                *free = Some(place);
            }
        }
        seat
    }

    /// Where it is, but for itself and the handler.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.places.iter().flatten().copied()
    }

    /// Whether trouble there may be this partition's.
    pub(super) fn is_at(&self, place: Place) -> bool {
        match place {
            Place::Handler => true,
            Place::Partition(number) | Place::Line(number, _) => number == self.number,
            other => self.places.contains(&Some(other)),
        }
    }

    /// Whether trouble there leaves it nothing: all of its lines are there.
    pub(super) fn is_wholly_at(&self, place: Place) -> bool {
        let kind = core::mem::discriminant(&place);
        let same = self.places().filter(|own| core::mem::discriminant(own) == kind).count();
        !matches!(place, Place::Line(..)) && self.is_at(place) && same <= 1
    }
}

/// Numbers them.
pub(super) fn number(seats: &mut [Seat]) {
    for (number, seat) in (0u16..).zip(seats) {
        seat.number = number;
    }
}

/// How many of them are so.
pub(super) fn members(seats: &[Seat], is: impl Fn(&Seat) -> bool) -> u16 {
    // At most as many as there are partitions.
    seats.iter().filter(|seat| is(seat)).count() as u16
}

/// Whether two symptoms may have one cause: packets that don't come, or not in time, or not looked at; else only
/// the same.
pub(super) fn same_group(one: Code, other: Code) -> bool {
    let unheard = |code| {
        matches!(
            code,
            Code::PartitionSilent
                | Code::PartitionGap
                | Code::PartitionLate
                | Code::PartitionRecovering
                | Code::LaneStalled
        )
    };
    one == other || (unheard(one) && unheard(other))
}

/// Something in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    pub(super) place: Place,
    pub(super) also: Places,
    pub(super) of: u16,
}

/// Which of several places that fit as well is named: the likelier cause of such a symptom.
fn order(code: Code, place: Place) -> u8 {
    let ours = matches!(code, Code::LaneStalled | Code::PartitionLate);
    match place {
        Place::Line(..) | Place::Partition(_) => 0,
        Place::Lane(_) if ours => 1,
        Place::Venue(_) => 2,
        Place::Interface(_) => 3,
        Place::Lane(_) => 4,
        Place::Source(_) => 5,
        Place::Group(_) => 6,
        Place::Handler => 7,
    }
}

/// The narrowest place that all of `set` are at; `counts` says which partitions could be struck at all.
pub(super) fn common(
    seats: &[Seat],
    set: &[u16],
    counts: impl Fn(usize) -> bool,
    code: Code,
) -> Common {
    let Some((first, rest)) = set.split_first() else {
        return Common { place: Place::Handler, also: Places::NONE, of: 0 };
    };
    if rest.is_empty() {
        return Common { place: Place::Partition(*first), also: Places::NONE, of: 1 };
    }
    let of = |place: Place| {
        let there = seats.iter().enumerate().filter(|(at, seat)| counts(*at) && seat.is_at(place));
        (there.count() as u16).max(set.len() as u16)
    };
    let all = |place: &Place| rest.iter().all(|at| seats[usize::from(*at)].is_at(*place));
    let own = seats[usize::from(*first)].places().filter(all);
    let mut fits: [Option<(u16, u8, Place)>; AT + 1] = [None; AT + 1];
    for (slot, place) in fits.iter_mut().zip(own.chain([Place::Handler])) {
        *slot = Some((of(place), order(code, place), place));
    }
    let best = fits.iter().flatten().min().copied();
    let (least, _, place) = best.unwrap_or((of(Place::Handler), 0, Place::Handler));
    let mut also = Places::NONE;
    if usize::from(least) == set.len() {
        let equal = fits.iter().flatten().filter(|(of, _, other)| *of == least && *other != place);
        for (slot, (.., other)) in also.0.iter_mut().zip(equal) {
            *slot = Some(*other);
        }
    }
    Common { place, also, of: least }
}

/// As [`common`] where all of `set` have something in common, short of everything. Else the largest part of it that
/// is all of some place is one cause, and `set` becomes that; without such a part it stays one thing that has
/// struck here and there.
pub(super) fn first(
    seats: &[Seat],
    set: &mut Vec<u16>,
    counts: impl Fn(usize) -> bool,
    code: Code,
) -> Common {
    let whole = common(seats, set, &counts, code);
    if whole.place != Place::Handler || usize::from(whole.of) == set.len() {
        return whole;
    }
    let mut compared: [Option<Place>; COMPARED] = [None; COMPARED];
    for place in set.iter().flat_map(|at| seats[usize::from(*at)].places()) {
        if compared.contains(&Some(place)) {
            continue;
        }
        let Some(free) = compared.iter_mut().find(|it| it.is_none()) else { break };
        *free = Some(place);
    }
    let part = |place: Place| {
        let there = seats.iter().enumerate().filter(|(at, seat)| counts(*at) && seat.is_at(place));
        let there = there.count();
        let struck = set.iter().filter(|at| seats[usize::from(**at)].is_at(place)).count();
        (struck == there && struck > 1).then_some((
            struck,
            core::cmp::Reverse(order(code, place)),
            place,
        ))
    };
    let largest = compared.iter().flatten().filter_map(|place| part(*place)).max();
    let Some((_, _, place)) = largest else { return whole };
    set.retain(|at| seats[usize::from(*at)].is_at(place));
    common(seats, set, counts, code)
}
