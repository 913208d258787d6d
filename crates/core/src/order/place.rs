//! The two lists of places that an address is checked against.
//!
//! Both change every few years; a code that is missing here is refused by name, never guessed.

/// ISO 3166-1, alpha-2: the 249 codes that are officially assigned. Source: ISO's Online Browsing
/// Platform, as of 2024; equal to `iso3166.tab` of the time zone database.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// What the United States Postal Service writes after the town: states, the District of Columbia,
/// territories, freely associated states and the three codes of the forces. Source: USPS
/// Publication 28, appendix B.
const USPS_CODES: &str = "\
    AA AE AK AL AP AR AS AZ CA CO CT DC DE FL FM GA GU HI IA ID IL IN KS KY LA MA MD ME MH MI MN MO \
    MP MS MT NC ND NE NH NJ NM NV NY OH OK OR PA PR PW RI SC SD TN TX UT VA VI VT WA WI WV WY";

/// Whether ISO 3166 has assigned this code of two capital letters to a country.
pub(super) fn is_country(code: &str) -> bool {
    COUNTRIES.split(' ').any(|known| known == code)
}

/// Whether the USPS knows this code of two capital letters.
pub(super) fn is_usps_code(code: &str) -> bool {
    USPS_CODES.split(' ').any(|known| known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_whole_and_in_order() {
        for (list, length) in [(COUNTRIES, 249), (USPS_CODES, 62)] {
            let codes: Vec<&str> = list.split(' ').collect();
            assert_eq!(codes.len(), length);
            assert!(codes.is_sorted_by(|a, b| a < b));
            assert!(codes.iter().all(|code| {
                code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_uppercase())
            }));
        }
    }

    #[test]
    fn a_code_that_nobody_assigned_is_unknown() {
        assert!(["US", "GB", "DE", "MX", "CA", "ZW"].into_iter().all(is_country));
        for unknown in ["XX", "UK", "EU", "us", "", " ", "U", "USA", "AD AE"] {
            assert!(!is_country(unknown), "{unknown}");
        }
        assert!(["OR", "NY", "DC", "PR", "AE", "WY"].into_iter().all(is_usps_code));
        for unknown in ["99", "or", "Or", "UM", "", "Oregon", "AA AE"] {
            assert!(!is_usps_code(unknown), "{unknown}");
        }
    }
}
