//! Gateways' objects, validated by the real definitions of their kinds: the API server prunes unknown fields or refuses the object.

use crate::support::cluster::{skipped, text};
use crate::support::{Cluster, admin, eventually, path, refused, secs};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "../../src/gateway/cases.rs"]
pub mod cases;

/// A gateway, and where the definitions of its kinds may be.
pub struct Gateway {
    /// The value of `--gateway-controller`.
    pub controller: &'static str,
    /// Further flags, which permit all kinds.
    pub flags: &'static [&'static str],
    /// The kind that is there in every case that concerns it.
    pub route: &'static str,
    /// Returns true where a case concerns this gateway.
    pub concerns: fn(&cases::Case) -> bool,
    /// The fewest kinds of its objects.
    pub kinds: usize,
    /// Groups of its kinds.
    pub groups: &'static [&'static str],
    /// The variable that names the folder.
    pub variable: &'static str,
    /// The folder otherwise, in the repository.
    pub folder: &'static str,
    /// Files of the repository with objects for it.
    pub files: &'static [&'static str],
}

/// The definitions, where there are any.
fn definitions(gateway: &Gateway) -> Result<Vec<Value>> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join(gateway.folder);
    let named = std::env::var_os(gateway.variable).filter(|name| !name.is_empty());
    let is_named = named.is_some();
    let folder = named.map_or_else(own, PathBuf::from);
    let files = match std::fs::read_dir(&folder) {
        Err(error) if is_named => bail!("{} names {}: {error}", gateway.variable, folder.display()),
        Err(_) => return Ok(Vec::new()),
        Ok(files) => files,
    };
    let mut found = Vec::new();
    for file in files {
        let file = file?.path();
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        for document in serde_yaml::Deserializer::from_str(&std::fs::read_to_string(&file)?) {
            let mut value = Value::deserialize(document).with_context(|| file.display().to_string())?;
            // Placeholders in the chart's labels.
            value["metadata"]["labels"] = Value::Null;
            let is_ours = gateway.groups.iter().any(|group| value["spec"]["group"] == *group);
            if value["kind"] == "CustomResourceDefinition" && is_ours {
                found.push(value);
            }
        }
    }
    ensure!(
        !found.is_empty() || !is_named,
        "{} names {}, where there are none",
        gateway.variable,
        folder.display()
    );
    Ok(found)
}

