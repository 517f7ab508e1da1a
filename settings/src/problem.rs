//! What is wrong with a file, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file it is in: the one read, or one that it names.
    pub file: PathBuf,
    /// The line, counted from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// One that is about a whole file.
    #[must_use]
    pub fn of_file(file: &Path, message: String) -> Problem {
        Problem { file: file.to_path_buf(), line: 0, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}

/// A file that was refused, with everything that is wrong with it, in order of its lines.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Problems {
    what: &'static str,
    list: Vec<Problem>,
}

impl Problems {
    /// `what` says in words which kind of file is refused: `configuration`. Problems of other files than
    /// `main` come behind its own.
    #[must_use]
    pub fn new(what: &'static str, main: &Path, mut list: Vec<Problem>) -> Problems {
        // Stable, so problems of one line stay in the order in which they were found.
        list.sort_by_key(|problem| (problem.file != main, problem.file.clone(), problem.line));
        Problems { what, list }
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{problem}")?;
        }
        let what = self.what;
        match self.list.len() {
            1 => write!(f, "1 problem: the {what} is refused whole"),
            n => write!(f, "{n} problems: the {what} is refused whole"),
        }
    }
}
