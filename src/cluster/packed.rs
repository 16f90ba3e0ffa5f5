//! Texts that are much alike, kept small: each compressed against the first of its kind.
//!
//! Objects of two tenants differ by little more than names, so compression leaves a tenth or a fifth of the text.

use super::Kind;
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use std::collections::HashMap;

/// A text, compressed.
pub struct Packed {
    bytes: Box<[u8]>,
}

/// The texts that others are compressed against; they stay as they are while the process lives.
#[derive(Default)]
pub struct Samples {
    texts: HashMap<Kind, Box<[u8]>>,
}

impl Samples {
    /// Compresses a text against the first of its kind.
    pub fn pack(&mut self, kind: Kind, text: &str) -> Packed {
        let sample = self.texts.entry(kind).or_insert_with(|| text.as_bytes().into());
        let bytes = compress_prepend_size_with_dict(text.as_bytes(), sample);
        Packed { bytes: bytes.into() }
    }

    /// The text again, of the kind that it was packed as.
    pub fn unpack(&self, kind: Kind, packed: &Packed) -> Option<String> {
        let sample = self.texts.get(&kind)?;
        String::from_utf8(decompress_size_prepended_with_dict(&packed.bytes, sample).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(tenant: &str) -> String {
        format!(
            r#"{{"metadata":{{"name":"egress","namespace":"{tenant}","labels":{{"tenant-operator.io/tenant":"{tenant}"}}}},
            "spec":{{"podSelector":{{}},"policyTypes":["Egress"],"egress":[{{"to":[{{"ipBlock":{{"cidr":"203.0.113.0/24"}}}}]}}]}}}}"#
        )
    }

    #[test]
    fn what_is_alike_takes_little_and_comes_back_as_it_was() {
        let mut samples = Samples::default();
        let first = samples.pack(Kind::NetworkPolicy, &policy("tenant-a"));
        let second = samples.pack(Kind::NetworkPolicy, &policy("another"));
        assert!(
            second.bytes.len() < policy("another").len() / 3,
            "{} bytes",
            second.bytes.len()
        );
        assert_eq!(samples.unpack(Kind::NetworkPolicy, &first), Some(policy("tenant-a")));
        assert_eq!(samples.unpack(Kind::NetworkPolicy, &second), Some(policy("another")));
    }

    #[test]
    fn any_text_is_kept() {
        let mut samples = Samples::default();
        for text in ["", "{}", "ü", &"x".repeat(300_000), &policy("a")] {
            let packed = samples.pack(Kind::ConfigMap, text);
            assert_eq!(samples.unpack(Kind::ConfigMap, &packed).as_deref(), Some(text));
        }
        let packed = samples.pack(Kind::Service, "{}");
        assert_eq!(samples.unpack(Kind::Deployment, &packed), None);
    }
}
