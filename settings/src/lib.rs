//! Files that people write: configurations and maps. One is read whole or refused whole, with every
//! problem it has, each with its line, what is wrong and what to do.
//!
//! A [`Table`] knows a key by having asked for it, so that whatever nobody asked for is unknown and is
//! refused with the nearest key that is known. [`Context`] keeps the file's name, its lines and its problems.

#![forbid(unsafe_code)]

mod nearest;
mod problem;
mod table;
mod text;

pub use nearest::nearest;
pub use problem::{Problem, Problems};
pub use table::{At, Context, Table};
pub use text::{TEXT_MAX, read_text};
