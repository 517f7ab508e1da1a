//! How every benchmark here is run: short, so that all of them together take less than three minutes.

use std::time::Duration;

use criterion::Criterion;

/// Criterion with a second for each figure. Command-line arguments still change it.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args()
}

/// How long `work` takes.
#[allow(dead_code, reason = "not every benchmark has work to leave out of its time")]
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let started = candor_shm::clock::now();
    work();
    Duration::from_nanos(candor_shm::clock::now().since(started).0)
}
