//! SIGKILL at any moment, many times: what is there is sound, and nothing acknowledged is lost.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use candor_journal::{Fields, Item, Reader, Settings, Stamp, Writer, check};

/// The folder, for the child that is to be killed.
const FOLDER: &str = "CANDOR_JOURNAL_TO_WRITE";

fn stamp(at: u64) -> Stamp {
    Stamp { wall: at, mono: at }
}

/// The child: writes as fast as it can, and says the number of each batch when that is acknowledged.
fn write_until_killed(folder: &Path) -> ! {
    let settings = Settings { file_bytes: 40_000, total_bytes: 1 << 30, ..Settings::default() };
    let (mut writer, _) = Writer::open(folder, settings, "mdh1", "2026-11-23", stamp(0)).unwrap();
    let mut out = std::io::stdout().lock();
    let mut at = 0;
    loop {
        // Batches of all sizes, lines of all lengths.
        for _ in 0..=at % 7 {
            at += 1;
            let text = "x".repeat(usize::try_from(at * 131 % 3_000).unwrap());
            writer.add(stamp(at), "test", Fields::new().number("at", at).text("text", text));
        }
        let number = writer.commit(stamp(at)).unwrap().number;
        if at % 11 == 0 {
            writer.sync().unwrap();
        }
        writeln!(out, "\nack {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_however_often_the_writer_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        write_until_killed(Path::new(&folder));
    }
    let folder = std::env::temp_dir().join(format!("candor-journal-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let rounds =
        std::env::var("CANDOR_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    let mut dice: u64 = 0x9e37_79b9_7f4a_7c15;
    let (mut seen, mut acknowledged) = (0, 0);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("nothing_acknowledged_is_lost_however_often_the_writer_is_killed")
            .env(FOLDER, &folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        let reading = std::thread::spawn(move || {
            let mut last = 0;
            for line in out.lines().map_while(Result::ok) {
                // One that was cut names no number, or none that is known.
                if let Some(number) = line.strip_prefix("ack ").and_then(|line| line.parse().ok()) {
                    last = number;
                    let _ = tell.send(());
                }
            }
            last
        });
        told.recv_timeout(Duration::from_secs(20)).expect("the child writes");
        // Any moment of the next five milliseconds.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = told.recv_timeout(Duration::from_micros(1));
        let (_never, wait) = mpsc::channel::<()>();
        let _ = wait.recv_timeout(Duration::from_micros((dice >> 33) % 5_000));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let last: u64 = reading.join().unwrap();
        let checked = check(Reader::open(&folder).unwrap()).unwrap();
        assert_eq!(checked.fault, None, "round {round}");
        let (number, _) = checked.last.unwrap();
        assert!(number >= last, "round {round}: {last} acknowledged, {number} there");
        assert!(number >= seen, "round {round}: what was there is there");
        assert_eq!((checked.first, checked.records), (1, number));
        acknowledged += last.saturating_sub(seen);
        seen = number;
    }
    let cut = Reader::open(&folder)
        .unwrap()
        .filter_map(Result::ok)
        .filter(|item| matches!(item, Item::Record(_, record) if record.kind == "cut"));
    println!(
        "shown: SIGKILL of the journal's writer: {rounds} times, {acknowledged} records acknowledged, none lost, {} records cut in the middle",
        cut.count()
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
