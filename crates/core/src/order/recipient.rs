//! To whom the goods go, and the rules that an address must keep.

use super::{Findings, place};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// Where the goods go. Every field is private; see [`crate::private`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
#[zeroize(drop)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Street and house number.
    pub address_line1: String,
    /// Flat, floor, care of; may be empty.
    #[serde(default)]
    pub address_line2: String,
    /// Postal code.
    pub zip_code: String,
    /// Town.
    pub city: String,
    /// State or county. The provider wants one for every country (Zinc v1, 2.2).
    pub state: String,
    /// ISO 3166 code of two letters.
    pub country: String,
    /// With country code or as dialled in the country.
    pub phone_number: String,
    /// For the carrier; may be empty.
    #[serde(default)]
    pub instructions: String,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<private>")
    }
}

impl Recipient {
    /// Reports every field that breaks a rule.
    pub(super) fn check(&self, found: &mut Findings) {
        found.line("recipient.first_name", &self.first_name, 1, 60);
        found.line("recipient.last_name", &self.last_name, 1, 60);
        found.line("recipient.address_line1", &self.address_line1, 1, 100);
        found.line("recipient.address_line2", &self.address_line2, 0, 100);
        found.line("recipient.zip_code", &self.zip_code, 1, 20);
        found.line("recipient.city", &self.city, 1, 60);
        found.line("recipient.state", &self.state, 1, 60);
        found.line("recipient.phone_number", &self.phone_number, 5, 30);
        found.text("recipient.instructions", &self.instructions, 0, 240);
        if !place::is_country(&self.country) {
            found.add("recipient.country", "must be an ISO 3166 code of two capital letters");
        }
        if self.country == "US" && !place::is_usps_code(&self.state) {
            found.add(
                "recipient.state",
                "must be a USPS code of two capital letters for country US",
            );
        }
        if self.phone_number.chars().filter(char::is_ascii_digit).count() < 5 {
            found.add("recipient.phone_number", "must have at least 5 digits");
        }
    }
}
