//! `candor resume`: ends a halt, if a second person is named and nothing else is wrong.

use candor_core::Nanos;
use candor_shm::{KillSwitch, OpenError, Region, clock};
use clap::Args;

use super::output::{Answer, Row, Value};
use super::region::{RegionArg, say_gone, status_text};
use super::{OutputArg, print};
use crate::control::{self, client};
use crate::exit::{Exit, Failure};
use crate::halt::act::{self, Began, Resumed};
use crate::halt::clerk::Wish;
use crate::halt::record::Place;
use crate::halt::resume::{Line, now_live};
use crate::halt::users::{self, User};
use crate::halt::{Target, live};
use crate::preopen::{self, Of};

const CHECKS: &[&str] = &["check", "holds", "evidence"];

/// How long is waited for what may be Live to be so.
const LIVE_WITHIN: Nanos = Nanos::from_millis(20);

/// Ends a halt, where `candor preopen` passes for the partitions of TARGET, and a second person is named who is
/// a user of this host, and neither who halted nor who runs this. With `-c` it looks for itself and listens to
/// the lines; with `-r` alone, and for one who may not write, the handler is asked, which looks at once. Exits 0 when it is resumed, 2 when it may not be (with what is
/// wrong), 3 when there is no region, 64 for an unknown target, 77 when this user may neither write nor
/// ask. It starts nothing.
#[derive(Debug, Args)]
pub(super) struct Resume {
    /// What was halted: all, VENUE, VENUE/PARTITION, SYMBOL or VENUE:SYMBOL.
    target: String,
    /// The second person, who agrees: the name of a user of this host.
    #[arg(long, value_name = "NAME")]
    second: String,
    #[command(flatten)]
    region: RegionArg,
    #[command(flatten)]
    output: OutputArg,
}

impl Resume {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let began = clock::now();
        let second = self.second.as_str();
        if second.is_empty() || second.len() > 64 || second.chars().any(char::is_control) {
            return Err(Failure::usage("`--second` is the name of a user of this host"));
        }
        let path = self.region.path()?;
        let source = self.region.open()?;
        let region = &source.region;
        let place = Place::of(region.info().state_folder.as_deref(), &path);
        let target = Target::find_halted(&self.target, region, &place)?;
        let before = now_live(region, &target).0;
        let (way, lines) = match (self.region.config()?, KillSwitch::open(&path)) {
            (Some(config), Ok(switch)) if switch.is_of(region) => {
                let halted = Began::look(&place, region, &target)?;
                let numbers = target.partitions(region);
                let preopen = preopen::look(&config, region, Of::Halted(&numbers));
                let by = (&*runners(), second);
                let found = (&halted, &preopen);
                let wish = Wish::default();
                match act::resume(&switch, &place, region, &target, by, found, &wish)? {
                    Resumed::NoGo(lines) => return self.no_go(&target, &lines),
                    Resumed::Done(lines) => ("this process", lines),
                }
            }
            (_, Ok(switch)) if !switch.is_of(region) => {
                return Err(Failure::new(Exit::Unknown, "the region was replaced: try again"));
            }
            // Without the configuration it is the handler that knows what has to be so.
            (_, Ok(_) | Err(OpenError::NotOurs { .. } | OpenError::NotPermitted { .. })) => {
                self.ask(region, &target, second)?;
                ("the handler, which was asked", Vec::new())
            }
            (_, Err(other)) => return Err(super::region::refuse(other)),
        };
        let words = target.words(region);
        let until = clock::now() + LIVE_WITHIN;
        let (mut now, mut symbols) = live(region, &words);
        // BOUND: until then. What is halted otherwise too, or left, stays so.
        while now < symbols && clock::now() < until {
            (now, symbols) = live(region, &words);
        }
        let still: Vec<String> = still_halted(region, &target);
        let handler = source.handler();
        let row = Row::new()
            .with("target", Value::text(target))
            .with("second", Value::text(second))
            .with("symbols", Value::Number(symbols))
            .with("live_before", Value::Number(before))
            .with("live_after", Value::Number(now))
            .with("took", Value::Length(Some(clock::now().since(began))))
            .with("written_by", Value::text(way))
            .with(
                "still_halted",
                match still.is_empty() {
                    true => Value::Absent,
                    false => Value::Text(still.join(", ")),
                },
            )
            .with("handler", Value::text(status_text(handler)));
        let answer = Answer::new().one("resume", row).many("checks", CHECKS, rows(&lines));
        answer.print(self.output.output)?;
        say_gone(&source, handler);
        Ok(Exit::Ok)
    }

    /// Has the handler do it, which must be there for that.
    fn ask(&self, region: &Region, target: &Target, second: &str) -> Result<(), Failure> {
        if let Some(reason) = region.unhalted_status_when(clock::now).reason() {
            let text = reason.text();
            let message = format!("{target} stays halted; the handler is Stale({reason}): {text}");
            return Err(Failure::new(Exit::NoGo, message));
        }
        let wish = format!("{target}\t{second}");
        let asked = client::ask(&self.region.control()?, control::Command::Resume, &wish);
        asked.map(|_| ()).map_err(|failure| match failure.exit {
            Exit::NoGo | Exit::Usage => failure,
            _ => Failure::privilege(format!("the handler does not do it: {failure}")),
        })
    }

    fn no_go(&self, target: &Target, lines: &[Line]) -> Result<Exit, Failure> {
        Answer::new().many("checks", CHECKS, rows(lines)).print(self.output.output)?;
        print::error(&act::no_go(target, lines).message);
        Ok(Exit::NoGo)
    }
}

fn rows(lines: &[Line]) -> Vec<Row> {
    let row = |line: &Line| {
        Row::new()
            .with("check", Value::text(line.check))
            .with("holds", Value::text(if line.holds { "yes" } else { "NO" }))
            .with("evidence", Value::text(&line.evidence))
    };
    lines.iter().map(row).collect()
}

/// Who has logged in, and as whom this runs: neither can be the second person.
fn runners() -> Vec<User> {
    vec![users::runs(), users::numbered(rustix::process::getuid().as_raw())]
}

/// What goes on being halted of it, by another word.
fn still_halted(region: &candor_shm::Region, target: &Target) -> Vec<String> {
    let targets = region.halts().into_iter().map(|(name, _)| Target::of_word(&name));
    let venue_of = |target: &Target| match target {
        Target::All => None,
        Target::Venue(venue) | Target::Partition(venue, _) | Target::Symbol(venue, _) => {
            Some(*venue)
        }
    };
    targets
        .filter(|own| {
            own.is_within(target)
                || target.is_within(own)
                || matches!(
                    (own, target),
                    (Target::Symbol(..), Target::Partition(..))
                        | (Target::Partition(..), Target::Symbol(..))
                ) && venue_of(own) == venue_of(target)
        })
        .map(|target| target.to_string())
        .collect()
}
