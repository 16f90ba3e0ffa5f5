//! Resources from YAML files or standard input.

use super::definitions::{Cause, Definitions};
use crate::api::{DatabaseServer, Tenant, TenantTier};
use crate::capability::family::{Links, Relatives};
use crate::names::GROUP;
use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::io::Read;
use std::sync::Arc;

/// The version of the resources.
const VERSION: &str = "v1alpha1";

/// Resources from the input.
#[derive(Default)]
pub struct Resources {
    pub tenants: Vec<Tenant>,
    pub tiers: Vec<TenantTier>,
    pub servers: Vec<DatabaseServer>,
    /// Services of shared applications.
    pub services: Vec<Service>,
    pub refused: Refused,
}

impl Relatives for Resources {
    fn tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        let mut tenants = self.tenants.iter();
        tenants.find(|tenant| tenant.name_any() == name).cloned().map(Arc::new)
    }

    fn tier(&self, tenant: &Tenant) -> Option<Arc<TenantTier>> {
        let mut tiers = self.tiers.iter();
        tiers
            .find(|tier| tier.name_any() == tenant.spec.tier)
            .cloned()
            .map(Arc::new)
    }

    fn children(&self, parent: &str) -> Vec<String> {
        let mut links = Links::default();
        let is_child = |tenant: &&Tenant| tenant.spec.parent.as_deref() == Some(parent);
        self.tenants
            .iter()
            .filter(is_child)
            .for_each(|tenant| links.put(tenant));
        links.children(parent)
    }
}

/// Reasons why resources are refused, by `<kind> <name>`.
#[derive(Default)]
pub struct Refused(BTreeMap<String, Vec<String>>);

impl Refused {
    /// Adds a reason, unless the API server names the same field.
    pub fn add(&mut self, resource: String, field: &str, reason: String) {
        let reasons = self.0.entry(resource).or_default();
        if !reasons.iter().any(|known| known.starts_with(&format!("{field}: "))) {
            reasons.push(reason);
        }
    }

    /// Returns true if this resource has a reason.
    pub fn contains(&self, resource: &str) -> bool {
        self.0.contains_key(resource)
    }

    /// Fails with every reason.
    ///
    /// # Errors
    /// Any reason against any resource.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => bail!("{self}"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (resource, reasons)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{resource} is invalid:")?;
            for reason in reasons {
                write!(f, "\n  {reason}")?;
            }
        }
        Ok(())
    }
}

/// The name of a resource in messages.
pub fn resource(kind: &str, name: Option<&str>) -> String {
    format!("{kind} {}", name.unwrap_or("without a name"))
}

/// Reads every document of every file; `-` is standard input. The API server's reasons against a resource are in `refused`.
///
/// # Errors
/// A file that cannot be read, YAML that is malformed, another kind.
pub fn read(files: &[String]) -> anyhow::Result<Resources> {
    let definitions = Definitions::new()?;
    let mut resources = Resources::default();
    for file in files {
        let text = match file.as_str() {
            "-" => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("cannot read standard input")?;
                text
            }
            path => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
        };
        parse(&text, &definitions, &mut resources).with_context(|| file.clone())?;
    }
    Ok(resources)
}

/// Returns the values of a text's documents. JSON is read as JSON: YAML has no characters that JSON escapes in two halves (`\ud83c\udfe2`).
fn values(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<_> = split(text).into_iter().map(|text| (text, json(text))).collect();
    if documents.iter().all(|(_, json)| json.is_none()) {
        return yaml(text);
    }
    let mut values = Vec::new();
    for (text, json) in documents {
        match json {
            Some(json) => values.extend(json),
            None => values.extend(yaml(text)?),
        }
    }
    Ok(values)
}

/// Splits at YAML's markers, each a line that begins with `---`. Documents without content are left out.
fn split(text: &str) -> Vec<&str> {
    let (mut documents, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        let marker = line.strip_prefix("---");
        if marker.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            documents.push(text.get(start..at));
            start = at + "---".len();
        }
        at += line.len();
    }
    documents.push(text.get(start..));
    let has_content = |text: &&str| {
        let mut lines = text.lines().map(str::trim);
        lines.any(|line| !line.is_empty() && !line.starts_with('#'))
    };
    documents.into_iter().flatten().filter(has_content).collect()
}

/// Reads JSON values, one after the other; None where the text is not JSON.
fn json(text: &str) -> Option<Vec<Value>> {
    let is_json = text.trim_start().starts_with('{');
    let values = is_json.then(|| serde_json::Deserializer::from_str(text).into_iter())?;
    values.collect::<Result<_, _>>().ok()
}

fn yaml(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents = serde_yaml::Deserializer::from_str(text);
    Ok(documents.map(Value::deserialize).collect::<Result<_, _>>()?)
}

fn parse(text: &str, definitions: &Definitions, resources: &mut Resources) -> anyhow::Result<()> {
    for value in values(text)? {
        if value.is_null() {
            continue;
        }
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        let (version, kind) = (field("apiVersion"), field("kind"));
        let name = value.pointer("/metadata/name").and_then(Value::as_str);
        let resource = resource(&kind, name);
        let refused = &mut resources.refused;
        match (version == format!("{GROUP}/{VERSION}"), kind.as_str()) {
            (true, "Tenant") => {
                resources
                    .tenants
                    .extend(typed(&resource, definitions.causes(&kind, &value), value, refused)?)
            }
            (true, "TenantTier") => {
                resources
                    .tiers
                    .extend(typed(&resource, definitions.causes(&kind, &value), value, refused)?)
            }
            (true, "DatabaseServer") => {
                resources
                    .servers
                    .extend(typed(&resource, definitions.causes(&kind, &value), value, refused)?)
            }
            (false, "Service") if version == "v1" => resources
                .services
                .push(serde_json::from_value(value).with_context(|| resource)?),
            _ => bail!(
                "{version} {kind} is no Tenant, TenantTier or DatabaseServer of {GROUP}/{VERSION}, and no Service"
            ),
        }
    }
    Ok(())
}

/// Decodes a resource. One that the API server refuses may be decodable all the same; then this program's own rules apply to it too.
fn typed<T: DeserializeOwned>(
    resource: &str,
    causes: Vec<Cause>,
    value: Value,
    refused: &mut Refused,
) -> anyhow::Result<Option<T>> {
    let is_accepted = causes.is_empty();
    let reasons = causes.iter().map(Cause::to_string);
    if !is_accepted {
        refused.0.entry(resource.to_string()).or_default().extend(reasons);
    }
    match serde_json::from_value(value) {
        Ok(typed) => Ok(Some(typed)),
        Err(_) if !is_accepted => Ok(None),
        Err(error) => Err(error).with_context(|| resource.to_string()),
    }
}
