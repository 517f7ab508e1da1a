use super::*;
use crate::record::Digest;

/// A journal, a second between two records; the window is all of it unless said.
#[derive(Default)]
struct Told(Vec<Record>);

impl Told {
    fn add(&mut self, kind: &str, fields: Fields) -> &mut Told {
        let number = self.0.len() as u64 + 1;
        let at = number * 10 * SLACK_NS;
        let stamp = Stamp { wall: at, mono: at };
        self.0.push(Record::new(number, stamp, kind, fields, Digest::NONE).0);
        self
    }

    fn start(&mut self, configuration: &str, partitions: &[(&str, &[&str])]) -> &mut Told {
        let fields = Fields::new().text("configuration", configuration).text("binary", "b");
        self.add("start", fields);
        for (partition, symbols) in partitions {
            let own = Fields::new().text("partition", partition);
            let count = symbols.len() as u64;
            self.add("map", own.clone().number("has", count).list("lines", ["A 239.1.1.1:1"]));
            self.add("listing", own.list("symbols", symbols.iter()));
        }
        self
    }

    fn to(&mut self, partition: &str, from: &str, to: &str) -> &mut Told {
        let fields = Fields::new().text("partition", partition).text("from", from);
        self.add("partition", fields.text("to", to))
    }

    fn own(&mut self, partition: &str, symbols: &[&str], from: &str, to: &str) -> &mut Told {
        let fields = Fields::new().text("partition", partition).text("from", from);
        self.add("symbols", fields.text("to", to).list("symbols", symbols.iter()))
    }

    fn changes(&self, since: u64) -> Changes {
        let window = Window { since: since * 10 * SLACK_NS, until: u64::MAX };
        let mut changes = Changes::new(window);
        self.0.iter().for_each(|record| changes.take(record));
        changes
    }

    fn ranked(&self, since: u64) -> Vec<(String, u64, u64)> {
        shown(self.changes(since).rank(None))
    }
}

fn shown(ranking: Ranking) -> Vec<(String, u64, u64)> {
    let one = |ranked: Ranked| (ranked.what, ranked.shared, ranked.either);
    ranking.changes.into_iter().map(one).collect()
}

fn said(what: &str, shared: u64, either: u64) -> (String, u64, u64) {
    (what.to_owned(), shared, either)
}

const ONE: (&str, &[&str]) = ("V/1", &["A", "B", "C", "D"]);
const TWO: (&str, &[&str]) = ("V/2", &["E", "F"]);

#[test]
fn a_change_that_is_about_what_went_stale_stands_before_one_that_is_about_more() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "Stale(NotStarted)", LIVE).to(
        "V/2",
        "Stale(NotStarted)",
        LIVE,
    );
    let since = told.0.len() as u64 + 1;
    told.add("alert", Fields::new().text("what", "everything"));
    told.add("alert", Fields::new().text("what", "two").text("partition", "V/2"));
    told.add("alert", Fields::new().text("what", "one").text("partition", "V/1"));
    told.to("V/2", LIVE, "Stale(Gap)");
    // It heals, and that changes nothing; what comes later is no cause.
    told.to("V/2", "Stale(Gap)", LIVE);
    told.add("alert", Fields::new().text("what", "late").text("partition", "V/2"));
    assert_eq!(
        told.ranked(since),
        [
            said("partition=V/2 what=two", 2, 2),
            said("what=everything", 2, 6),
            said("partition=V/2 what=late", 0, 2),
            said("partition=V/1 what=one", 0, 6),
        ]
    );
    // Before the window nothing is asked.
    assert_eq!(told.ranked(since + 2).len(), 2);
}

#[test]
fn symbols_that_moved_with_the_map_are_found_behind_those_that_never_came_back() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    told.add("stop", Fields::new());
    let since = told.0.len() as u64 + 1;
    let moved: (&str, &[&str]) = ("V/1", &["A", "B"]);
    let more: (&str, &[&str]) = ("V/2", &["C", "D", "E", "F"]);
    told.start("other", &[moved, more]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    told.own("V/2", &["C", "D"], "new", "Stale(Unproven)");
    assert_eq!(
        told.ranked(since),
        [
            said("V/2: 2 symbols came", 2, 2),
            said("started with another configuration", 2, 8),
            said("V/1: 2 symbols went", 0, 4),
        ]
    );
    // Also where all went stale with the end of the handler before.
    let all = told.ranked(1);
    assert_eq!(all[0], said("", 8, 8), "the stop");
    assert_eq!(all[1], said("V/2: 2 symbols came", 2, 2));
    // Named in the end: nothing is stale, and nothing ranks.
    told.own("V/2", &["C", "D"], "Stale(Unproven)", LIVE);
    assert!(told.ranked(since).iter().all(|(_, shared, _)| *shared == 0));
}