/// Installs the definitions that the cluster lacks. Returns their names.
async fn install(cluster: &Cluster, definitions: &[Value]) -> Result<Vec<String>> {
    let mut made = Vec::new();
    for definition in definitions {
        let name = text(&definition["metadata"]["name"]);
        let at = path("customresourcedefinitions", "", &name);
        if !cluster.exists(&at).await? {
            let all = path("customresourcedefinitions", "", "");
            cluster.create(&all, definition).await.with_context(|| name.clone())?;
            made.push(name.clone());
        }
        eventually(&format!("{name} to be served"), secs(30), async || {
            let now = cluster.get(&at).await?;
            let conditions = now["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let established = conditions
                .iter()
                .any(|c| c["type"] == "Established" && c["status"] == "True");
            ensure!(established, "its conditions are {conditions:?}");
            cluster.list(&collection(definition)).await
        })
        .await?;
    }
    Ok(made)
}

/// Returns the path of a definition's objects, in the namespace default and the stored version.
fn collection(definition: &Value) -> String {
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    let stored = versions
        .iter()
        .find(|version| version["storage"] == true)
        .cloned()
        .unwrap_or_default();
    in_version(
        definition,
        &format!("{}/{}", text(&spec["group"]), text(&stored["name"])),
    )
}

/// Returns their path in another version, with its group.
fn in_version(definition: &Value, version: &str) -> String {
    let spec = &definition["spec"];
    let namespace = if spec["scope"] == "Cluster" {
        ""
    } else {
        "/namespaces/default"
    };
    format!("/apis/{version}{namespace}/{}", text(&spec["names"]["plural"]))
}

/// Returns the output of `tenant-operator render` for a case, of these groups.
fn rendered(gateway: &Gateway, case: &cases::Case) -> Result<Vec<Value>> {
    let mut spec = case.spec.clone();
    spec["tier"] = json!("plan");
    spec["id"] = json!("3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11");
    let api = "tenant-operator.io/v1alpha1";
    let tenant = json!({"apiVersion": api, "kind": "Tenant", "metadata": {"name": "acme"}, "spec": spec});
    let mut plan = json!({"gateway": case.tier});
    for (field, value) in [("features", &case.features), ("roles", &case.roles)] {
        if !value.is_null() {
            plan[field] = value.clone();
        }
    }
    let tier = json!({"apiVersion": api, "kind": "TenantTier", "metadata": {"name": "plan"}, "spec": plan});
    let mut operator = Command::new(env!("CARGO_BIN_EXE_tenant-operator"))
        .args([
            "render",
            "--filename",
            "-",
            "--gateway-namespace",
            "gateway",
            "--gateway-name",
            "platform",
        ])
        .args([
            "--gateway-controller",
            gateway.controller,
            "--gateway-shared-hosts",
            "api.example.com",
            "--gateway-application-namespaces",
            "applications,more-applications",
        ])
        .args(gateway.flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = operator.stdin.take().context("an input")?;
    input.write_all(format!("{tenant}\n---\n{tier}\n").as_bytes())?;
    drop(input);
    let output = operator.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    of_groups(gateway, &String::from_utf8(output.stdout)?)
}

/// Returns the objects of the gateway's groups, in the namespace default.
fn of_groups(gateway: &Gateway, yaml: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let mut value = Value::deserialize(document)?;
        let version = text(&value["apiVersion"]);
        if gateway
            .groups
            .iter()
            .any(|group| version.starts_with(&format!("{group}/")))
        {
            // Where no policy of ours looks at it.
            value["metadata"]["namespace"] = json!("default");
            objects.push(value);
        }
    }
    Ok(objects)
}

/// Checks that the API server accepts every case, and every object of its files, unchanged, and refuses invalid objects.
pub async fn takes_every_case(test: &str, gateway: &Gateway) -> Result<()> {
    let definitions = definitions(gateway)?;
    if definitions.is_empty() {
        let why = format!(
            "no definitions in {}, and {} names no folder",
            gateway.folder, gateway.variable
        );
        skipped(test, &why);
        return Ok(());
    }
    let cluster = admin().await?;
    let made = install(&cluster, &definitions).await?;
    let tried = try_all(&cluster, gateway, &definitions).await;
    for name in made {
        cluster.delete(&path("customresourcedefinitions", "", &name)).await?;
    }
    tried
}

async fn try_all(cluster: &Cluster, gateway: &Gateway, definitions: &[Value]) -> Result<()> {
    let of_kind = |kind: &Value| definitions.iter().find(|one| one["spec"]["names"]["kind"] == *kind);
    let dry = |at: String| at + "?dryRun=All&fieldValidation=Strict";
    let mut kinds = std::collections::BTreeSet::new();
    let cases = cases::all().into_iter().filter(gateway.concerns);
    let mut sources: Vec<(String, Vec<Value>)> = cases
        .map(|case| Ok((case.name.to_string(), rendered(gateway, &case)?)))
        .collect::<Result<_>>()?;
    for file in gateway.files {
        let yaml = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).context(*file)?;
        sources.push(((*file).to_string(), of_groups(gateway, &yaml)?));
    }
    for (name, objects) in sources {
        ensure!(
            objects.iter().any(|object| object["kind"] == gateway.route),
            "{name}: there is no {}",
            gateway.route
        );
        for object in objects {
            let what = format!("{name}: {} {}", object["kind"], object["metadata"]["name"]);
            let definition = of_kind(&object["kind"]).with_context(|| format!("{what}: not defined"))?;
            let at = dry(in_version(definition, &text(&object["apiVersion"])));
            let stored = cluster
                .create(&at, &object)
                .await
                .with_context(|| format!("{what}: {object}"))?;
            keeps(&object["spec"], &stored["spec"]).with_context(|| what.clone())?;
            if kinds.insert(text(&object["kind"])) {
                let mut odd = object.clone();
                odd["spec"]["noSuchField"] = json!(true);
                refused(&what, cluster.create(&at, &odd).await, &["noSuchField"])?;
            }
        }
    }
    ensure!(kinds.len() >= gateway.kinds, "only {kinds:?} were tried");
    Ok(())
}

/// Checks that the stored object keeps every written field. Each default besides would be a difference, and a write, at every start.
fn keeps(written: &Value, stored: &Value) -> Result<()> {
    match (written, stored) {
        (Value::Object(written), Value::Object(stored)) => {
            let added = stored.keys().find(|field| !written.contains_key(*field));
            ensure!(added.is_none(), "{added:?} was put in");
            written.iter().try_for_each(|(field, value)| {
                let kept = stored.get(field).with_context(|| format!("{field} was dropped"))?;
                keeps(value, kept).with_context(|| field.clone())
            })
        }
        (Value::Array(written), Value::Array(stored)) => {
            ensure!(written.len() == stored.len(), "{written:?} became {stored:?}");
            written
                .iter()
                .zip(stored)
                .try_for_each(|(written, stored)| keeps(written, stored))
        }
        (written, stored) => {
            ensure!(written == stored, "{written} became {stored}");
            Ok(())
        }
    }
}
