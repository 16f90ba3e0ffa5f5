//! Points in time as Kubernetes writes them, and how far apart they are.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Kubernetes keeps whole seconds.
pub fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Parses a time that others wrote (RFC 3339). [`Timestamp`] lacks the last hours of the year 9999, where certificates without an end have theirs
/// (RFC 5280): those are the last valid time.
pub fn parse(text: &str) -> Option<Timestamp> {
    let last = || {
        let earlier = format!("9998-12-3{}", text.strip_prefix("9999-12-3")?);
        earlier.parse::<Timestamp>().ok().map(|_| seconds(Timestamp::MAX))
    };
    text.parse().ok().or_else(last)
}

/// Returns a time plus a duration; at most the last valid time.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// Returns the shortest wait, doubled so many times; at most the longest.
pub fn doubled((shortest, longest): (Duration, Duration), times: u32) -> Duration {
    shortest.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_second_are_dropped() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(seconds(time("2026-01-01T00:00:00.999Z")), time("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn every_time_of_the_year_9999_is_a_time() {
        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-31t23:59:59.5z",
            "9999-12-31T23:59:59-11:00",
            "9999-12-30T22:00:01Z",
        ] {
            assert_eq!(parse(text), Some(seconds(Timestamp::MAX)), "{text}");
        }
        for text in [
            "9999-12-29T00:00:00Z",
            "2027-01-31T00:00:00+02:00",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), text.parse().ok(), "{text}");
            assert!(parse(text).is_some(), "{text}");
        }
        for text in ["soon", "", "9999-12-3", "9999-12-32T00:00:00Z", "9999-12-31T24:00:01Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_far_off_is_the_end_of_time() {
        let epoch = Timestamp::UNIX_EPOCH;
        assert_eq!(after(epoch, Duration::from_secs(5)).as_second(), 5);
        for endless in [Duration::from_secs(400_000_000_000), Duration::MAX] {
            assert_eq!(after(epoch, endless), Timestamp::MAX);
        }
    }
}
