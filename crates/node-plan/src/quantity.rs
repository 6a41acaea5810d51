//! Reading resource quantities: `100m`, `1.5`, `128Mi`, `1e3`, `2k` (api-conventions; apimachinery `resource`).

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

#[cfg(test)]
mod tests;

/// A quantity that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct QuantityError;

/// An exact amount: `mantissa × 10^decimal × 2^binary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    mantissa: i128,
    decimal: i32,
    binary: u32,
}

impl Amount {
    /// Reads a quantity.
    ///
    /// # Errors
    /// When it is none, or has more than 30 digits.
    pub fn parse(text: &str) -> Result<Amount, QuantityError> {
        let digits_end = text
            .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits_end);
        let (negative, number) = match number.as_bytes().first() {
            Some(b'-') => (true, &number[1..]),
            Some(b'+') => (false, &number[1..]),
            _ => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(QuantityError);
        }
        let digits = format!("{}{}", whole.trim_start_matches('0'), fraction);
        if digits.len() > 30 {
            return Err(QuantityError);
        }
        let mantissa = if digits.is_empty() {
            0
        } else {
            digits.parse::<i128>().map_err(|_| QuantityError)?
        };
        let (decimal, binary) = scale(suffix)?;
        let fraction_digits = i32::try_from(fraction.len()).map_err(|_| QuantityError)?;
        Ok(Amount {
            mantissa: if negative { -mantissa } else { mantissa },
            decimal: decimal - fraction_digits,
            binary,
        })
    }

    /// Reads a quantity of an object.
    ///
    /// # Errors
    /// As [`Amount::parse`].
    pub fn of(quantity: &Quantity) -> Result<Amount, QuantityError> {
        Amount::parse(&quantity.0)
    }

    /// Whole units, rounded away from zero.
    #[must_use]
    pub fn value(self) -> i64 {
        self.scaled(0)
    }

    /// Thousandths, rounded away from zero.
    #[must_use]
    pub fn milli(self) -> i64 {
        self.scaled(3)
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    fn scaled(self, places: i32) -> i64 {
        let exponent = self.decimal + places;
        let Some(binary) = 1_i128
            .checked_shl(self.binary)
            .and_then(|factor| self.mantissa.checked_mul(factor))
        else {
            return if self.mantissa < 0 { i64::MIN } else { i64::MAX };
        };
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let result = match (exponent >= 0, power) {
            (true, Some(power)) => binary.checked_mul(power),
            (false, Some(power)) => {
                let rest = binary % power;
                Some(binary / power + rest.signum())
            }
            (true, None) => (binary == 0).then_some(0),
            (false, None) => Some(binary.signum()),
        };
        let clamped = result.unwrap_or(if self.mantissa < 0 { i128::MIN } else { i128::MAX });
        i64::try_from(clamped).unwrap_or(if clamped < 0 { i64::MIN } else { i64::MAX })
    }
}

fn scale(suffix: &str) -> Result<(i32, u32), QuantityError> {
    Ok(match suffix {
        "" => (0, 0),
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError)?;
            let exponent: i32 = exponent.parse().map_err(|_| QuantityError)?;
            if exponent.abs() > 40 {
                return Err(QuantityError);
            }
            (exponent, 0)
        }
    })
}
