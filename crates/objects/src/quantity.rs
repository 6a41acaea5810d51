//! Quantities: `100m`, `1.5Gi`, `2e3` (api-conventions §14).

use std::ops::RangeInclusive;

/// An amount, exact down to billionths.
///
/// Amounts beyond what 128 bits of billionths hold are capped, as Kubernetes caps at 2^63−1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    billionths: i128,
}

const BILLION: i128 = 1_000_000_000;

/// Decimal exponents that are read; a text beyond them is capped or zero.
const EXPONENTS: RangeInclusive<i32> = -30..=30;

impl Quantity {
    /// So many whole units.
    pub fn whole(units: i64) -> Self {
        Self {
            billionths: i128::from(units) * BILLION,
        }
    }

    /// Reads a quantity; `None` for a text that is none. What is finer than a billionth is rounded away from zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let scale = Scale::parse(suffix)?;
        let magnitude = scale.apply(whole, fraction);
        Some(Self {
            billionths: if negative { -magnitude } else { magnitude },
        })
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            billionths: self.billionths.saturating_add(other.billionths),
        }
    }

    /// What is left after taking `other` away; may be negative.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            billionths: self.billionths.saturating_sub(other.billionths),
        }
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.billionths > 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.billionths < 0
    }

    /// Whether it has no fraction.
    pub fn is_whole(self) -> bool {
        self.billionths % BILLION == 0
    }

    /// In whole units, rounded up.
    pub fn rounded_up(self) -> i64 {
        self.in_units_of(BILLION)
    }

    /// In thousandths, rounded up: millicores.
    pub fn thousandths(self) -> i64 {
        self.in_units_of(BILLION / 1000)
    }

    fn in_units_of(self, billionths: i128) -> i64 {
        let floor = self.billionths.div_euclid(billionths);
        let rest = self.billionths.rem_euclid(billionths);
        i64::try_from(floor + i128::from(rest != 0)).unwrap_or(if floor < 0 { i64::MIN } else { i64::MAX })
    }
}

/// What a suffix multiplies by: `2^binary` or `10^decimal`.
struct Scale {
    binary: u32,
    decimal: i32,
}

impl Scale {
    fn parse(suffix: &str) -> Option<Self> {
        let (binary, decimal) = match suffix {
            "" => (0, 0),
            "n" => (0, -9),
            "u" => (0, -6),
            "m" => (0, -3),
            "k" => (0, 3),
            "M" => (0, 6),
            "G" => (0, 9),
            "T" => (0, 12),
            "P" => (0, 15),
            "E" => (0, 18),
            "Ki" => (10, 0),
            "Mi" => (20, 0),
            "Gi" => (30, 0),
            "Ti" => (40, 0),
            "Pi" => (50, 0),
            "Ei" => (60, 0),
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E'])?;
                let is_number = exponent
                    .trim_start_matches(['+', '-'])
                    .bytes()
                    .all(|b| b.is_ascii_digit());
                (0, exponent.parse().ok().filter(|_| is_number)?)
            }
        };
        Some(Self { binary, decimal })
    }

    /// `whole.fraction` times the scale, in billionths.
    fn apply(&self, whole: &str, fraction: &str) -> i128 {
        let digits = whole.chars().chain(fraction.chars());
        let digit = |character: char| i128::from(character.to_digit(10).unwrap_or(0));
        let fold = |sum: i128, character| sum.saturating_mul(10).saturating_add(digit(character));
        let number = digits
            .fold(0, fold)
            .saturating_mul(1_i128.checked_shl(self.binary).unwrap_or(i128::MAX));
        let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let exponent = self.decimal.saturating_add(9).saturating_sub(places);
        let power = |exponent: i32| 10_i128.pow(exponent.unsigned_abs());
        match exponent.clamp(*EXPONENTS.start(), *EXPONENTS.end()) {
            exponent if exponent >= 0 => number.saturating_mul(power(exponent)),
            exponent => number
                .saturating_add(power(exponent) - 1)
                .div_euclid(power(exponent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        let cases = [
            ("0", 0),
            ("1", 1000),
            ("-1", -1000),
            ("100m", 100),
            ("0.5", 500),
            (".5", 500),
            ("5.", 5000),
            ("1.5k", 1_500_000),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("2e3", 2_000_000),
            ("2E-3", 2),
            ("1u", 1),
            ("1n", 1),
        ];
        for (text, expect) in cases {
            let quantity = Quantity::parse(text).expect(text);
            assert_eq!(quantity.thousandths(), expect, "{text}");
        }
        for wrong in ["", "x", "1x", "1..2", ".", "-", "1e", "1K", "1 ", "--1"] {
            assert_eq!(Quantity::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quantities_are_compared_and_added_exactly() {
        let read = |text| Quantity::parse(text).expect(text);
        assert_eq!(read("1000m"), read("1"));
        assert!(read("1Gi") > read("1G"));
        assert_eq!(read("100m").plus(read("0.9")), Quantity::whole(1));
        assert_eq!(read("1").minus(read("2")), read("-1"));
        assert_eq!(read("1.1").rounded_up(), 2);
        assert!(read("2Ki").is_whole() && !read("0.1Ki").is_whole());
        assert_eq!(read("99E99").rounded_up(), i64::MAX);
    }
}
