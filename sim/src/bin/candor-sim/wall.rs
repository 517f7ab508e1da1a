//! How long a run took by the wall, for the rate that is printed. No run sees it.

/// When something began, by the wall.
pub(crate) struct Wall(std::time::Instant);

/// Now.
#[expect(clippy::disallowed_methods, reason = "for the rate that is printed, never for a run")]
pub(crate) fn wall() -> Wall {
    Wall(std::time::Instant::now())
}

impl Wall {
    /// Seconds since.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
