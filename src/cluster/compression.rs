//! Texts that are much alike, kept small: each compressed against the first of its kind.
//!
//! Objects of two tenants differ by little more than names, so compression leaves a tenth or a fifth of the text.

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};

/// A text, compressed.
pub struct Packed {
    bytes: Box<[u8]>,
}

/// The text that others of its kind are compressed against: the first. It stays as it is while the process lives.
#[derive(Default)]
pub struct Sample(Option<Box<[u8]>>);

impl Sample {
    /// Compresses a text.
    pub fn pack(&mut self, text: &str) -> Packed {
        let sample = self.0.get_or_insert_with(|| text.as_bytes().into());
        let bytes = compress_prepend_size_with_dict(text.as_bytes(), sample);
        Packed { bytes: bytes.into() }
    }

    /// The text again; None where it was compressed against another sample.
    pub fn unpack(&self, packed: &Packed) -> Option<String> {
        let sample = self.0.as_ref()?;
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
        let mut sample = Sample::default();
        let first = sample.pack(&policy("tenant-a"));
        let second = sample.pack(&policy("another"));
        assert!(
            second.bytes.len() < policy("another").len() / 3,
            "{} bytes",
            second.bytes.len()
        );
        assert_eq!(sample.unpack(&first), Some(policy("tenant-a")));
        assert_eq!(sample.unpack(&second), Some(policy("another")));
    }

    #[test]
    fn any_text_is_kept() {
        let mut sample = Sample::default();
        for text in ["", "{}", "ü", &"x".repeat(300_000), &policy("a")] {
            let packed = sample.pack(text);
            assert_eq!(sample.unpack(&packed).as_deref(), Some(text));
        }
        let packed = sample.pack("{}");
        assert_eq!(Sample::default().unpack(&packed), None);
    }
}
