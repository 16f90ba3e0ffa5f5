//! Quantities as numbers.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

const SUFFIXES: [(&str, f64); 13] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// NaN when it is none, which no comparison survives.
pub fn number(value: &Value) -> f64 {
    if let Some(number) = value.as_f64() {
        return number;
    }
    let text = value.as_str().unwrap_or_default();
    let split = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)));
    let (digits, factor) = split.unwrap_or((text, &1.0));
    digits.parse::<f64>().unwrap_or(f64::NAN) * factor
}

/// The amounts that a ResourceQuota enforces are these.
pub fn ensure_hard(quota: &Value, wanted: &[(&str, &str)]) -> Result<()> {
    for (key, value) in wanted {
        let hard = &quota["status"]["hard"][key];
        ensure!(
            number(hard) == number(&json!(value)),
            "{}: {key} is {hard}, not {value}",
            quota["metadata"]["namespace"]
        );
    }
    Ok(())
}
