//! Kubernetes' own rules on the contents of pods and Services: the API server would refuse the operator's object, and the tenant would learn it late.
//! Source: `k8s.io/kubernetes/pkg/apis/core/validation`.

mod autoscaling;
mod environment;
mod ports;
mod probes;
mod resources;
mod security;
mod volumes;

use crate::api::Workload;
use crate::syntax::Check;

/// The faults of one workload: the part with its path, and the message.
#[derive(Default)]
pub struct Faults(pub Vec<(String, String)>);

impl Faults {
    fn say(&mut self, part: impl Into<String>, message: impl Into<String>) {
        self.0.push((part.into(), message.into()));
    }

    /// Checks a name, and shows its beginning.
    fn name(&mut self, part: impl Into<String>, text: &str, check: fn(&str) -> Check) {
        if let Err(rule) = check(text) {
            self.say(part, format!("{text:.80?}: {rule}"));
        }
    }

    /// Checks a name that must not be empty.
    fn required(&mut self, part: impl Into<String>, text: &str, check: fn(&str) -> Check) {
        let part = part.into();
        match text.is_empty() {
            true => self.say(part, "is missing"),
            false => self.name(part, text, check),
        }
    }

    /// Checks a value that is one of a few words; an empty one is absent.
    fn word(&mut self, part: impl Into<String>, text: Option<&str>, known: &[&str]) {
        if let Some(text) = text.filter(|text| !text.is_empty() && !known.contains(text)) {
            self.say(part, format!("{text:.80?} is none of {}", known.join(", ")));
        }
    }

    /// Checks that exactly one of several sources is there.
    fn exactly_one(&mut self, part: impl Into<String>, sources: &[bool], what: &str) {
        match sources.iter().filter(|is_there| **is_there).count() {
            1 => {}
            0 => self.say(part, format!("needs one of {what}")),
            _ => self.say(part, format!("has more than one of {what}")),
        }
    }
}

/// Returns the faults of a workload.
pub fn faults(workload: &Workload) -> Vec<(String, String)> {
    let mut faults = Faults::default();
    if let Some(image) = workload.image.as_deref().filter(|image| image.trim() != *image) {
        faults.say(
            ".image",
            format!("{image:.80?}: must not have leading or trailing whitespace"),
        );
    }
    autoscaling::check(workload, &mut faults);
    ports::check(workload, &mut faults);
    probes::check(workload, &mut faults);
    environment::check(workload, &mut faults);
    volumes::check(workload, &mut faults);
    resources::check(workload, &mut faults);
    security::check(workload, &mut faults);
    faults.0
}

/// Accepts every text.
fn any(_: &str) -> Check {
    Ok(())
}

#[cfg(test)]
#[path = "rules_test.rs"]
mod tests;
