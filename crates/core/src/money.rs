//! Amounts of money: integers in the smallest unit of a currency, never a fraction. // G8
//!
//! Promise: no amount here passes through floating point, and every sum that leaves the range is
//! an error instead of a wrap.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount in the smallest unit of its currency (pence, cents).
pub type Minor = i64;

/// The largest amount we accept for one order: ten million major units. A limit on input, far
/// below what `bigint` holds, so that sums over millions of orders cannot overflow.
pub const AMOUNT_MINOR_MAX: Minor = 1_000_000_000;

/// A currency that a retailer of the provider sells in; all of them have two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// United States dollar.
    Usd,
    /// Pound sterling.
    Gbp,
    /// Canadian dollar.
    Cad,
    /// Euro.
    Eur,
    /// Mexican peso.
    Mxn,
}

impl Currency {
    /// Every currency we know.
    pub const ALL: [Self; 5] = [Self::Usd, Self::Gbp, Self::Cad, Self::Eur, Self::Mxn];

    /// The ISO 4217 code in upper case, as the database stores it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Gbp => "GBP",
            Self::Cad => "CAD",
            Self::Eur => "EUR",
            Self::Mxn => "MXN",
        }
    }

    /// Reads an ISO code in either case.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code().eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Something else than digits with at most one decimal point.
    #[error("is not a decimal number such as 12.50")]
    NotDecimal,
    /// More precise than the currency's smallest unit.
    #[error("has more than two decimals")]
    TooPrecise,
    /// Beyond [`AMOUNT_MINOR_MAX`].
    #[error("is larger than 10000000.00")]
    TooLarge,
}

/// Reads a decimal text such as `2.55` or `-1` into minor units, digit by digit. // C7
pub fn parse_decimal(text: &str) -> Result<Minor, AmountError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let decimal = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !decimal(whole) || !decimal(fraction) || digits.ends_with('.') {
        return Err(AmountError::NotDecimal);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 2 {
        return Err(AmountError::TooPrecise);
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > 8 {
        return Err(AmountError::TooLarge);
    }
    let number = |s: &str| s.bytes().fold(0, |sum: Minor, b| sum * 10 + Minor::from(b - b'0'));
    let cents = if fraction.len() == 1 { number(fraction) * 10 } else { number(fraction) };
    let amount = number(whole) * 100 + cents;
    if amount > AMOUNT_MINOR_MAX {
        return Err(AmountError::TooLarge);
    }
    Ok(if negative { -amount } else { amount })
}

/// Writes minor units as a decimal with two places, for people.
pub fn format_decimal(amount: Minor) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let magnitude = amount.unsigned_abs();
    format!("{sign}{}.{:02}", magnitude / 100, magnitude % 100)
}

/// `quantity × unit price`, or nothing when it leaves the accepted range.
pub fn line_total(quantity: i64, unit_price_minor: Minor) -> Option<Minor> {
    quantity.checked_mul(unit_price_minor).filter(|sum| (0..=AMOUNT_MINOR_MAX).contains(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_without_a_fraction_of_a_penny_lost() {
        for (text, minor) in [
            ("2.55", 255),
            ("0.1", 10),
            ("7", 700),
            ("-1.25", -125),
            ("0010.50", 1050),
            ("1.500", 150),
        ] {
            assert_eq!(parse_decimal(text), Ok(minor), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_says_why() {
        for text in ["", ".", "1.", ".5", "1e3", "1,50", " 1", "--1", "1.2.3", "£1", "NaN"] {
            assert_eq!(parse_decimal(text), Err(AmountError::NotDecimal), "{text:?}");
        }
        assert_eq!(parse_decimal("1.005"), Err(AmountError::TooPrecise));
        assert_eq!(parse_decimal("10000000.01"), Err(AmountError::TooLarge));
        assert_eq!(parse_decimal("99999999999999999999"), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn window_c7_every_amount_survives_being_written_and_read(amount in -AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX) {
            prop_assert_eq!(parse_decimal(&format_decimal(amount)), Ok(amount));
        }
    }
}
