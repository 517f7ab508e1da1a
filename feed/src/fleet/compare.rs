//! Who differs from the rest, and in what: pure.

use std::collections::BTreeMap;

use super::ask::{Asked, Map, Said};

/// Digits of a digest in a sentence.
const DIGITS: usize = 12;

/// What a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// These hosts have another than more than half of all.
    Differs,
    /// There are several, and none of them is what more than half of the hosts have: nobody can say who is wrong.
    Tie,
    /// This host could not be asked.
    Unasked,
}

impl Kind {
    /// As it is shown.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Differs => "differs",
            Kind::Tie => "tie",
            Kind::Unasked => "not asked",
        }
    }
}

/// Something that is not the same everywhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What kind of finding.
    pub kind: Kind,
    /// In what: `binary`, `map of XNAS`.
    pub what: String,
    /// Whom it is about.
    pub hosts: Vec<String>,
    /// In words.
    pub words: String,
}

/// A value as it is compared, and as it is said.
type Value = (String, String);

/// Compares all that answered; those that did not are named.
#[must_use]
pub fn compare(asked: &[Asked]) -> Vec<Finding> {
    let unasked = |asked: &Asked| {
        let why = asked.said.as_ref().err()?;
        Some(Finding {
            kind: Kind::Unasked,
            what: "answer".to_owned(),
            hosts: vec![asked.name.clone()],
            // One line, as a table has it.
            words: format!("{} could not be asked: {}", asked.name, why.replace("\n  ", ": ")),
        })
    };
    let mut findings: Vec<Finding> = asked.iter().filter_map(unasked).collect();
    let all: Vec<(&Asked, &Said)> =
        asked.iter().filter_map(|one| Some((one, one.said.as_ref().ok()?))).collect();
    let mut weigh = |what: &str, value: &dyn Fn(&Asked, &Said) -> Option<Value>| {
        let values = all.iter().filter_map(|(host, said)| Some((&*host.name, value(host, said)?)));
        findings.extend(weighed(what, values.collect()));
    };
    weigh("binary", &|_, said| Some(digest(said.binary.as_deref())));
    weigh("layout", &|_, said| Some(digest(said.layout.as_deref())));
    let mut roles: Vec<&str> = all.iter().filter_map(|(host, _)| host.role.as_deref()).collect();
    roles.sort_unstable();
    roles.dedup();
    for role in roles {
        weigh(&format!("configuration of {role}"), &|host, said| {
            (host.role.as_deref() == Some(role)).then(|| digest(said.configuration.as_deref()))
        });
    }
    let mut venues: Vec<&String> = all.iter().flat_map(|(_, said)| said.maps.keys()).collect();
    venues.sort_unstable();
    venues.dedup();
    for venue in venues {
        weigh(&format!("map of {venue}"), &|_, said| said.maps.get(venue).map(map));
    }
    let plain = |text: &String| Some((text.clone(), text.clone()));
    weigh("mode", &|_, said| plain(&said.mode));
    weigh("attested", &|_, said| plain(&said.attested));
    weigh("status", &|_, said| plain(&said.status));
    findings
}

/// Every value that is not the majority's; or that there is no majority.
fn weighed(what: &str, values: Vec<(&str, Value)>) -> Vec<Finding> {
    let total = values.len();
    let mut by_value: BTreeMap<Value, Vec<String>> = BTreeMap::new();
    for (host, value) in values {
        by_value.entry(value).or_default().push(host.to_owned());
    }
    if by_value.len() < 2 {
        return Vec::new();
    }
    let what = what.to_owned();
    // More than half of all, so that no host that comes or goes turns it round unseen.
    let Some((usual, many)) = by_value.iter().find(|(_, hosts)| hosts.len() * 2 > total) else {
        let sides =
            by_value.iter().map(|((_, said), hosts)| format!("{said} on {}", hosts.join(" ")));
        let sides: Vec<String> = sides.collect();
        let words = format!(
            "{what}: a tie, no value is on more than half of {total} hosts: {}",
            sides.join("; ")
        );
        return vec![Finding {
            kind: Kind::Tie,
            what,
            hosts: by_value.into_values().flatten().collect(),
            words,
        }];
    };
    let others = by_value.iter().filter(|(value, _)| *value != usual);
    let finding = |((_, found), hosts): (&Value, &Vec<String>)| Finding {
        kind: Kind::Differs,
        what: what.clone(),
        hosts: hosts.clone(),
        words: format!(
            "{}: {what} is {found}, and {} of {total} hosts have {}",
            hosts.join(" "),
            many.len(),
            usual.1
        ),
    };
    others.map(finding).collect()
}

fn short(digest: &str) -> String {
    digest.chars().take(DIGITS).collect()
}

fn digest(digest: Option<&str>) -> Value {
    let said = digest.map_or_else(|| "not known".to_owned(), short);
    (digest.unwrap_or_default().to_owned(), said)
}

