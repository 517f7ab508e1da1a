//! The two protocols under loom: every interleaving and every value a weak memory may show, within
//! a bound on preemptions. Run with `RUSTFLAGS="--cfg loom" cargo test -p candor-shm --lib --release`.

use loom::sync::Arc;
use loom::thread;

use crate::atomic::{AtomicU64, Ordering};
use crate::layout::RingRecord;
use crate::ring::{self, PAYLOAD, Taken};
use crate::seqlock;
use crate::switch;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

struct Slot {
    word: AtomicU64,
    lock: AtomicU64,
    data: [AtomicU64; 2],
}

impl Slot {
    fn new() -> Arc<Slot> {
        let zero = || AtomicU64::new(0);
        Arc::new(Slot { word: zero(), lock: zero(), data: [zero(), zero()] })
    }

    fn write(&self, value: u64) {
        seqlock::write(&self.lock, || {
            for word in &self.data {
                word.store(value, Ordering::Relaxed);
            }
        });
    }

    fn copy(&self) -> [u64; 2] {
        [self.data[0].load(Ordering::Relaxed), self.data[1].load(Ordering::Relaxed)]
    }
}

#[test]
fn a_slot_is_never_torn() {
    check(|| {
        let slot = Slot::new();
        let writer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.write(1);
                slot.write(2);
            })
        };
        if let Some(([a, b], number)) = seqlock::read(&slot.lock, || slot.copy()) {
            assert_eq!(a, b, "torn");
            assert_eq!(number, a * 2, "the number is the copy's own");
        }
        writer.join().unwrap();
    });
}

/// A write that stores a part of the words leaves the others to the writes before it: a copy has each word of the newest
/// write that stored it, up to the one whose number it has.
#[test]
fn a_write_of_a_part_is_one_with_what_was_there() {
    check(|| {
        let slot = Slot::new();
        let writer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.write(1);
                seqlock::write(&slot.lock, || slot.data[0].store(2, Ordering::Relaxed));
                seqlock::write(&slot.lock, || slot.data[1].store(3, Ordering::Relaxed));
            })
        };
        if let Some((copy, number)) = seqlock::read(&slot.lock, || slot.copy()) {
            let expected = [[0, 0], [1, 1], [2, 1], [2, 3]];
            assert_eq!(copy, expected[number as usize / 2], "of two writes");
        }
        writer.join().unwrap();
    });
}

/// The word goes live (even) → stale (odd) → live; a wrong value is in the slot only while stale.
#[test]
fn what_was_written_while_stale_is_never_read_as_live() {
    const WRONG: u64 = 7;
    check(|| {
        let slot = Slot::new();
        let writer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                slot.word.store(1, Ordering::Release);
                slot.write(WRONG);
                slot.write(3);
                slot.word.store(2, Ordering::Release);
            })
        };
        let read = seqlock::read_under(&slot.word, &slot.lock, || slot.copy());
        if let Some(([a, b], word)) = read {
            assert_eq!(a, b, "torn");
            assert!(word % 2 == 1 || a != WRONG, "wrong and live");
            assert!(word != 2 || a == 3, "older than the word");
        }
        writer.join().unwrap();
    });
}

fn payload(number: u64) -> [u64; PAYLOAD] {
    [number * 10; PAYLOAD]
}

#[test]
fn a_follower_sees_each_record_whole_once_and_in_order_or_is_told() {
    const WRITTEN: u64 = 3;
    check(|| {
        let records: Arc<[RingRecord; 2]> = Arc::new(std::array::from_fn(|_| RingRecord {
            sequence: AtomicU64::new(0),
            payload: std::array::from_fn(|_| AtomicU64::new(0)),
        }));
        let head = Arc::new(AtomicU64::new(0));
        let writer = {
            let (records, head) = (Arc::clone(&records), Arc::clone(&head));
            thread::spawn(move || {
                for number in 1..=WRITTEN {
                    ring::push(&records[..], &head, number, &payload(number));
                }
            })
        };
        let mut next = 1;
        for _ in 0..3 {
            match ring::take(&records[..], next) {
                Taken::Record(found) => {
                    assert_eq!(found, payload(next), "torn, or another record's");
                    next += 1;
                }
                Taken::NotYet => thread::yield_now(),
                Taken::Overwritten => {
                    let resume = ring::resume(&records[..], &head, next);
                    assert!(resume > next, "a lapped reader moves on");
                    assert!(resume <= WRITTEN, "and not beyond what was written");
                    next = resume;
                }
            }
        }
        writer.join().unwrap();
        // At rest the follower reaches the end without losing its way.
        // BOUND: two records are left at most.
        while next <= WRITTEN {
            match ring::take(&records[..], next) {
                Taken::Record(found) => assert_eq!(found, payload(next)),
                Taken::NotYet => panic!("written, and not found"),
                Taken::Overwritten => assert!(next + 2 <= WRITTEN),
            }
            next += 1;
        }
    });
}

/// A region is replaced while somebody halts it: the one that takes its place is halted too, and a word
/// that two set is set once.
#[test]
fn a_halt_is_not_lost_between_two_regions() {
    check(|| {
        let words = Arc::new([AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)]);
        let replaces = |[old, new, place]: &[AtomicU64; 3]| {
            let carry = || {
                let since = old.load(Ordering::Acquire);
                if since != 0 {
                    switch::set(new, since);
                }
            };
            carry();
            place.store(1, Ordering::Release);
            switch::before_looking_back();
            carry();
        };
        let halts = |[old, new, place]: &[AtomicU64; 3]| {
            assert!(switch::set(old, 7));
            if place.load(Ordering::Acquire) == 1 {
                switch::set(new, 7);
            }
        };
        let handler = {
            let words = Arc::clone(&words);
            thread::spawn(move || replaces(&words))
        };
        halts(&words);
        handler.join().unwrap();
        assert_eq!(words[1].load(Ordering::Acquire), 7);
        assert!(!switch::set(&words[1], 9) && switch::clear(&words[1]));
    });
}

/// Somebody halts again while another ends the halt: the word is set when both are done.
#[test]
fn a_halt_is_not_lost_to_a_resume() {
    check(|| {
        let word = Arc::new(AtomicU64::new(7));
        let read = word.load(Ordering::Acquire);
        let resumes = {
            let word = Arc::clone(&word);
            thread::spawn(move || switch::clear_only(&word, read))
        };
        let new = switch::halt(&word, 9);
        let resumed = resumes.join().unwrap();
        assert_eq!(new, resumed, "of the two one finds the other");
        assert_eq!(word.load(Ordering::Acquire), if resumed { 9 } else { 8 });
    });
}

/// Two lanes define one name at once: at least one of them sees the other's.
#[test]
fn of_two_who_define_one_name_at_least_one_sees_the_other() {
    check(|| {
        let names = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let define = |own: usize, names: &[AtomicU64; 2]| {
            names[own].store(1, Ordering::Release);
            crate::atomic::fence(Ordering::SeqCst);
            names[1 - own].load(Ordering::Acquire) == 1
        };
        let other = {
            let names = Arc::clone(&names);
            thread::spawn(move || define(1, &names))
        };
        let first = define(0, &names);
        let second = other.join().unwrap();
        assert!(first || second);
    });
}
