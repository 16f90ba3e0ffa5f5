//! Everything that is served, tried by one identity with real requests, of which none changes anything.

use super::discovery::{self, Resource};
use super::{Cluster, text};
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The most concurrent requests.
const AT_ONCE: usize = 8;
/// There is none of this name. The API server asks for the right before it looks.
const NOBODY: &str = "nobody-of-this-name";
const ON_ALL: [&str; 4] = ["list", "watch", "create", "deletecollection"];
const ON_ONE: [&str; 4] = ["get", "update", "patch", "delete"];

/// The outcome; each as `verb resource[.group][/subresource]`, with `=name` where a rule names one object.
#[derive(Default, Debug)]
pub struct Found {
    pub asked: usize,
    /// Requests that its rights admitted, whatever followed: even with a missing object or an invalid body.
    pub through: BTreeSet<String>,
    /// Requests that its rights admitted and a policy refused, with the message.
    pub refused: BTreeMap<String, String>,
}

impl Found {
    /// Returns the admitted requests beyond these rights.
    pub fn beyond(&self, allowed: &[Rights<'_>]) -> Vec<String> {
        beyond(&self.through, allowed)
    }

    /// Returns the refusals with other messages than this.
    pub fn refused_otherwise(&self, words: &str) -> Vec<(&String, &String)> {
        self.refused.iter().filter(|(_, why)| !why.contains(words)).collect()
    }
}

/// Verbs, and resources, each separated by spaces.
pub type Rights<'a> = (&'a str, &'a str);

/// Rights of everybody with credentials: to ask about oneself.
pub const EVERYBODY: Rights<'_> = (
    "create",
    "selfsubjectreviews.authentication.k8s.io selfsubjectaccessreviews.authorization.k8s.io \
     selfsubjectrulesreviews.authorization.k8s.io",
);

/// Each verb with each resource.
pub fn spelled_out(rights: &[Rights<'_>]) -> BTreeSet<String> {
    let each = rights.iter().flat_map(|(verbs, resources)| {
        let verbs = verbs.split_whitespace();
        verbs.flat_map(|verb| {
            resources
                .split_whitespace()
                .map(move |resource| format!("{verb} {resource}"))
        })
    });
    each.collect()
}

/// Returns the findings beyond the rights. A right to all objects includes the right to one.
pub fn beyond(found: &BTreeSet<String>, allowed: &[Rights<'_>]) -> Vec<String> {
    let allowed = spelled_out(allowed);
    let is_allowed = |what: &String| {
        let on_all = what.split_once('=').map_or(what.as_str(), |(all, _)| all);
        allowed.contains(what) || allowed.contains(on_all)
    };
    found.iter().filter(|what| !is_allowed(what)).cloned().collect()
}

struct Attempt<'a> {
    verb: &'static str,
    resource: &'a Resource,
    name: String,
    title: String,
}

/// Tries every verb on everything in a namespace, and on the namespace itself. Without a namespace it tries cluster-wide resources, and reads in all
/// namespaces. It tries `names` besides the names in rules.
pub async fn sweep(who: &Cluster, resources: &[Resource], namespace: &str, names: &[(&str, &str)]) -> Result<Found> {
    let mut singled = singled_out(who, namespace).await?;
    for (title, name) in names {
        singled
            .entry((*title).to_owned())
            .or_default()
            .insert((*name).to_owned());
    }
    let attempts = resources
        .iter()
        .flat_map(|resource| attempts(resource, namespace, &singled));
    let answers = futures::stream::iter(attempts).map(async |attempt| {
        let outcome = make(who, namespace, &attempt).await?;
        anyhow::Ok((attempt.title, outcome))
    });
    let answers: Vec<_> = answers.buffer_unordered(AT_ONCE).try_collect().await?;
    let mut found = Found {
        asked: answers.len(),
        ..Found::default()
    };
    for (title, outcome) in answers {
        match outcome {
            SweepResult::Denied => {}
            SweepResult::Refused(why) => drop(found.refused.insert(title, why)),
            SweepResult::Through => drop(found.through.insert(title)),
        }
    }
    Ok(found)
}

fn attempts<'a>(
    resource: &'a Resource,
    namespace: &str,
    singled: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Attempt<'a>> {
    let title = resource.title();
    let itself = resource.plural == "namespaces" && resource.group.is_empty() && !namespace.is_empty();
    if !resource.namespaced && !namespace.is_empty() && !itself {
        return Vec::new();
    }
    let everywhere = resource.namespaced && namespace.is_empty();
    let is_main = resource.subresource.is_empty();
    let mut all = Vec::new();
    if is_main && !itself {
        // Nothing is made or removed in all namespaces at once.
        let verbs = if everywhere { &ON_ALL[..2] } else { &ON_ALL[..] };
        all.extend(verbs.iter().map(|verb| Attempt {
            verb,
            resource,
            name: String::new(),
            title: format!("{verb} {title}"),
        }));
    }
    // A right to objects of one name includes lists of them, in all namespaces too.
    let names = singled.get(&title).into_iter().flatten();
    for name in names.filter(|_| is_main && !itself) {
        all.extend(ON_ALL[..2].iter().map(|verb| Attempt {
            verb,
            resource,
            name: name.clone(),
            title: format!("{verb} {title}={name}"),
        }));
    }
    if everywhere {
        return all;
    }
    let mut on = |name: &str, suffix: String| {
        // Subresources, such as a token, support `create` too.
        let verbs = ON_ONE.iter().chain((!is_main).then_some(&"create"));
        all.extend(verbs.map(|verb| Attempt {
            verb,
            resource,
            name: name.to_owned(),
            title: format!("{verb} {title}{suffix}"),
        }));
    };
    on(if itself { namespace } else { NOBODY }, String::new());
    for name in singled.get(&title).into_iter().flatten() {
        on(name, format!("={name}"));
    }
    all
}

