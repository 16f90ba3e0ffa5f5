//! Kubernetes quantities as exact numbers: parsed, compared, summed, divided and written in canonical form.
//! Source: `k8s.io/apimachinery/pkg/api/resource`.

mod unit;

pub use unit::{Unit, is_extended, is_hugepages};

use std::fmt;

/// Units in one whole: a quantity is kept in billionths, the finest that Kubernetes has (`n`).
const NANO: i128 = 1_000_000_000;
/// The greatest quantity Kubernetes represents, 2^63-1.
const MAX: i128 = i64::MAX as i128;

/// Notation of a quantity, which its text keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
}

/// An exact amount.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    nanos: i128,
    format: Format,
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Amount {}
impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Amount {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

const BINARY: [(&str, i128); 6] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
];
const DECIMAL: [(&str, i128); 6] = [
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self {
        nanos: 0,
        format: Format::Decimal,
    };

    /// A whole number of units.
    pub fn whole(units: i64) -> Self {
        Self {
            nanos: i128::from(units) * NANO,
            format: Format::Decimal,
        }
    }

    /// Parses a quantity such as `500m`, `1.5Gi`, `2e3` or `20`.
    ///
    /// # Errors
    /// A sentence that names the fault, without the text itself.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "is not a quantity such as 500m, 2 or 10Gi";
        let number_end = text
            .char_indices()
            .find(|(i, c)| !(c.is_ascii_digit() || *c == '.' || (*i == 0 && (*c == '+' || *c == '-'))))
            .map_or(text.len(), |(i, _)| i);
        let (number, suffix) = text.split_at(number_end);
        let (numerator, format) = match suffix {
            "" => (NANO, Format::Decimal),
            "n" => (1, Format::Decimal),
            "u" => (1_000, Format::Decimal),
            "m" => (1_000_000, Format::Decimal),
            _ => {
                if let Some((_, factor)) = BINARY.iter().find(|(s, _)| *s == suffix) {
                    (factor * NANO, Format::Binary)
                } else if let Some((_, factor)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
                    (factor * NANO, Format::Decimal)
                } else if let Some(exponent) = suffix.strip_prefix(['e', 'E']) {
                    let exponent: i32 = exponent.parse().map_err(|_| MALFORMED)?;
                    if !(-9..=18).contains(&exponent) {
                        return Err("is out of range");
                    }
                    (10_i128.pow((exponent + 9) as u32), Format::Decimal)
                } else {
                    return Err(MALFORMED);
                }
            }
        };
        let (negative, digits) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || digits.len() > 40 {
            return Err(MALFORMED);
        }
        let value = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<i128>() };
        let whole = value(whole).map_err(|_| "is out of range")?;
        let mut nanos = whole.checked_mul(numerator).ok_or("is out of range")?;
        // Digits beyond the 18th cannot matter: a unit has at most 10^18 * 10^9 parts.
        let fraction = &fraction[..fraction.len().min(18)];
        let scale = 10_i128.pow(fraction.len() as u32);
        let part = value(fraction)
            .map_err(|_| "is out of range")?
            .checked_mul(numerator)
            .ok_or("is out of range")?;
        // Kubernetes rounds up finer values than it can represent.
        nanos = nanos.checked_add((part + scale - 1) / scale).ok_or("is out of range")?;
        if nanos > MAX * NANO {
            return Err("is out of range");
        }
        Ok(Self {
            nanos: if negative { -nanos } else { nanos },
            format,
        })
    }

    /// Returns true if it is below zero.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Returns true if it has no fraction.
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Returns true if it is so many whole units.
    pub fn is_multiple_of(self, unit: Unit) -> bool {
        self.nanos % unit.nanos() == 0
    }

    /// The whole units, rounded up; for counts.
    pub fn ceil(self) -> i64 {
        i64::try_from((self.nanos + NANO - 1).div_euclid(NANO)).unwrap_or(i64::MAX)
    }

    /// The amount in units, for ratios and metrics.
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }

    /// The sum, exact although it may be more than Kubernetes can represent.
    pub fn plus(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self {
            nanos: self.nanos + other.nanos,
            format,
        }
    }

    /// The amount so many times, exact although it may be more than Kubernetes can represent.
    pub fn times(self, count: i64) -> Self {
        Self {
            nanos: self.nanos.saturating_mul(i128::from(count)),
            format: self.format,
        }
    }

    /// Returns the rest, never below zero.
    pub fn minus(self, other: Self) -> Self {
        Self {
            nanos: (self.nanos - other.nanos).max(0),
            format: self.format,
        }
    }

    /// Divides into `parts` shares that add up to exactly this amount, in units of `unit`; the rest of the division
    /// goes to the first share.
    pub fn divide(self, parts: usize, unit: Unit) -> Vec<Self> {
        let parts_wide = i128::try_from(parts.max(1)).unwrap_or(1);
        let unit = unit.nanos();
        let share = self.nanos / parts_wide / unit * unit;
        let first = self.nanos - share * (parts_wide - 1);
        (0..parts)
            .map(|i| Self {
                nanos: if i == 0 { first } else { share },
                format: self.format,
            })
            .collect()
    }
}

