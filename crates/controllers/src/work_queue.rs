//! What is to be done, and when: keys, each at most once, each at its own time, none worked on
//! twice at the same moment, later and later while it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The first pause after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What came of the work on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing left to do until somebody adds the key again.
    Done,
    /// Look again, sooner the first time and later while nothing changes.
    Retry,
}

/// Keys waiting for their time. Pure: the clock is an argument.
#[derive(Debug)]
pub(crate) struct WorkQueue<K> {
    due: BTreeSet<(Instant, K)>,
    when: BTreeMap<K, Instant>,
    running: BTreeSet<K>,
    failures: BTreeMap<K, u32>,
    longest_pause: Duration,
}

impl<K: Ord + Clone> WorkQueue<K> {
    /// An empty queue whose retries are never further apart than `longest_pause`.
    pub fn new(longest_pause: Duration) -> Self {
        Self {
            due: BTreeSet::new(),
            when: BTreeMap::new(),
            running: BTreeSet::new(),
            failures: BTreeMap::new(),
            longest_pause,
        }
    }

    /// Asks for work on `key` at `at`; of several askings the earliest counts.
    pub fn add(&mut self, key: K, at: Instant) {
        match self.when.get(&key) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.due.remove(&(*later, key.clone()));
            }
            None => {}
        }
        self.when.insert(key.clone(), at);
        self.due.insert((at, key));
    }

    /// Asks for work on `key` at `at`, instead of whenever it was asked for before.
    pub fn reschedule(&mut self, key: K, at: Instant) {
        self.remove(&key);
        self.add(key, at);
    }

    /// Forgets that work on `key` was asked for.
    pub fn remove(&mut self, key: &K) {
        if let Some(at) = self.when.remove(key) {
            self.due.remove(&(at, key.clone()));
        }
        self.failures.remove(key);
    }

    /// A key whose time has come and that nobody works on. It counts as being worked on until
    /// [`finish`](Self::finish).
    pub fn take(&mut self, now: Instant) -> Option<K> {
        let (at, key) = self
            .due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .find(|(_, key)| !self.running.contains(key))?
            .clone();
        self.due.remove(&(at, key.clone()));
        self.when.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// Ends the work on `key`.
    pub fn finish(&mut self, key: &K, outcome: Outcome, now: Instant) {
        self.running.remove(key);
        match outcome {
            Outcome::Done => {
                self.failures.remove(key);
            }
            Outcome::Retry => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                let pause = (FIRST_PAUSE * 2u32.saturating_pow(*failures)).min(self.longest_pause);
                *failures = (*failures + 1).min(16);
                self.add(key.clone(), now + pause);
            }
        }
    }

    /// When there will be something to take; `None` while everything that waits is being worked on
    /// already or nothing waits.
    pub fn next_due(&self) -> Option<Instant> {
        self.due
            .iter()
            .find(|(_, key)| !self.running.contains(key))
            .map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        Add(&'static str, u64),
        Reschedule(&'static str, u64),
        Remove(&'static str),
        Take(u64, Option<&'static str>),
        Finish(&'static str, Outcome, u64),
        NextDue(Option<u64>),
    }
    use Step::*;

    /// Times are milliseconds.
    fn check(name: &str, steps: &[Step]) {
        let start = Instant::now();
        let at = |ms: &u64| start + Duration::from_millis(*ms);
        let mut queue = WorkQueue::new(Duration::from_millis(300));
        for (index, step) in steps.iter().enumerate() {
            match step {
                Add(key, ms) => queue.add(*key, at(ms)),
                Reschedule(key, ms) => queue.reschedule(*key, at(ms)),
                Remove(key) => queue.remove(key),
                Take(ms, expect) => assert_eq!(queue.take(at(ms)), *expect, "{name}, step {index}"),
                Finish(key, outcome, ms) => queue.finish(key, *outcome, at(ms)),
                NextDue(expect) => {
                    let next = queue
                        .next_due()
                        .map(|due| due.duration_since(start).as_millis() as u64);
                    assert_eq!(next, *expect, "{name}, step {index}");
                }
            }
        }
    }

    #[test]
    fn keys_are_taken_once_in_order_of_time() {
        check(
            "earliest first",
            &[
                Add("b", 5),
                Add("a", 9),
                Take(4, None),
                Take(9, Some("b")),
                Take(9, Some("a")),
                Take(9, None),
            ],
        );
        check(
            "asked twice, done once",
            &[
                Add("a", 5),
                Add("a", 3),
                Add("a", 7),
                NextDue(Some(3)),
                Take(3, Some("a")),
                Take(9, None),
            ],
        );
        check(
            "later on purpose",
            &[Add("a", 5), Reschedule("a", 8), Take(7, None), Take(8, Some("a"))],
        );
        check(
            "removed",
            &[Add("a", 5), Remove("a"), NextDue(None), Take(9, None)],
        );
    }

    #[test]
    fn a_key_is_not_worked_on_twice_at_once() {
        check(
            "asked again while running",
            &[
                Add("a", 0),
                Take(0, Some("a")),
                Add("a", 1),
                NextDue(None),
                Take(2, None),
                Finish("a", Outcome::Done, 3),
                Take(3, Some("a")),
            ],
        );
    }

    #[test]
    fn failures_space_out_and_success_forgets() {
        use Outcome::{Done, Retry};
        check(
            "doubling up to the longest pause",
            &[
                Add("a", 0),
                Take(0, Some("a")),
                Finish("a", Retry, 0),
                NextDue(Some(50)),
                Take(50, Some("a")),
                Finish("a", Retry, 50),
                NextDue(Some(150)),
                Take(150, Some("a")),
                Finish("a", Retry, 150),
                NextDue(Some(350)),
                Take(350, Some("a")),
                Finish("a", Retry, 350),
                NextDue(Some(650)),
                Take(650, Some("a")),
                Finish("a", Done, 650),
                NextDue(None),
                Add("a", 700),
                Take(700, Some("a")),
                Finish("a", Retry, 700),
                NextDue(Some(750)),
            ],
        );
        check(
            "asked sooner than the pause",
            &[
                Add("a", 0),
                Take(0, Some("a")),
                Finish("a", Retry, 0),
                Add("a", 10),
                NextDue(Some(10)),
            ],
        );
    }
}
