//! The unit in which the quantity of a resource is divided. Pure.

use super::{Amount, NANO};

/// The smallest share that makes sense of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Thousandths: CPU.
    Milli,
    /// Whole units: bytes, objects.
    One,
    /// Pages of this many bytes: hugepages.
    Page(i64),
}

impl Unit {
    pub(super) fn nanos(self) -> i128 {
        match self {
            Self::Milli => NANO / 1_000,
            Self::One => NANO,
            Self::Page(bytes) => i128::from(bytes) * NANO,
        }
    }

    /// The unit of a ResourceQuota key.
    pub fn of(resource: &str) -> Self {
        if matches!(resource, "cpu" | "requests.cpu" | "limits.cpu") {
            return Self::Milli;
        }
        let pages = resource
            .strip_prefix("requests.")
            .unwrap_or(resource)
            .strip_prefix(HUGEPAGES);
        match pages.map(Amount::parse) {
            Some(Ok(size)) if size > Amount::ZERO => Self::Page(size.ceil()),
            _ => Self::One,
        }
    }
}

/// The names of hugepages begin so, and end in the size of a page.
const HUGEPAGES: &str = "hugepages-";

/// Returns true for pages of a size, such as `hugepages-2Mi`.
pub fn is_hugepages(resource: &str) -> bool {
    matches!(Unit::of(resource), Unit::Page(_)) && resource.starts_with(HUGEPAGES)
}

/// Returns true for a resource that others than Kubernetes provide, such as `nvidia.com/gpu`.
pub fn is_extended(resource: &str) -> bool {
    resource.contains('/')
        && !resource.contains("kubernetes.io/")
        && !resource.starts_with("requests.")
        && !resource.starts_with("limits.")
        && !resource.starts_with("count/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugepages_are_divided_in_pages() {
        for (key, amount, parts, expected) in [
            ("hugepages-2Mi", "8Mi", 3, vec!["4Mi", "2Mi", "2Mi"]),
            ("requests.hugepages-1Gi", "2Gi", 3, vec!["2Gi", "0", "0"]),
            ("requests.nvidia.com/gpu", "4", 3, vec!["2", "1", "1"]),
            ("requests.memory", "1Gi", 2, vec!["512Mi", "512Mi"]),
        ] {
            let shares = Amount::parse(amount).unwrap().divide(parts, Unit::of(key));
            assert_eq!(
                shares.iter().map(ToString::to_string).collect::<Vec<_>>(),
                expected,
                "{key}"
            );
        }
        for (name, is_one) in [
            ("hugepages-2Mi", true),
            ("hugepages-", false),
            ("hugepages-x", false),
            ("memory", false),
        ] {
            assert_eq!(is_hugepages(name), is_one, "{name}");
        }
    }
}