#[test]
fn a_handler_that_was_killed_left_all_stale_and_one_that_begins_says_what_is_another() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    let since = told.0.len() as u64 + 1;
    told.start("c", &[ONE]).to("V/1", "-", LIVE);
    let ranking = told.changes(since).rank(None);
    let stale: Vec<(&str, &str, u64)> = ranking
        .stale
        .iter()
        .map(|stale| (stale.partition.as_str(), stale.reason.as_str(), stale.symbols))
        .collect();
    assert_eq!(stale, [("V/1", "Stale(WriterGone)", 4), ("V/2", "Stale(WriterGone)", 2)]);
    assert_eq!(
        shown(ranking),
        [said("started again, as it was", 6, 6), said("V/2 is no longer here", 2, 6)]
    );
}

#[test]
fn a_halt_is_its_own_effect() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    let since = told.0.len() as u64 + 1;
    let halt = Fields::new().text("verb", "halt").text("partition", "V/1").list("symbols", ["A"]);
    told.add("operator", halt.clone());
    told.add(
        "operator",
        Fields::new().text("verb", "resume").text("partition", "V/1").list("symbols", ["A"]),
    );
    let ranked = told.changes(since).rank(None);
    assert_eq!(ranked.stale.len(), 1);
    assert_eq!(ranked.stale[0].reason, "Stale(Halted)");
    assert_eq!((ranked.changes[0].number, ranked.changes[0].shared), (since, 1));
    assert_eq!(ranked.changes[1].shared, 0);
}

#[test]
fn what_operators_do_beside_the_handler_is_listed_and_explains_nothing() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    let since = told.0.len() as u64 + 1;
    let verb = |verb: &str| Fields::new().text("verb", verb);
    told.add("operator", verb("drill"));
    told.add("operator", verb("map accept").text("venue", "V"));
    told.add("operator", verb("map load").text("venue", "V"));
    told.to("V/1", LIVE, "Stale(Gap)").to("V/2", LIVE, "Stale(Gap)");
    assert_eq!(
        told.ranked(since),
        [
            said("venue=V verb=\"map load\"", 6, 6),
            said("venue=V verb=\"map accept\"", 0, 4),
            said("verb=drill", 0, 4),
        ]
    );
}

#[test]
fn of_one_symbol_the_narrowest_change_that_is_about_it_stands_first() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    let since = told.0.len() as u64 + 1;
    told.add("alert", Fields::new().text("what", "everything"));
    told.add("venue", Fields::new().text("what", "session").text("partition", "V/1"));
    told.add("alert", Fields::new().text("what", "two").text("partition", "V/2"));
    told.to("V/1", LIVE, "Stale(SessionChanged)");
    let changes = told.changes(since);
    let [a] = &changes.places("A")[..] else { panic!("one place") };
    assert_eq!(changes.places("V:A"), changes.places("A"));
    assert!(changes.places("W:A").is_empty() && changes.places("Z").is_empty());
    assert_eq!(
        shown(changes.rank(Some(std::slice::from_ref(a)))),
        [said("partition=V/1 what=session", 1, 4), said("what=everything", 1, 6)]
    );
}

#[test]
fn what_happened_at_other_times_takes_nothing_from_a_change_that_fits_its_own() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    let since = told.0.len() as u64 + 1;
    told.to("V/1", LIVE, "Stale(Gap)").to("V/1", "Stale(Gap)", LIVE);
    let two = Fields::new().text("what", "two").text("partition", "V/2");
    told.add("alert", two).to("V/2", LIVE, "Stale(Silent)").to("V/2", "Stale(Silent)", LIVE);
    told.add("alert", Fields::new().text("what", "all"));
    told.to("V/1", LIVE, "Stale(Late)");
    // As one: half a second later.
    told.to("V/2", LIVE, "Stale(Late)");
    let last = told.0.len() - 1;
    told.0[last].stamp.wall = told.0[last - 1].stamp.wall + SLACK_NS / 2;
    assert_eq!(told.ranked(since), [said("what=all", 6, 6), said("partition=V/2 what=two", 2, 2)]);
    // One after the other, and as one together.
    told.0[last].stamp.wall += 5 * SLACK_NS;
    assert_eq!(told.ranked(since)[0], said("what=all", 6, 6));
}

#[test]
fn a_cause_may_be_stamped_a_moment_behind_its_effect() {
    let mut told = Told::default();
    told.start("c", &[ONE]).to("V/1", "-", LIVE).to("V/1", LIVE, "Stale(Silent)");
    told.add("alert", Fields::new().text("what", "link").text("partition", "V/1"));
    let last = told.0.len() - 1;
    assert_eq!(told.ranked(last as u64)[0].1, 0, "ten seconds later is no cause");
    let effect = told.0[last - 1].stamp.wall;
    told.0[last].stamp.wall = effect + SLACK_NS;
    assert_eq!(told.ranked(last as u64)[0].1, 4);
}

#[test]
fn what_is_stale_is_no_cause_of_itself() {
    let mut told = Told::default();
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    let since = told.0.len() as u64 + 1;
    told.add("alert", Fields::new().text("what", "link").text("of_kind", "event"));
    told.to("V/1", LIVE, "Stale(Silent)");
    let symptom = Fields::new().text("what", "partition-silent").text("of_kind", SYMPTOM);
    told.add("alert", symptom.text("partition", "V/1"));
    assert_eq!(told.ranked(since), [said("of_kind=event what=link", 4, 6)]);
}

