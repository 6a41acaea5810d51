use super::*;

#[test]
fn quantities() {
    for (text, value, milli) in [
        ("0", 0, 0),
        ("1", 1, 1000),
        ("+1", 1, 1000),
        ("100m", 1, 100),
        ("1500m", 2, 1500),
        ("1.5", 2, 1500),
        (".5", 1, 500),
        ("5.", 5, 5000),
        ("0.0001", 1, 1),
        ("1n", 1, 1),
        ("1u", 1, 1),
        ("2k", 2000, 2_000_000),
        ("1e3", 1000, 1_000_000),
        ("1E3", 1000, 1_000_000),
        ("1e-3", 1, 1),
        ("1E", 1_000_000_000_000_000_000, i64::MAX),
        ("64Mi", 67_108_864, 67_108_864_000),
        ("1.5Gi", 1_610_612_736, 1_610_612_736_000),
        ("0.5Ki", 512, 512_000),
        ("8Ei", i64::MAX, i64::MAX),
        ("-1", -1, -1000),
        ("-1.5", -2, -1500),
        ("999999999999999999999999", i64::MAX, i64::MAX),
    ] {
        let amount = Amount::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((amount.value(), amount.milli()), (value, milli), "{text}");
    }
}

#[test]
fn no_quantities() {
    for text in [
        "", ".", "+", "m", "1x", "1 ", " 1", "1.2.3", "1-2", "--1", "1e", "1e99", "1KiB", "0x1", "١", "1ki",
    ] {
        assert_eq!(Amount::parse(text), Err(QuantityError), "{text}");
    }
    assert_eq!(Amount::parse(&"9".repeat(31)), Err(QuantityError));
}
