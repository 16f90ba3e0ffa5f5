//! Comparison of host names. Pure.

/// Prefix of a name that stands for every name below it.
const ANY: &str = "*.";

/// Returns true if a host, or wildcard, is below a wildcard.
pub fn covers(wildcard: &str, host: &str) -> bool {
    let below = wildcard.strip_prefix('*').filter(|_| wildcard.starts_with(ANY));
    below.is_some_and(|below| wildcard != host && host.ends_with(below))
}

/// Returns true if two hosts have a name in common.
pub fn overlap(a: &str, b: &str) -> bool {
    a == b || covers(a, b) || covers(b, a)
}

/// The wildcards that a host is below, the nearest first.
pub fn above(host: &str) -> impl Iterator<Item = String> {
    let name = host.strip_prefix(ANY).unwrap_or(host);
    let dots = name.match_indices('.').map(|(at, _)| at);
    dots.map(move |at| format!("*{}", &name[at..]))
}

/// Returns true if a host stands for several.
pub fn is_wildcard(host: &str) -> bool {
    host.starts_with(ANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_what_is_below_it_at_any_depth() {
        for (wildcard, host, covered) in [
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "*.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.evilexample.com", false),
            ("*.example.com", "*.example.com", false),
            ("*.b.example.com", "*.example.com", false),
            ("a.example.com", "a.example.com", false),
        ] {
            assert_eq!(covers(wildcard, host), covered, "{wildcard} {host}");
            assert_eq!(above(host).any(|above| above == wildcard), covered, "{wildcard} {host}");
        }
        assert!(overlap("a.example.com", "a.example.com") && overlap("a.example.com", "*.example.com"));
        assert!(!overlap("a.example.com", "b.example.com"));
    }
}
