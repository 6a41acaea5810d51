use super::*;
use crate::testing::at;

#[test]
fn delays_double_and_are_forgotten() {
    let mut backoffs = Backoffs::default();
    let mut now = at(0);
    assert_eq!(
        backoffs.since("k", now, now),
        None,
        "the first restart is immediate"
    );
    for expect in [10, 20, 40, 80, 160, 300, 300] {
        backoffs.next("k", now);
        let ended = now + SignedDuration::from_secs(1);
        let delay = backoffs.since("k", ended, ended).expect("a delay");
        assert_eq!(
            (delay.seconds, delay.until),
            (expect, ended + SignedDuration::from_secs(expect))
        );
        assert_eq!(backoffs.since("k", ended, delay.until), None);
        now = delay.until;
    }
    // It ran for more than ten minutes.
    let ended = now + SignedDuration::from_secs(601);
    assert_eq!(backoffs.since("k", ended, ended), None);
    backoffs.next("k", ended);
    assert_eq!(backoffs.current("k", ended).map(|delay| delay.seconds), Some(10));
}

#[test]
fn keys_are_apart_and_can_be_forgotten() {
    let mut backoffs = Backoffs::default();
    let (crash, pull) = (crash_key("u1", "c", "0"), pull_key("u1", "busybox"));
    backoffs.next(&crash, at(0));
    backoffs.next(&pull, at(0));
    backoffs.next(&pull_key("u2", "busybox"), at(0));
    backoffs.forget(&crash);
    assert_eq!(backoffs.current(&crash, at(1)), None);
    assert!(backoffs.current(&pull, at(1)).is_some());
    backoffs.forget_all("u1/");
    assert_eq!(backoffs.current(&pull, at(1)), None);
    assert!(backoffs.current(&pull_key("u2", "busybox"), at(1)).is_some());
    backoffs.collect_garbage(at(601));
    assert_eq!(backoffs, Backoffs::default());
}

#[test]
fn durations_as_go_writes_them() {
    for (seconds, expect) in [
        (0, "0s"),
        (10, "10s"),
        (60, "1m0s"),
        (80, "1m20s"),
        (300, "5m0s"),
        (3600, "1h0m0s"),
        (3723, "1h2m3s"),
    ] {
        assert_eq!(go_seconds(seconds), expect);
    }
}