/// A venue's map as a running handler records it: so many symbols have moved from the first partition to the second.
fn taken(told: &mut Told, touched: &[&str], moved: &[&str]) -> u64 {
    let map = Fields::new().text("venue", "V").text("digest", "d2").text("before", "d1");
    told.add("map", map.list("touched", touched));
    let number = told.0.len() as u64;
    let own = Fields::new().text("venue", "V").text("of", "d2");
    let own = own.text("what", "moved").list("partition", ["V/1", "V/2"]);
    told.add("moved", own.list("symbols", moved));
    number
}

fn live(told: &mut Told) -> u64 {
    told.start("c", &[ONE, TWO]).to("V/1", "-", LIVE).to("V/2", "-", LIVE);
    told.0.len() as u64 + 1
}

#[test]
fn a_map_that_a_running_handler_takes_is_about_what_it_moved() {
    let mut told = Told::default();
    let since = live(&mut told);
    let alert = |what: &str, on: &str| Fields::new().text("what", what).text("partition", on);
    told.add("alert", alert("of one", "V/1"));
    let map = taken(&mut told, &[], &["A", "B"]);
    told.own("V/1", &["A", "B"], LIVE, "Stale(Unmapped)");
    let ranking = told.changes(since).rank(None);
    let first = &ranking.changes[0];
    assert_eq!((first.number, first.shared, first.either), (map, 2, 2), "exactly what moved");
    assert_eq!(ranking.changes[1].either, 4);
    // Also where what moved went stale where it is now.
    told.own("V/2", &["A", "B"], LIVE, "Stale(WrongPartition)");
    let ranking = told.changes(since).rank(None);
    assert_eq!((ranking.changes[0].number, ranking.changes[0].either), (map, 2));
    // Of one of them: it is about that one, and of one that stayed it is not.
    let changes = told.changes(since);
    let places = changes.places("A");
    assert_eq!(places.len(), 2, "where it was, and where it is: {places:?}");
    let ranking = changes.rank(Some(&places));
    let first = &ranking.changes[0];
    assert_eq!((first.number, first.shared, first.either), (map, 1, 1));
    let changes = told.changes(since);
    let stays = changes.places("C");
    assert!(changes.rank(Some(&stays)).changes.iter().all(|change| change.number != map));
}

#[test]
fn a_map_overlaps_with_partitions_that_it_touched_and_with_no_other() {
    let mut told = Told::default();
    let since = live(&mut told);
    let map = taken(&mut told, &["V/2"], &["A"]);
    told.to("V/2", LIVE, "Stale(Silent)");
    let ranked = told.changes(since).rank(None).changes;
    assert_eq!((ranked[0].number, ranked[0].shared, ranked[0].about), (map, 2, 3));
    let mut told = Told::default();
    let since = live(&mut told);
    taken(&mut told, &[], &["A"]);
    told.to("V/1", LIVE, "Stale(Silent)");
    assert_eq!(told.changes(since).rank(None).changes[0].shared, 1, "one of four moved");
    let mut told = Told::default();
    let since = live(&mut told);
    taken(&mut told, &[], &[]);
    told.to("V/1", LIVE, "Stale(Silent)");
    assert_eq!(told.changes(since).rank(None).changes[0].shared, 0, "it moved nothing");
}

#[test]
fn a_map_of_which_nobody_recorded_what_moved_is_about_the_venue() {
    let mut told = Told::default();
    let since = live(&mut told);
    // As versions before wrote it.
    let map = Fields::new().text("venue", "V").text("date", "2026-11-23").text("digest", "d2");
    told.add("map", map.number("number", 2).text("added", "").text("removed", ""));
    told.own("V/1", &["A", "B"], LIVE, "Stale(Unmapped)");
    let ranked = told.changes(since).rank(None).changes;
    assert_eq!((ranked[0].shared, ranked[0].about, ranked[0].either), (2, 6, 6));
}

#[test]
fn what_a_running_handler_took_is_not_new_to_the_next_start() {
    let mut told = Told::default();
    live(&mut told);
    taken(&mut told, &[], &["A", "B"]);
    // One that the map has brought, recorded while others record too.
    let own = Fields::new().text("partition", "V/3").text("of", "d2");
    told.add("map", own.clone().number("has", 1).list("lines", ["A 239.1.1.1:1"]));
    told.to("V/1", LIVE, "Stale(Gap)");
    told.add("listing", own.list("symbols", ["G"]));
    let since = told.0.len() as u64 + 1;
    let after: [(&str, &[&str]); 3] =
        [("V/1", &["C", "D"]), ("V/2", &["A", "B", "E", "F"]), ("V/3", &["G"])];
    told.start("c", &after);
    let whats = |told: &Told| -> Vec<String> {
        told.ranked(since).into_iter().map(|(what, ..)| what).collect()
    };
    assert_eq!(whats(&told), ["started again, as it was"]);
    // What another start brings is.
    told.start("c", &after[..2]);
    assert!(whats(&told).contains(&"V/3 is no longer here".to_owned()), "{:?}", whats(&told));
}
