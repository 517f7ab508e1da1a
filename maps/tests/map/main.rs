//! Maps as files: what is refused and in which words, what is written and read again, where symbols are
//! put, and what differs.

mod differences;
mod placement;
mod published;
mod refusals;
mod round_trip;
mod scenarios;
mod support;