enum SweepResult {
    Denied,
    Refused(String),
    Through,
}

async fn make(who: &Cluster, namespace: &str, attempt: &Attempt<'_>) -> Result<SweepResult> {
    let is_list = ON_ALL[..2].contains(&attempt.verb);
    let path = attempt
        .resource
        .path(namespace, if is_list { "" } else { &attempt.name });
    let selector = match attempt.name.as_str() {
        "" => String::new(),
        name => format!("fieldSelector=metadata.name%3D{name}"),
    };
    let name = if attempt.name.is_empty() { NOBODY } else { &attempt.name };
    let body = attempt.resource.body(name);
    let dry = format!("{path}?dryRun=All");
    let (method, path, body) = match attempt.verb {
        "get" => ("GET", path, None),
        "list" => ("GET", format!("{path}?{selector}"), None),
        "watch" => ("GET", format!("{path}?watch=true&timeoutSeconds=1&{selector}"), None),
        "create" => ("POST", dry, Some(body)),
        "update" => ("PUT", dry, Some(body)),
        "patch" => (
            "PATCH",
            dry,
            Some(json!({"metadata": {"annotations": {"swept": "yes"}}})),
        ),
        "delete" | "deletecollection" => ("DELETE", dry, None),
        other => bail!("no verb {other}"),
    };
    let (code, message) = who.answer(method, &path, body.as_ref()).await?;
    judge(code, message).with_context(|| attempt.title.clone())
}

/// Judges by the authorizer's own words, which no policy uses: everything else came after it.
fn judge(code: u16, message: String) -> Result<SweepResult> {
    match code {
        403 if message.contains("\" cannot ") => Ok(SweepResult::Denied),
        403 => Ok(SweepResult::Refused(message)),
        401 | 429 | 503 | 504 => bail!("no answer to judge: {code} {message}"),
        _ => Ok(SweepResult::Through),
    }
}

/// The names that its rules single out, by resource.
async fn singled_out(who: &Cluster, namespace: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
    let at = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews?dryRun=All";
    // A user without this right has no rights to single objects.
    let Ok(rules) = who.create(at, &body).await else {
        return Ok(BTreeMap::new());
    };
    let mut singled: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rule in rules["status"]["resourceRules"].as_array().into_iter().flatten() {
        let names: Vec<_> = rule["resourceNames"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        for title in discovery::titles_of(rule) {
            singled.entry(title).or_default().extend(names.clone());
        }
    }
    Ok(singled)
}

/// The paths that are no resources which it may get.
pub async fn other_paths(who: &Cluster, admin: &Cluster) -> Result<Vec<String>> {
    let mut open = Vec::new();
    for path in discovery::other_paths(admin).await? {
        let (code, message) = who.answer("GET", &path, None).await?;
        if !matches!(judge(code, message)?, SweepResult::Denied) {
            open.push(path);
        }
    }
    Ok(open)
}