impl fmt::Display for Amount {
    /// The canonical form: the largest suffix that loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, nanos) = if self.nanos < 0 {
            ("-", -self.nanos)
        } else {
            ("", self.nanos)
        };
        if nanos % NANO != 0 {
            let (value, suffix) = if nanos % 1_000_000 == 0 {
                (nanos / 1_000_000, "m")
            } else if nanos % 1_000 == 0 {
                (nanos / 1_000, "u")
            } else {
                (nanos, "n")
            };
            return write!(f, "{sign}{value}{suffix}");
        }
        let units = nanos / NANO;
        let table = if self.format == Format::Binary {
            &BINARY
        } else {
            &DECIMAL
        };
        match table.iter().rev().find(|(_, factor)| units != 0 && units % factor == 0) {
            Some((suffix, factor)) => write!(f, "{sign}{}{suffix}", units / factor),
            None => write!(f, "{sign}{units}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        Amount::parse(text).map_or_else(|e| e.to_string(), |a| a.to_string())
    }

    #[test]
    fn writes_what_kubernetes_writes() {
        for (text, expected) in [
            ("20", "20"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000", "1k"),
            ("2e3", "2k"),
            ("0", "0"),
            ("+5", "5"),
            (".5", "500m"),
            ("100n", "100n"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for text in [
            "",
            "x",
            "1Zi",
            "1.2.3",
            "Gi",
            "1 Gi",
            "--1",
            "1e",
            "99999999999999999999Ei",
            "1e99",
        ] {
            assert!(Amount::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_rest_of_a_division_goes_to_the_first() {
        let cpu = Amount::parse("20").unwrap().divide(3, Unit::Milli);
        assert_eq!(
            cpu.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["6668m", "6666m", "6666m"]
        );
        let pods = Amount::parse("10").unwrap().divide(3, Unit::One);
        assert_eq!(
            pods.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["4", "3", "3"]
        );
    }

    #[test]
    fn what_is_finer_than_kubernetes_keeps_is_rounded_up() {
        for (text, expected) in [
            ("0.1n", "1n"),
            ("1.0000000001", "1000000001n"),
            ("0.0000000001Ki", "103n"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn amounts_are_equal_however_they_are_written() {
        for (a, b) in [
            ("1Gi", "1073741824"),
            ("1000m", "1"),
            ("1k", "1e3"),
            ("0.5", "500m"),
            ("2E3", "2000"),
        ] {
            assert_eq!(Amount::parse(a).unwrap(), Amount::parse(b).unwrap(), "{a} {b}");
        }
        assert!(Amount::parse("1G").unwrap() < Amount::parse("1Gi").unwrap());
    }

    proptest! {
        #[test]
        fn parsing_the_canonical_form_gives_the_amount(units in 0i64..i64::MAX, fraction in "(|\\.[0-9]{1,9})", suffix in "(|n|u|m|k|M|G|Ki|Mi|Gi|e3|E-2)") {
            if let Ok(amount) = Amount::parse(&format!("{units}{fraction}{suffix}")) {
                let canonical = amount.to_string();
                prop_assert_eq!(Amount::parse(&canonical).unwrap(), amount);
                prop_assert_eq!(Amount::parse(&canonical).unwrap().to_string(), canonical);
            }
        }

        #[test]
        fn shares_add_up(nanos in 0i128..1_000_000_000_000_000_000_000, parts in 1usize..40) {
            let amount = Amount { nanos, format: Format::Decimal };
            let sum = amount.divide(parts, Unit::Milli).into_iter().fold(Amount::ZERO, Amount::plus);
            prop_assert_eq!(sum, amount);
        }
    }
}
