//! Known-wrong variants of the handler, each tried until a check catches it. A checker that never
//! fails is none.

#[cfg(not(canary))]
use std::process::ExitCode;

/// Puts the canary of this name in force.
#[cfg(not(canary))]
pub(crate) fn choose(name: Option<&str>) -> Result<(), String> {
    name.map_or(Ok(()), |_| Err(WITHOUT.to_owned()))
}

#[cfg(not(canary))]
const WITHOUT: &str = "this build has no canaries: build with RUSTFLAGS=\"--cfg canary\"";

#[cfg(not(canary))]
pub(crate) fn table(_seed: u64, _seeds: u64) -> ExitCode {
    eprintln!("{WITHOUT}");
    ExitCode::from(64)
}

#[cfg(canary)]
pub(crate) use with_canaries::{choose, table};

#[cfg(canary)]
mod with_canaries {
    use std::process::ExitCode;

    use candor_core::canary::{self, Canary};
    use candor_sim::simulator::canaries::caught;

    use crate::out::say;

    pub(crate) fn choose(name: Option<&str>) -> Result<(), String> {
        let Some(name) = name else { return Ok(()) };
        let known = Canary::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name));
        let Some(one) = known else {
            let names: Vec<&str> = Canary::ALL.into_iter().map(Canary::name).collect();
            return Err(format!("there is no canary \"{name}\"; there are {}", names.join(", ")));
        };
        canary::choose(Some(one));
        Ok(())
    }

    pub(crate) fn table(seed: u64, seeds: u64) -> ExitCode {
        let mut missed = 0;
        say(&format!("{:<22} {:>7}  what caught it", "canary", "seeds"));
        for one in Canary::ALL {
            if let Some(test) = one.test() {
                say(&format!("{:<22} {:>7}  test {test}", one.name(), "-"));
                continue;
            }
            match caught(one, seed, seeds) {
                Some((needed, how)) => say(&format!("{:<22} {needed:>7}  {how}", one.name())),
                None => {
                    missed += 1;
                    say(&format!("{:<22} {:>7}  not caught", one.name(), "-"));
                }
            }
        }
        ExitCode::from(u8::from(missed > 0))
    }
}
