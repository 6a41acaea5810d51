//! Answers that are remembered for a few seconds.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Remembers at most so many values, each until a time of its own.
pub struct Cache<K, V> {
    most: usize,
    values: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Nothing yet, and never more than `most` values.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            values: Mutex::default(),
        }
    }

    /// What is remembered of `key` at `now`.
    pub fn get(&self, key: &K, now: Instant) -> Option<V> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, value) = values.get(key)?;
        (now < *until).then(|| value.clone())
    }

    /// Remembers `value` from `now` on for `time`.
    pub fn put(&self, key: K, value: V, now: Instant, time: Duration) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= self.most {
            values.retain(|_, (until, _)| now < *until);
        }
        // What is remembered saves requests, no more: forgetting everything is safe, and rare.
        if values.len() >= self.most {
            values.clear();
        }
        values.insert(key, (now + time, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_expire_and_do_not_pile_up() {
        let second = Duration::from_secs(1);
        let begin = Instant::now();
        let cache = Cache::new(2);
        cache.put("a", 1, begin, second);
        cache.put("b", 2, begin, 3 * second);
        assert_eq!(cache.get(&"a", begin), Some(1));
        assert_eq!(cache.get(&"a", begin + second), None);
        cache.put("c", 3, begin + second, second);
        assert_eq!(cache.get(&"b", begin + second), Some(2));
        cache.put("d", 4, begin + second, second);
        assert_eq!(cache.get(&"b", begin + second), None);
        assert_eq!(cache.get(&"d", begin + second), Some(4));
    }
}
