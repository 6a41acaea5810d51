use super::*;
use crate::testing::at;

#[test]
fn renewal() {
    let check = |life: i64, jitter: i64, expect: i64| {
        assert_eq!(
            refresh_at(at(0), at(life), SignedDuration::from_secs(jitter)),
            at(expect),
            "{life} {jitter}"
        );
    };
    check(600, 0, 480);
    check(3605, 0, 2884);
    check(3600, 7, 2873);
    check(3600, 60, 2870);
    check(3600, -5, 2880);
    check(365 * 86400, 0, 86400);
    check(10, 10, 0);
    check(0, 10, 0);
    check(-5, 0, 0);
}
