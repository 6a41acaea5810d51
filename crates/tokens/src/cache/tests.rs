use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

#[test]
fn entries_live_for_their_time() {
    let cache = TokenCache::new(&[1; 32], 100, SUCCESS_TTL);
    cache.insert("a", 1, at(0));
    assert_eq!(cache.get("a", at(0)), Some(1));
    assert_eq!(cache.get("a", at(9)), Some(1));
    assert_eq!(cache.get("a", at(10)), None);
    assert_eq!(cache.get("a", at(-1)), None);
    assert_eq!(cache.get("b", at(0)), None);
    cache.insert("a", 2, at(11));
    assert_eq!(cache.get("a", at(12)), Some(2));
}

#[test]
fn there_is_room_for_a_bounded_number() {
    let cache = TokenCache::new(&[1; 32], 160, SignedDuration::from_hours(1));
    for number in 0..10_000 {
        cache.insert(&format!("token {number}"), number, at(0));
        cache.insert("the same again", number, at(0));
    }
    assert!(cache.len() <= 160, "{}", cache.len());
    assert!(cache.parts.iter().all(|part| lock(part).order.len() <= 20));
    assert_eq!(cache.get("token 9999", at(0)), Some(9999));
    assert_eq!(cache.get("token 0", at(0)), None);
    assert_eq!(format!("{cache:?}"), "TokenCache { .. }");
}
