//! Target `journal`: what lies in a journal's files, to its reader and to what is made of its records. The
//! first byte says how the rest is taken: as it is, cut into files at form feeds; or each line as the body of a
//! record, which is sealed here, so that no digest keeps the fuzzer out. In a body `@` stands for the digest of
//! the line before.

use std::path::PathBuf;

use candor_journal::chain::Chain;
use candor_journal::changes::{Changes, Window};
use candor_journal::{Digest, Extent, Filter, Item, Place, Reader, Record, seal};

/// Bodies of a small day, with the digest left open.
pub const BODIES: &str = r#"{"v":1,"n":1,"wall":1000,"mono":1,"kind":"file","fields":{"date":"2026-11-23","handler":"h"},"prev":"@"
{"v":1,"n":2,"wall":1001,"mono":2,"kind":"start","fields":{"binary":"b","configuration":"c"},"prev":"@"
{"v":1,"n":3,"wall":1002,"mono":3,"kind":"map","fields":{"has":2,"lines":["A 239.1.1.1:1"],"partition":"V/1"},"prev":"@"
{"v":1,"n":4,"wall":1003,"mono":4,"kind":"listing","fields":{"partition":"V/1","symbols":["A","B"]},"prev":"@"
{"v":1,"n":5,"wall":1004,"mono":5,"kind":"handler","fields":{"to":"Live"},"prev":"@"
{"v":1,"n":6,"wall":1005,"mono":6,"kind":"partition","fields":{"from":"Stale(NotStarted)","has":2,"partition":"V/1","to":"Live"},"prev":"@"
{"v":1,"n":7,"wall":1006,"mono":7,"kind":"symbols","fields":{"from":"Live","partition":"V/1","symbols":["A"],"to":"Stale(SymbolQuarantined)"},"prev":"@"
{"v":1,"n":8,"wall":1007,"mono":8,"kind":"operator","fields":{"partition":"V/1","symbols":["A"],"target":"V:A","verb":"halt"},"prev":"@"
{"v":1,"n":9,"wall":1008,"mono":9,"kind":"alert","fields":{"over":false,"text":"x\u000ay","venue":"V"},"prev":"@"
{"v":1,"n":10,"wall":1009,"mono":10,"kind":"partition","fields":{"from":"Live","partition":"V/1","to":"Stale(Gap)"},"prev":"@"
{"v":1,"n":11,"wall":1010,"mono":11,"kind":"start","fields":{"binary":"b","configuration":"d"},"prev":"@"
{"v":1,"n":12,"wall":1011,"mono":12,"kind":"map","fields":{"has":1,"lines":["A 239.1.1.1:1"],"partition":"V/2"},"prev":"@"
{"v":1,"n":13,"wall":1012,"mono":13,"kind":"stop","fields":{"why":"told to"},"prev":"@"
"#;

/// The same day as it lies in a file.
#[must_use]
pub fn file() -> Vec<u8> {
    sealed(BODIES.as_bytes())
}

fn sealed(bodies: &[u8]) -> Vec<u8> {
    let mut before = Digest::NONE;
    let mut text = String::new();
    for body in String::from_utf8_lossy(bodies).lines() {
        let body = body.replace('@', &before.to_string());
        before = Digest::of(body.as_bytes());
        text += &seal(&body);
    }
    text.into_bytes()
}

/// What must hold for any bytes.
pub fn check(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let all = if choice & 1 == 0 { rest.to_vec() } else { sealed(rest) };
    let files: Vec<Vec<u8>> = all.split(|byte| *byte == 0x0c).map(<[u8]>::to_vec).collect();
    let items = read(&files);
    let records: Vec<Record> = items
        .into_iter()
        .filter_map(|item| match item {
            Item::Record(spot, record) => {
                stands_there(&files, &spot.file, spot.line, &record);
                Some(record)
            }
            Item::Broken(_) => None,
            Item::Unfinished { bytes, .. } => {
                assert!(bytes > 0);
                None
            }
        })
        .collect();
    if let [one] = &files[..] {
        // Wherever a file is cut, what was there before is there.
        let cut = one.len() * usize::from(*choice) / 256;
        let left = read(&[one[..cut].to_vec()]);
        let left = left.into_iter().filter_map(|item| match item {
            Item::Record(_, record) => Some(record),
            _ => None,
        });
        left.zip(&records).for_each(|(left, record)| assert_eq!(left, *record));
    }
    made_of(&records, u64::from(*choice));
}

fn read(files: &[Vec<u8>]) -> Vec<Item> {
    let named = files.iter().enumerate();
    let named = named.map(|(at, bytes)| (PathBuf::from(at.to_string()), bytes.clone()));
    Reader::bytes(named).map(|item| item.expect("memory can be read")).collect()
}

/// A record is a line of its file, byte by byte, and its digest is that of the line.
fn stands_there(files: &[Vec<u8>], file: &std::path::Path, line: u64, record: &Record) {
    let at: usize = file.to_str().and_then(|name| name.parse().ok()).expect("its number");
    let nth = usize::try_from(line).expect("small") - 1;
    let text = files[at].split(|byte| *byte == b'\n').nth(nth).expect("a line");
    assert_eq!(record.line().as_bytes(), [text, b"\n"].concat());
    assert_eq!(Record::parse(text).as_ref(), Ok(record));
}

/// What is made of records never panics, and its numbers agree.
fn made_of(records: &[Record], choice: u64) {
    let since = 1_000 + choice / 16;
    let place = Place { partition: "V/1".to_owned(), symbol: "A".to_owned() };
    let filter = Filter { since: Some(since), symbol: Some("V:A".to_owned()), ..Filter::default() };
    for only in [None, Some(std::slice::from_ref(&place))] {
        let mut changes = Changes::new(Window { since, until: u64::MAX - choice });
        let mut chain = Chain::new(place.clone());
        for record in records {
            changes.take(record);
            chain.take(record);
            if filter.takes(record) {
                assert!(record.stamp.wall >= since);
                assert!(record.fields.names_of("symbols").any(|name| name == "A" || name == "V:A"));
            }
            let _ = (Extent::of(record).covers(&place), record.fields.to_string());
        }
        let behind = chain.behind();
        assert!(behind.records.iter().all(|record| Extent::of(record).covers(&place)));
        assert!(changes.places("V:A").iter().all(|place| place.symbol.ends_with('A')));
        let ranking = changes.rank(only);
        for pair in ranking.changes.windows(2) {
            let parts = |at: usize, by: usize| {
                u128::from(pair[at].shared) * u128::from(pair[by].either.max(1))
            };
            assert!(parts(0, 1) >= parts(1, 0), "the larger overlap stands first");
        }
        for change in &ranking.changes {
            assert!(change.shared <= change.about && change.about <= change.either);
            assert!(change.stamp.wall >= since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_a_whole_chain() {
        let items = read(&[file()]);
        assert_eq!(items.len(), BODIES.lines().count());
        assert!(items.iter().all(|item| matches!(item, Item::Record(..))), "{items:?}");
    }
}
