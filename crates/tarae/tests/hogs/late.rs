//! How late something was, many times: what a percentile says.

use std::sync::Mutex;
use std::time::Duration;

/// Durations noted from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Late(Mutex<Vec<Duration>>);

impl Late {
    pub(crate) fn note(&self, many: impl IntoIterator<Item = Duration>) {
        self.0.lock().unwrap().extend(many);
    }

    /// What was noted, in order of size. Nothing stays.
    pub(crate) fn take(&self) -> Sorted {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap());
        all.sort_unstable();
        Sorted(all)
    }
}

/// Durations in order of size.
#[derive(Debug)]
pub(crate) struct Sorted(Vec<Duration>);

impl Sorted {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The duration that all but one in a hundred keep within. There must be some.
    #[track_caller]
    pub(crate) fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    #[track_caller]
    fn quantile(&self, share: f64) -> Duration {
        assert!(!self.0.is_empty(), "nothing was measured");
        self.0[((self.0.len() - 1) as f64 * share).ceil() as usize]
    }

    /// For messages.
    #[track_caller]
    pub(crate) fn figures(&self) -> String {
        let [half, nearly_all, all] = [0.5, 0.99, 1.0].map(|share| self.quantile(share));
        format!("p50 {half:.1?}, p99 {nearly_all:.1?}, max {all:.1?} of {}", self.count())
    }
}
