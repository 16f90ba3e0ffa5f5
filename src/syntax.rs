//! The names that Kubernetes accepts in its objects, with its own messages.
//! Source: `k8s.io/apimachinery/pkg/util/validation`.

/// Nothing, or the rule that a text breaks.
pub type Check = Result<(), &'static str>;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const PREFIX_PART: &str = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";

fn is_lower(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Returns true if the text consists of these characters, and has a letter or digit at both ends.
fn is_framed(text: &str, inner: impl Fn(u8) -> bool) -> bool {
    let ends = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    bytes.iter().all(|c| inner(*c)) && ends(bytes.first()) && ends(bytes.last())
}

/// A DNS label (RFC 1123).
pub fn dns_label(text: &str) -> Check {
    match text.len() > 63 {
        true => Err("must be no more than 63 characters"),
        false if is_framed(text, |c| is_lower(c) || c == b'-') => Ok(()),
        false => Err(LABEL),
    }
}

/// Returns true if the text is a DNS label: the name of a namespace or a Service.
pub fn is_dns_label(text: &str) -> bool {
    dns_label(text).is_ok()
}

fn is_subdomain(text: &str) -> bool {
    text.split('.')
        .all(|part| is_framed(part, |c| is_lower(c) || c == b'-'))
}

/// A DNS subdomain (RFC 1123): the name of most objects.
pub fn dns_subdomain(text: &str) -> Check {
    match text.len() > 253 {
        true => Err("must be no more than 253 characters"),
        false if is_subdomain(text) => Ok(()),
        false => Err(SUBDOMAIN),
    }
}

/// The key of a label or annotation, or the name of a resource.
pub fn qualified_name(text: &str) -> Check {
    let mut parts = text.split('/');
    let (prefix, name) = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => (None, name),
        (Some(prefix), Some(name), None) => (Some(prefix), name),
        _ => return Err(QUALIFIED),
    };
    match prefix {
        Some("") => return Err("prefix part must be non-empty"),
        Some(prefix) if prefix.len() > 253 => return Err("prefix part must be no more than 253 bytes"),
        Some(prefix) if !is_subdomain(prefix) => return Err(PREFIX_PART),
        _ => {}
    }
    match name {
        "" => Err("name part must be non-empty"),
        name if name.len() > 63 => Err("name part must be no more than 63 bytes"),
        name if is_framed(name, is_name_character) => Ok(()),
        _ => Err(NAME_PART),
    }
}

fn is_name_character(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')
}

/// The value of a label.
pub fn label_value(text: &str) -> Check {
    match text.len() > 63 {
        true => Err("must be no more than 63 bytes"),
        false if text.is_empty() || is_framed(text, is_name_character) => Ok(()),
        false => Err(LABEL_VALUE),
    }
}

/// The name of a port (`IANA_SVC_NAME`, RFC 6335).
pub fn port_name(text: &str) -> Check {
    let bytes = text.as_bytes();
    match () {
        () if bytes.len() > 15 => Err("must be no more than 15 characters"),
        () if bytes.is_empty() || !bytes.iter().all(|c| is_lower(*c) || *c == b'-') => {
            Err("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
        }
        () if !bytes.iter().any(u8::is_ascii_lowercase) => Err("must contain at least one letter (a-z)"),
        () if text.contains("--") => Err("must not contain consecutive hyphens"),
        () if text.starts_with('-') || text.ends_with('-') => Err("must not begin or end with a hyphen"),
        () => Ok(()),
    }
}

/// The name of an environment variable.
pub fn variable_name(text: &str) -> Check {
    match !text.is_empty() && text.bytes().all(|c| matches!(c, b' '..=b'~') && c != b'=') {
        true => Ok(()),
        false => {
            Err("a valid environment variable name must consist only of printable ASCII characters other than '='")
        }
    }
}

/// A key of a ConfigMap or Secret.
pub fn config_key(text: &str) -> Check {
    match () {
        () if text.len() > 253 => Err("must be no more than 253 characters"),
        () if text == "." => Err("must not be '.'"),
        () if text.starts_with("..") => Err("must not start with '..'"),
        () if text.is_empty() || !text.bytes().all(is_name_character) => {
            Err("a valid config key must consist of alphanumeric characters, '-', '_' or '.'")
        }
        () => Ok(()),
    }
}

/// A path within a volume.
pub fn path_within(text: &str) -> Check {
    match () {
        () if text.starts_with('/') => Err("must be a relative path"),
        () if text.split('/').any(|part| part == "..") => Err("must not contain '..'"),
        () => Ok(()),
    }
}

/// The name of an HTTP header.
pub fn header_name(text: &str) -> Check {
    match !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
        true => Ok(()),
        false => Err("a valid HTTP header must consist of alphanumeric characters or '-'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(check: fn(&str) -> Check, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(check(text), Ok(()), "{text:?}");
        }
        for text in bad {
            assert!(check(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_kind_of_name_has_kubernetes_own_syntax() {
        let long = |length: usize| "a".repeat(length);
        all(
            port_name,
            &["a", "http", "a-b", "1a", "a1", "8080-a", "abcdefghijklmno"],
            &["", "8080", "1-2", "a--b", "-a", "a-", "A", "a_b", "a.b", "é", &long(16)],
        );
        all(
            dns_label,
            &["a", "0", "a-b", &long(63)],
            &["", "-a", "a-", "A", "a.b", &long(64)],
        );
        all(
            dns_subdomain,
            &["a", "a.b", "0.a-b", &long(253)],
            &["", ".", "a..b", "a.-b", "A", "a_b", &long(254)],
        );
        all(
            qualified_name,
            &["a", "A.b_c-d", "example.com/a", &long(63), &format!("{}/a", long(253))],
            &[
                "",
                "/a",
                "a/",
                "a/b/c",
                "A/b",
                "-a",
                "a-",
                "a b",
                &long(64),
                &format!("{}/a", long(254)),
            ],
        );
        all(
            label_value,
            &["", "A_b.c-d", &long(63)],
            &["-", "a b", "a/b", &long(64)],
        );
        all(variable_name, &["A", "a.b", "1", "a b"], &["", "a=b", "é", "a\nb"]);
        all(
            config_key,
            &["a", ".a", "a..b", "A_b-c.d"],
            &["", ".", "..", "..a", "a/b", &long(254)],
        );
        all(path_within, &["a", "a/b", "", "a/..b"], &["/a", "..", "a/../b", "../a"]);
        all(header_name, &["X-A", "host"], &["", "a b", "a_b", "a:"]);
    }
}
