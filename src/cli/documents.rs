//! YAML that every reader understands alike. `kubectl` reads YAML 1.1, in which `yes`, `off` and `1_000` are no texts: this quotes every ambiguous text.

use serde_json::Value;
use std::fmt::Write;

/// A multi-document stream.
pub fn yaml<'a>(documents: impl IntoIterator<Item = &'a Value>) -> String {
    let mut out = String::new();
    for document in documents {
        out.push_str("---\n");
        node(document, 0, &mut out);
    }
    out
}

/// Key at the beginning of a line, or after a dash.
fn node(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (i, (key, value)) in map.iter().enumerate() {
                let width = if i == 0 && out.ends_with("- ") { 0 } else { indent };
                let _ = write!(out, "{:width$}{}:", "", text(key));
                // A list stands as far left as its key.
                let deeper = if value.is_array() { indent } else { indent + 2 };
                child(value, deeper, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                let width = if i == 0 && out.ends_with("- ") { 0 } else { indent };
                let _ = write!(out, "{:width$}- ", "");
                node(item, indent + 2, out);
            }
        }
        scalar => {
            out.push_str(&plain(scalar));
            out.push('\n');
        }
    }
}

/// Text after a key.
fn child(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => out.push('\n'),
        Value::Array(items) if !items.is_empty() => out.push('\n'),
        _ => out.push(' '),
    }
    node(value, indent, out);
}

/// A scalar, or an empty list or object.
fn plain(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// A text as it is where nobody can take it for anything else; otherwise as in JSON, which is YAML too.
fn text(text: &str) -> String {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':' | '@');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(harmless)
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_string() } else { quoted(text) }
}

/// Escapes control characters that JSON leaves as they are and YAML refuses, and those that some readers take for the end of a line.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    fn parsed(text: &str) -> Vec<Value> {
        serde_yaml::Deserializer::from_str(text)
            .map(|document| Value::deserialize(document).expect(text))
            .collect()
    }

    #[test]
    fn it_reads_as_people_write_it() {
        let value = json!({"a": {"b": [], "c": {}, "d": null}, "list": [1, "x", {"k": "v", "l": ["m"]}, ["o"], []], "image": "web:1.0", "n": 1.5});
        let expected = "---\na:\n  b: []\n  c: {}\n  d: null\nimage: web:1.0\nlist:\n- 1\n- x\n- k: v\n  l:\n  - m\n- - o\n- []\n\"n\": 1.5\n";
        assert_eq!(yaml([&value]), expected);
        assert_eq!(parsed(&yaml([&value, &value])), [value.clone(), value]);
    }

    #[test]
    fn what_other_readers_take_for_something_else_is_quoted() {
        for text in [
            "",
            " ",
            "y",
            "N",
            "yes",
            "No",
            "on",
            "OFF",
            "true",
            "null",
            "~",
            "1",
            "1_000",
            "0x1f",
            "0o7",
            "010",
            "1:30",
            ".5",
            ".inf",
            "+1",
            "2001-01-01",
            "a: b",
            "a #b",
            "a:",
            "- a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "a\nb",
            "\u{7f}",
            "é",
            "=",
            "<<",
        ] {
            let written = yaml([&json!({"key": text})]);
            assert!(written.starts_with("---\nkey: \""), "{written}");
            assert_eq!(parsed(&written), [json!({"key": text})]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_it_was(key in ".{0,12}", value in "(?s).{0,24}", word in "[a-zA-Z/][a-zA-Z0-9./:@_-]{0,8}") {
            let value = json!({&key: [value, {&key: word}], "word": word});
            prop_assert_eq!(parsed(&yaml([&value])), [value]);
        }
    }
}
