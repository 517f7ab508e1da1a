//! The writer, against what crashes, other hands and full disks do to its files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use candor_journal::{
    Digest, Error, Fields, Found, Item, LINE_BYTES, Reader, Record, Settings, Stamp, Writer, check,
    files, seal,
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("candor-journal-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }

    fn open(&self, settings: Settings) -> (Writer, Option<Found>) {
        Writer::open(&self.0, settings, "mdh1", "2026-11-23", stamp(0)).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        let records = Reader::open(&self.0).unwrap().filter_map(|item| match item.unwrap() {
            Item::Record(_, record) => Some(record),
            _ => None,
        });
        records.collect()
    }

    fn kinds(&self) -> Vec<String> {
        self.records().into_iter().map(|record| record.kind).collect()
    }

    fn faults(&self) -> u64 {
        check(Reader::open(&self.0).unwrap()).unwrap().faults
    }

    fn files(&self) -> Vec<PathBuf> {
        files(&self.0).unwrap().into_iter().map(|(_, path, _)| path).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn stamp(at: u64) -> Stamp {
    Stamp { wall: 1_795_318_200_000_000_000 + at, mono: at }
}

fn add(writer: &mut Writer, count: u64) {
    for at in 0..count {
        writer.add(stamp(at), "test", Fields::new().number("at", at));
    }
}

fn append(path: &Path, bytes: &[u8]) {
    let mut all = fs::read(path).unwrap();
    all.extend_from_slice(bytes);
    fs::write(path, all).unwrap();
}

#[test]
fn one_chain_goes_on_over_writers_files_and_dates() {
    let folder = Folder::new("chain");
    let settings = Settings { file_bytes: 4_096, ..Settings::default() };
    let (mut writer, found) = folder.open(settings);
    assert_eq!(found, None);
    add(&mut writer, 3);
    assert_eq!(writer.commit(stamp(9)).unwrap().number, 4);
    assert!(matches!(
        Writer::open(&folder.0, settings, "mdh1", "d", stamp(0)),
        Err(Error::Busy(_))
    ));
    drop(writer);
    let (mut writer, found) = folder.open(settings);
    assert_eq!(found, None);
    for _ in 0..40 {
        add(&mut writer, 1);
        writer.commit(stamp(9)).unwrap();
    }
    writer.set_date("2026-11-24");
    add(&mut writer, 1);
    writer.commit(stamp(9)).unwrap();
    writer.sync().unwrap();
    let files = folder.files();
    assert!(files.len() >= 4, "{files:?}");
    assert!(files.last().unwrap().to_str().unwrap().ends_with("-2026-11-24.jsonl"));
    for path in &files {
        assert!(fs::metadata(path).unwrap().len() <= settings.file_bytes);
    }
    let records = folder.records();
    assert_eq!(records.iter().filter(|record| record.kind == "test").count(), 44);
    assert!((1..).zip(&records).all(|(number, record)| record.number == number));
    // The newest files alone, by their length.
    let numbers = |bytes| -> Vec<u64> {
        let items = Reader::newest(&folder.0, bytes).unwrap().map(Result::unwrap);
        let number = |item| match item {
            Item::Record(_, record) => record.number,
            other => panic!("{other:?}"),
        };
        items.map(number).collect()
    };
    let last = records.last().unwrap().number;
    assert_eq!(numbers(u64::MAX).len() as u64, last);
    assert_eq!(numbers(0), [last - 1, last], "the last file, whatever its length");
    let some = numbers(settings.file_bytes + 1_000);
    assert!(some.len() > 2 && (some.len() as u64) < last / 2);
    assert!(some.windows(2).all(|pair| pair[0] + 1 == pair[1]) && some.ends_with(&[last]));
    assert_eq!(folder.faults(), 0);
}

#[test]
fn a_record_that_was_cut_anywhere_is_taken_off_kept_and_recorded() {
    let settings = Settings::default();
    let whole = Folder::new("whole");
    let (mut writer, _) = whole.open(settings);
    add(&mut writer, 2);
    writer.commit(stamp(1)).unwrap();
    drop(writer);
    let bytes = fs::read(&whole.files()[0]).unwrap();
    let lines: Vec<usize> =
        (0..bytes.len()).filter(|at| bytes[*at] == b'\n').map(|at| at + 1).collect();
    // Around every line break, and at every seventh byte between.
    let near = |at: &usize| lines.iter().any(|end| at.abs_diff(*end) <= 1);
    for at in (1..bytes.len()).filter(|at| at % 7 == 0 || near(at)) {
        let folder = Folder::new("torn");
        drop(folder.open(settings));
        let file = folder.files()[0].clone();
        fs::write(&file, &bytes[..at]).unwrap();
        let (mut writer, found) = folder.open(settings);
        writer.commit(stamp(2)).unwrap();
        let sound = lines.iter().filter(|end| **end <= at).count();
        let start = lines.iter().copied().filter(|end| *end <= at).max().unwrap_or(0);
        let records = folder.records();
        assert_eq!(folder.faults(), 0, "{at} bytes");
        if start == at {
            assert_eq!((found, records.len()), (None, sound));
            continue;
        }
        let Some(Found::Cut { bytes: cut, kept, .. }) = found else { panic!("{found:?}") };
        assert_eq!(cut as usize, at - start);
        assert_eq!(fs::read(kept).unwrap(), &bytes[start..at], "nothing is thrown away");
        let begin = usize::from(sound == 0);
        assert_eq!(records.len(), sound + 1 + begin);
        assert_eq!(records.last().unwrap().kind, "cut");
        assert_eq!(records.last().unwrap().fields.number_of("bytes"), Some(cut));
    }
}

#[test]
fn what_a_power_loss_leaves_is_a_cut_too() {
    for tail in [&[0; 9_000][..], b"\n", b"{}\n{}\n", &[b'x'; 3 * LINE_BYTES]] {
        let folder = Folder::new("zeros");
        let (mut writer, _) = folder.open(Settings::default());
        add(&mut writer, 2);
        writer.commit(stamp(1)).unwrap();
        drop(writer);
        append(&folder.files()[0], tail);
        let (mut writer, found) = folder.open(Settings::default());
        assert!(
            matches!(found, Some(Found::Cut { bytes, .. }) if bytes == tail.len() as u64),
            "{found:?}"
        );
        writer.commit(stamp(2)).unwrap();
        assert_eq!(folder.kinds(), ["file", "test", "test", "cut"]);
        assert_eq!(folder.faults(), 0);
    }
}

#[test]
fn what_another_hand_has_changed_stays_and_is_recorded_in_a_new_file() {
    let folder = Folder::new("broken");
    let (mut writer, _) = folder.open(Settings::default());
    add(&mut writer, 4);
    writer.commit(stamp(1)).unwrap();
    drop(writer);
    let file = folder.files()[0].clone();
    let changed = fs::read_to_string(&file).unwrap().replace("\"at\":1", "\"at\":7");
    fs::write(&file, &changed).unwrap();
    let (mut writer, found) = folder.open(Settings::default());
    let Some(Found::Broken(fault)) = found else { panic!("{found:?}") };
    assert_eq!(fault.spot.line, 3);
    writer.commit(stamp(2)).unwrap();
    drop(writer);
    assert_eq!(fs::read_to_string(&file).unwrap(), changed);
    assert_eq!(folder.kinds(), ["file", "test", "test", "test", "file", "broken"]);
    let records = folder.records();
    assert_eq!(records.last().unwrap().fields.number_of("line"), Some(3));
    assert_eq!(records.last().unwrap().number, 7, "numbers go on");
    // It is found for good, in one place, and not again at every start.
    assert_eq!(folder.faults(), 1);
    assert_eq!(folder.open(Settings::default()).1, None);
    // One of a later version is none of ours to cut.
    append(&folder.files()[1], b"{\"v\":2}\n");
    let found = folder.open(Settings::default()).1;
    assert!(matches!(found, Some(Found::Broken(_))), "{found:?}");
}

#[test]
fn where_the_room_is_used_up_nothing_is_removed_and_what_is_missed_is_recorded() {
    let folder = Folder::new("full");
    let settings =
        Settings { file_bytes: 2_000, total_bytes: 10_000, waiting: 5, ..Settings::default() };
    let (mut writer, _) = folder.open(settings);
    let mut refused = 0;
    for at in 0..60 {
        add(&mut writer, 1);
        match writer.commit(stamp(at)) {
            Ok(_) => assert_eq!(refused, 0),
            Err(Error::Full { bytes, .. }) => refused += u64::from(bytes == 10_000),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 10, "{refused}");
    let missed = writer.missed();
    assert_eq!(missed, refused - 5, "five wait");
    let there = folder.kinds().iter().filter(|kind| *kind == "test").count() as u64;
    assert_eq!(there + refused, 60);
    // Somebody makes room.
    for path in &folder.files()[..3] {
        fs::remove_file(path).unwrap();
    }
    let committed = writer.commit(stamp(99)).unwrap();
    assert_eq!((committed.missed, writer.missed()), (missed, 0));
    let records = folder.records();
    let last = records.last().unwrap();
    assert_eq!((last.kind.as_str(), last.fields.number_of("records")), ("missed", Some(missed)));
    assert_eq!(folder.faults(), 0, "it begins with the first file that is left");
    assert!(records[0].number > 1);
}

#[test]
fn a_disk_that_takes_nothing_leaves_no_piece_of_a_record() {
    // A file size limit of this process stands for a full disk: a write beyond it is cut short, then
    // refused. Its signal is ignored by a child of this test alone.
    if std::env::var_os("CANDOR_JOURNAL_LIMITED").is_none() {
        let own = std::env::current_exe().unwrap();
        let script = format!(
            "trap '' XFSZ; ulimit -f 8; exec {} --exact a_disk_that_takes_nothing_leaves_no_piece_of_a_record",
            own.display()
        );
        let status = std::process::Command::new("bash")
            .args(["-c", &script])
            .env("CANDOR_JOURNAL_LIMITED", "1")
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let folder = Folder::new("limited");
    let settings = Settings { waiting: 4, ..Settings::default() };
    let (mut writer, _) = folder.open(settings);
    let mut failed = 0;
    for at in 0..60 {
        add(&mut writer, 1);
        failed += u64::from(writer.commit(stamp(at)).is_err());
        let checked = check(Reader::open(&folder.0).unwrap()).unwrap();
        assert_eq!((checked.faults, checked.unfinished), (0, 0));
    }
    assert!(failed > 10, "{failed}");
    // Another date's file has room again.
    let missed = writer.missed();
    writer.set_date("2026-11-24");
    assert_eq!(writer.commit(stamp(70)).unwrap().missed, missed);
    assert_eq!(folder.kinds().last().unwrap(), "missed");
    assert_eq!(folder.faults(), 0);
}

#[test]
fn a_file_that_somebody_removed_is_not_written_on() {
    let folder = Folder::new("removed");
    let (mut writer, _) = folder.open(Settings::default());
    add(&mut writer, 1);
    writer.commit(stamp(1)).unwrap();
    fs::remove_file(&folder.files()[0]).unwrap();
    add(&mut writer, 1);
    writer.commit(stamp(1)).unwrap();
    writer.sync().unwrap();
    add(&mut writer, 1);
    writer.commit(stamp(1)).unwrap();
    let records = folder.records();
    assert_eq!(records[0].number, 4, "what was there before is missing, and that shows");
    assert_eq!(folder.kinds(), ["file", "test"]);
}

#[test]
fn a_file_that_somebody_moved_away_is_not_written_on() {
    let folder = Folder::new("moved");
    let (mut writer, _) = folder.open(Settings::default());
    add(&mut writer, 1);
    writer.commit(stamp(1)).unwrap();
    fs::rename(&folder.files()[0], folder.0.join("away")).unwrap();
    add(&mut writer, 1);
    writer.commit(stamp(1)).unwrap();
    writer.sync().unwrap();
    add(&mut writer, 1);
    writer.commit(stamp(1)).unwrap();
    assert_eq!(folder.kinds(), ["file", "test"]);
    assert_eq!(folder.records()[0].number, 4);
}

#[test]
fn without_its_folder_it_refuses_until_that_is_back_and_what_came_waits() {
    let folder = Folder::new("folder");
    let (mut writer, _) = folder.open(Settings::default());
    add(&mut writer, 1);
    writer.commit(stamp(1)).unwrap();
    fs::remove_dir_all(&folder.0).unwrap();
    assert!(writer.sync().is_err());
    // Also with nothing to write: who asks would take it for written.
    assert!(writer.commit(stamp(2)).is_err() && writer.sync().is_err());
    add(&mut writer, 2);
    assert!(writer.commit(stamp(3)).is_err());
    fs::create_dir(&folder.0).unwrap();
    writer.commit(stamp(4)).unwrap();
    writer.sync().unwrap();
    assert_eq!(folder.kinds(), ["file", "test", "test"]);
}

#[test]
fn numbers_at_their_end_are_refused() {
    let largest = u64::MAX;
    let folder = Folder::new("files");
    drop(folder.open(Settings::default()));
    fs::write(folder.0.join(format!("{largest}-2026-11-22.jsonl")), "x\n").unwrap();
    let open = || Writer::open(&folder.0, Settings::default(), "h", "2026-11-23", stamp(0));
    let (mut writer, _) = open().unwrap();
    add(&mut writer, 1);
    // Of an earlier date, so that another file has to follow.
    writer.commit(stamp(0)).unwrap();
    writer.set_date("2026-11-24");
    add(&mut writer, 1);
    assert!(matches!(writer.commit(stamp(1)), Err(Error::Io { .. })));
    let folder = Folder::new("records");
    drop(folder.open(Settings::default()));
    let body = format!(
        "{{\"v\":1,\"n\":{largest},\"wall\":1,\"mono\":1,\"kind\":\"file\",\"fields\":{{}},\"prev\":\"{}\"",
        Digest::NONE
    );
    fs::write(&folder.files()[0], seal(&body)).unwrap();
    let again = Writer::open(&folder.0, Settings::default(), "h", "2026-11-23", stamp(0));
    assert!(matches!(again, Err(Error::Io { .. })));
}

/// Only root can make a folder another's; as anybody else this has nothing to do.
#[test]
fn a_folder_that_another_user_made_is_refused() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let folder = Folder::new("foreign");
    let open = |path: &Path| Writer::open(path, Settings::default(), "h", "d", stamp(0)).map(drop);
    open(&folder.0).unwrap();
    chown(&folder.0, Some(4_711), None).unwrap();
    let refused = open(&folder.0);
    assert!(matches!(refused, Err(Error::Foreign { user: 4_711, .. })), "{refused:?}");
    chown(&folder.0, Some(0), None).unwrap();
    let link = Folder::new("link");
    symlink(&folder.0, &link.0).unwrap();
    open(&link.0).unwrap();
    lchown(&link.0, Some(4_711), None).unwrap();
    let refused = open(&link.0);
    assert!(matches!(refused, Err(Error::Foreign { user: 4_711, .. })), "{refused:?}");
    fs::remove_file(&link.0).unwrap();
}
