//! The formats of texts, as the API server evaluates them: `k8s.io/kube-openapi/pkg/validation/strfmt`.

use k8s_openapi::jiff::civil::Date;

/// Returns true for a date and a time of day with a zone. The API server is more lenient than RFC 3339, but takes no leap second.
pub fn is_date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut parts = text.split('t');
    match (parts.next(), parts.next()) {
        (Some(date), Some(time)) => is_date(date) && is_time(time),
        _ => false,
    }
}

fn is_date(text: &str) -> bool {
    is_like(text, "0000-00-00") && text.parse::<Date>().is_ok()
}

/// A time of day, a fraction after any character, and a zone.
fn is_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else {
        return false;
    };
    let is_clock = is_like(clock, "00:00:00")
        && clock.get(..2) <= Some("23")
        && clock.get(3..5) <= Some("59")
        && clock.get(6..) <= Some("59");
    let fraction = rest.strip_prefix(|c: char| c != '\n').unwrap_or_default();
    let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    is_clock && (is_zone(rest) || (zone.len() < fraction.len() && is_zone(zone)))
}

fn is_zone(text: &str) -> bool {
    text == "z" || ["+00:00", "-00:00"].iter().any(|zone| is_like(text, zone))
}

/// Returns true where a text has a digit at each zero of the form, and elsewhere the same characters.
fn is_like(text: &str, form: &str) -> bool {
    let is_same = |(found, wanted): (u8, u8)| found == wanted || (wanted == b'0' && found.is_ascii_digit());
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_api_server() {
        for text in [
            "2027-01-31T00:00:00Z",
            "2027-01-31t23:59:59.123456789z",
            "2028-02-29T00:00:00+99:99",
            "0000-01-01T00:00:00x0-00:00",
            "9999-12-31T23:59:59Z",
            "2027-01-31T00:00:00Ztt",
        ] {
            assert!(is_date_time(text), "{text}");
        }
        for text in [
            "",
            "soon",
            "2027-01-31",
            "2027-01-31T00:00Z",
            "2027-01-31T00:00:00",
            "2027-01-31 00:00:00Z",
            "2016-12-31T23:59:60Z",
            "2027-01-31T24:00:00Z",
            "2027-01-31T00:60:00Z",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "27-01-31T00:00:00Z",
            "2027-1-31T00:00:00Z",
            "2027-01-31T00:00:00.Z",
            "2027-01-31T00:00:00\n5Z",
            "2027-01-31T00:00:00+1:00",
            "2027-01-31T00:00:0éZ",
        ] {
            assert!(!is_date_time(text), "{text}");
        }
    }
}
