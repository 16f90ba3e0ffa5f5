//! Parsers of the operator's flags.

use ipnet::IpNet;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

/// The non-empty items of a comma-separated list.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

pub fn cidrs(text: &str) -> Result<Vec<IpNet>, String> {
    items(text)
        .map(|item| {
            item.parse()
                .map_err(|_| format!("{item} is not a CIDR such as 10.0.0.0/8"))
        })
        .collect()
}

pub fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let labels: BTreeMap<_, _> = items(text)
        .map(|item| match item.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!("{item} is not of the form key=value")),
        })
        .collect::<Result<_, _>>()?;
    if labels.is_empty() {
        Err("needs at least one label; otherwise it would select every pod".to_owned())
    } else {
        Ok(labels)
    }
}

pub fn optional(text: &str) -> Result<Option<String>, Infallible> {
    Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned))
}

pub fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<kube::core::Duration>() {
        Ok(duration) if !duration.is_negative() => Ok(duration.into()),
        Ok(_) => Err("must not be negative".to_owned()),
        Err(error) => Err(format!("not a duration such as 15s or 1m30s: {error}")),
    }
}

/// Parses the time between two repetitions of a question.
pub fn pause(text: &str) -> Result<Duration, String> {
    let pause = duration(text)?;
    match pause >= Duration::from_secs(1) {
        true => Ok(pause),
        false => Err("must not be shorter than 1s".to_owned()),
    }
}

/// Parses the time between two tests: below ten seconds, tests would never end.
pub fn period(text: &str) -> Result<Duration, String> {
    let period = duration(text)?;
    match period >= Duration::from_secs(10) {
        true => Ok(period),
        false => Err("must not be shorter than 10s".to_owned()),
    }
}
