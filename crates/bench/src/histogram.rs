//! Durations in buckets that grow with them: under 2 % error from nanoseconds to hours.

use std::time::Duration;

/// Buckets per power of two.
const STEPS: u32 = 64;
const STEP_BITS: u32 = STEPS.ilog2();

/// How often each duration was seen.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    largest: Duration,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let bucket = bucket_of(duration.as_nanos() as u64);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.largest = self.largest.max(duration);
    }

    /// Adds what another histogram counted.
    pub fn add(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.largest = self.largest.max(other.largest);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The duration that `percent` of those counted did not exceed.
    pub fn percentile(&self, percent: f64) -> Duration {
        let rank = (self.total as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_end(bucket)).min(self.largest);
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(value: u64) -> usize {
    if value < u64::from(STEPS) {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    let step = (value >> shift) as u32 - STEPS;
    ((shift + 1) * STEPS + step) as usize
}

fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let steps = u64::from(STEPS);
    if bucket < steps {
        return bucket;
    }
    let shift = bucket / steps - 1;
    ((steps + bucket % steps + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_close_to_what_they_hold() {
        for value in (0..2_000).chain([1 << 20, (1 << 20) + 12_345, 1 << 40, (1 << 40) - 1]) {
            let end = upper_end(bucket_of(value));
            assert!(
                end >= value && end <= value + value / 60,
                "{value} is counted as {end}"
            );
        }
    }

    #[test]
    fn percentiles() {
        let mut histogram = Histogram::default();
        for milliseconds in 1..=1000 {
            histogram.record(Duration::from_millis(milliseconds));
        }
        let near = |percent, expect: u64| {
            let found = histogram.percentile(percent).as_millis() as u64;
            assert!(
                found.abs_diff(expect) <= expect / 50,
                "p{percent} is {found}, expected {expect}"
            );
        };
        near(50.0, 500);
        near(99.0, 990);
        near(100.0, 1000);
        let mut both = histogram.clone();
        both.add(&histogram);
        assert_eq!(both.count(), 2000);
        assert_eq!(both.percentile(50.0), histogram.percentile(50.0));
        assert_eq!(Histogram::default().percentile(99.0), Duration::ZERO);
    }
}
