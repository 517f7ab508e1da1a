//! `[drill]`: the key that the result of a drill is signed with, and how old one may be.

use std::path::{Path, PathBuf};

use candor_core::Nanos;
use candor_settings::{Context, Table};

/// How old a result may be where nothing is configured, in hours.
const MAX_AGE_HOURS: u64 = 24;

/// `[drill]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drill {
    /// The secret key's file; the public one stands beside it, with `.pub` behind its name. `None` signs nothing,
    /// and `candor preopen` believes nothing.
    pub key: Option<PathBuf>,
    /// How old a result may be before the open.
    pub max_age: Nanos,
}

impl Drill {
    /// The public key's file.
    #[must_use]
    pub fn public(&self) -> Option<PathBuf> {
        let mut name = self.key.clone()?.into_os_string();
        name.push(".pub");
        Some(PathBuf::from(name))
    }
}

impl Default for Drill {
    fn default() -> Drill {
        Drill { key: None, max_age: Nanos::from_secs(MAX_AGE_HOURS * 3_600) }
    }
}

pub(super) fn drill(cx: &mut Context<'_>, root: &mut Table<'_>) -> Drill {
    let mut drill = Drill::default();
    let Some(mut table) = root.table(cx, "drill", "[drill]") else { return drill };
    if let Some(at) = table.text(cx, "key", "a file name") {
        if !Path::new(at.value).is_absolute() {
            // Whoever drills and whoever asks before the open stand in folders of their own.
            cx.problem(at.line, format!("`key` must be an absolute file name, not {:?}", at.value));
        }
        drill.key = Some(PathBuf::from(at.value));
    }
    if let Some(at) = table.integer(cx, "max_age_hours", 1..=24 * 7) {
        drill.max_age = Nanos::from_secs(at.value * 3_600);
    }
    table.finish(cx);
    drill
}