fn map(map: &Map) -> Value {
    let whole = format!("{:?} {:?}", map.date, map.digest);
    let said = match (&map.date, &map.digest) {
        (None, _) => "none in force".to_owned(),
        (Some(date), None) => format!("the configuration's for {date}"),
        (Some(date), Some(digest)) => format!("{} for {date}", short(digest)),
    };
    (whole, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u32, change: impl FnOnce(&mut Said)) -> Asked {
        let map = Map { date: Some("2026-11-23".to_owned()), digest: Some("d".repeat(64)) };
        let mut said = Said {
            status: "Live".to_owned(),
            attested: "yes".to_owned(),
            mode: "native copy".to_owned(),
            binary: Some("b".repeat(64)),
            configuration: Some("c".repeat(64)),
            layout: Some("a".repeat(16)),
            maps: BTreeMap::from([("XNAS".to_owned(), map)]),
        };
        change(&mut said);
        let role = Some("equities".to_owned());
        Asked { name: format!("mdh{number}"), role, age: None, said: Ok(said) }
    }

    fn words(hosts: &[Asked]) -> Vec<String> {
        compare(hosts).into_iter().map(|finding| finding.words).collect()
    }

    #[test]
    fn hosts_that_are_the_same_are_not_spoken_of() {
        let hosts: Vec<Asked> = (1..=8).map(|number| host(number, |_| {})).collect();
        assert_eq!(words(&hosts), [""; 0]);
        assert_eq!(words(&hosts[..1]), [""; 0]);
        assert_eq!(words(&[]), [""; 0]);
    }

    #[test]
    fn each_thing_in_which_one_differs_is_named() {
        let other = |change: fn(&mut Said)| {
            let mut hosts: Vec<Asked> = (1..=7).map(|number| host(number, |_| {})).collect();
            hosts.push(host(8, change));
            let found = compare(&hosts);
            let [finding] = &found[..] else { panic!("{found:?}") };
            assert_eq!(
                (finding.kind, &finding.hosts[..]),
                (Kind::Differs, &["mdh8".to_owned()][..])
            );
            finding.words.clone()
        };
        for (said, words) in [
            (
                other(|said| said.binary = Some("e".repeat(64))),
                "mdh8: binary is eeeeeeeeeeee, and 7 of 8 hosts have bbbbbbbbbbbb",
            ),
            (other(|said| said.binary = None), "mdh8: binary is not known"),
            (other(|said| said.layout = Some("f".repeat(16))), "mdh8: layout is ffffffffffff"),
            (
                other(|said| said.configuration = Some("e".repeat(64))),
                "mdh8: configuration of equities is ee",
            ),
            (
                other(|said| said.mode = "udp".to_owned()),
                "mdh8: mode is udp, and 7 of 8 hosts have native copy",
            ),
            (other(|said| said.attested = "no".to_owned()), "mdh8: attested is no"),
            (
                other(|said| said.status = "Stale(Halted)".to_owned()),
                "mdh8: status is Stale(Halted), and",
            ),
            (
                other(|said| said.maps.get_mut("XNAS").unwrap().digest = Some("e".repeat(64))),
                "mdh8: map of XNAS is eeeeeeeeeeee for 2026-11-23, and 7 of 8 hosts have dddddddddddd for 2026-11-23",
            ),
            (
                other(|said| {
                    said.maps.get_mut("XNAS").unwrap().date = Some("2026-11-20".to_owned())
                }),
                "mdh8: map of XNAS is dddddddddddd for 2026-11-20",
            ),
            (
                other(|said| *said.maps.get_mut("XNAS").unwrap() = Map::default()),
                "map of XNAS is none in force",
            ),
        ] {
            assert!(said.starts_with(words) || said.contains(words), "{said}");
        }
        // Beyond the digits that are shown.
        let said = other(|said| said.binary = Some(format!("{}c", "b".repeat(63))));
        assert!(said.contains("binary is bbbb"), "{said}");
    }

    #[test]
    fn a_tie_is_said_and_nobody_is_blamed() {
        let with = |number, digit: &str| {
            let digest = Some(digit.repeat(64));
            host(number, |said| said.binary = digest)
        };
        for (hosts, sides) in [
            (vec![with(1, "1"), with(2, "2")], "111111111111 on mdh1; 222222222222 on mdh2"),
            (vec![with(1, "1"), with(2, "1"), with(3, "2"), with(4, "2")], "on mdh1 mdh2; "),
            // The most frequent one is not on more than half.
            (vec![with(1, "1"), with(2, "1"), with(3, "2"), with(4, "3")], "333333333333 on mdh4"),
        ] {
            let found = compare(&hosts);
            let [finding] = &found[..] else { panic!("{found:?}") };
            assert_eq!((finding.kind, finding.hosts.len()), (Kind::Tie, hosts.len()));
            assert!(finding.words.contains(sides), "{}", finding.words);
        }
        let three = [with(1, "1"), with(2, "1"), with(3, "2")];
        assert_eq!(compare(&three)[0].kind, Kind::Differs, "two of three are more than half");
    }

    #[test]
    fn configurations_are_compared_within_a_role_and_maps_among_those_who_have_the_venue() {
        let mut hosts: Vec<Asked> = (1..=4).map(|number| host(number, |_| {})).collect();
        for (at, role) in [(2, Some("options")), (3, None)] {
            let Ok(said) = &mut hosts[at].said else { panic!() };
            said.configuration = Some(at.to_string());
            said.maps.clear();
            hosts[at].role = role.map(str::to_owned);
        }
        assert_eq!(words(&hosts), [""; 0]);
    }

    #[test]
    fn a_host_that_cannot_be_asked_is_named_and_the_others_are_compared() {
        let mut hosts: Vec<Asked> = (1..=4).map(|number| host(number, |_| {})).collect();
        hosts[0].said = Err("no route".to_owned());
        let Ok(said) = &mut hosts[3].said else { panic!() };
        said.mode = "udp".to_owned();
        assert_eq!(
            words(&hosts),
            [
                "mdh1 could not be asked: no route",
                "mdh4: mode is udp, and 2 of 3 hosts have native copy"
            ]
        );
    }
}
