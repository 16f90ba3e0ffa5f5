//! Ended at each of its writes in turn, before it and after it, the operator comes to the same end as one that was not.

use crate::lives::Lives;
use crate::support::database::{Binding, OwnServer, Site, left_of, record, role_of};
use crate::support::{Scene, TestTenant, condition, kubectl, operator, path, server_workload, summary, text};
use crate::together::{part, side_by_side};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The changes of a tenant, in this order.
const CHANGES: [&str; 6] = ["made", "changed", "rotated", "suspended", "resumed", "deleted"];

/// One life of a tenant, with a look at the result after each change.
struct Course {
    cut: Cut,
    site: Site,
    tenant: TestTenant,
    tier: String,
    bindings: Vec<Binding>,
    server: OwnServer,
    scene: Scene,
}

impl Course {
    async fn begin(&self, change: &str) -> Result<()> {
        match change {
            "made" => {
                let spec = json!({
                    "owners": [{"kind": "User", "name": "alice@example.com", "role": "Admin"}],
                    "workloads": [server_workload("web")], "credentials": {"overlap": "2s"},
                    "database": {"connectionLimit": 3}
                });
                self.scene.tenant_called(&self.tenant.name, &self.tier, spec).await?;
            }
            "changed" => {
                let spec = json!({"database": {"connectionLimit": 5}, "quota": {"pods": 7}, "owners": []});
                self.tenant.patch(spec).await?;
            }
            "rotated" => self.tenant.annotate("rotate-credentials", "one").await?,
            "suspended" => drop(self.tenant.patch(json!({"suspend": true})).await?),
            "resumed" => drop(self.tenant.patch(json!({"suspend": false})).await?),
            _ => self.tenant.delete().await?,
        }
        Ok(())
    }

    /// Checks that the cluster has the desired state.
    async fn is_done(&self, change: &str) -> Result<()> {
        if change == "deleted" {
            return self.tenant.is_gone().await;
        }
        let now = self.tenant.get().await?;
        let ready = condition(&now, "Ready").cloned().unwrap_or_default();
        let of_now = now["status"]["observedGeneration"] == now["metadata"]["generation"];
        let wanted = match change {
            "suspended" => ready["reason"] == "Suspended",
            _ => ready["status"] == "True",
        };
        ensure!(of_now && wanted, "{}", summary(&now));
        if change == "rotated" {
            let binding = self.tenant.binding().await?;
            ensure!(
                binding.annotations.contains_key("tenant-operator.io/rotated-for"),
                "not rotated"
            );
            let former = self.bindings.last().map_or("", |binding| binding.user());
            let open = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{former}' AND rolcanlogin");
            let superuser = self.site.superuser("postgres").await?;
            ensure!(superuser.one(&open).await? == "0", "{former} is open");
        }
        Ok(())
    }

    /// Returns all objects, without parts that must differ: ids, times, passwords, the current login.
    async fn end(&mut self, change: &str, id: &str) -> Result<Value> {
        let role = role_of(id);
        if change == "deleted" {
            ensure!(
                record(&self.scene.cluster, &self.tenant.name).await?.is_none(),
                "its record is left"
            );
            let namespace = path("namespaces", "", &self.tenant.name);
            ensure!(!self.scene.cluster.exists(&namespace).await?, "its namespace is left");
            let left = left_of(&self.site, &self.server.database, &role).await?;
            ensure!(left.is_empty(), "{left:?}");
            return Ok(json!({}));
        }
        let binding = self.tenant.binding().await?;
        let opens = self.site.log_in(&binding).await.is_ok();
        ensure!(opens == (change != "suspended"), "its Secret opens it: {opens}");
        let mut objects = Vec::new();
        for resource in [
            "configmaps",
            "deployments",
            "limitranges",
            "networkpolicies",
            "poddisruptionbudgets",
            "resourcequotas",
            "rolebindings",
            "roles",
            "secrets",
            "serviceaccounts",
            "services",
        ] {
            let found = self.scene.cluster.list(&path(resource, &self.tenant.name, "")).await?;
            objects.extend(found.into_iter().map(|object| essence(resource, object)));
        }
        let namespace = self
            .scene
            .cluster
            .get(&path("namespaces", "", &self.tenant.name))
            .await?;
        objects.push(essence("namespaces", namespace));
        let selector = format!("?labelSelector=tenant-operator.io/tenant%3D{}", self.tenant.name);
        let claims = path("configmaps", operator::NAMESPACE, "") + &selector;
        let claims = self.scene.cluster.list(&claims).await?;
        objects.extend(claims.into_iter().map(|object| essence("claims", object)));
        let status = self.tenant.get().await?["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let conditions: Vec<_> = conditions
            .iter()
            .map(|c| format!("{}={} {}", text(&c["type"]), text(&c["status"]), text(&c["reason"])))
            .collect();
        let roles = format!(
            "SELECT concat_ws(' ', r.rolname, r.rolcanlogin, r.rolconnlimit, r.rolinherit, s.setconfig::text, \
             (SELECT string_agg(g.rolname, ',' ORDER BY 1) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)) \
             FROM pg_roles r LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid WHERE r.rolname LIKE '{role}%' \
             UNION ALL SELECT nspname || ' ' || nspacl::text FROM pg_namespace WHERE nspname LIKE '{role}%' \
             UNION ALL SELECT 'mark ' || kind || ' ' || name FROM tenant_operator.object WHERE name LIKE '{role}%' \
             UNION ALL SELECT 'intent ' || name FROM tenant_operator.intent WHERE name LIKE '{role}%' ORDER BY 1"
        );
        let catalog = self.site.superuser(&self.server.database).await?.run(&roles).await?;
        let user = binding.user().to_owned();
        self.bindings.push(binding);
        // Which of the two logins has its turn is all the same, and the idle one, closed, is as good as none.
        let idle = match user.ends_with("_a") {
            true => format!("{role}_b"),
            false => format!("{role}_a"),
        };
        let is_closed =
            |line: &&String| line.starts_with(&format!("{idle} f ")) || **line == format!("mark role {idle}");
        let catalog: Vec<_> = catalog.iter().filter(|line| !is_closed(line)).collect();
        let whole = json!({"objects": objects, "conditions": conditions, "catalog": catalog});
        let whole = whole
            .to_string()
            .replace(&user, "LOGIN")
            .replace(&role, "ROLE")
            .replace(id, "ID")
            .replace(&self.scene.name, "SCENE");
        Ok(serde_json::from_str(&whole)?)
    }
}

/// Returns an object without the fields that the API server and clocks set.
fn essence(resource: &str, object: Value) -> Value {
    let moments = [
        "issued-at",
        "previous-valid-until",
        "credentials-revision",
        "configuration-digest",
    ];
    let metadata = &object["metadata"];
    let mut annotations = metadata["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|key, _| key.contains("tenant-operator.io"));
        annotations.retain(|key, _| !moments.iter().any(|moment| key.ends_with(moment)));
    }
    let mut rest = object.clone();
    if let Some(rest) = rest.as_object_mut() {
        for key in ["metadata", "status"] {
            rest.remove(key);
        }
        if let Some(data) = rest.get_mut("data").and_then(Value::as_object_mut) {
            let secret = resource == "secrets";
            data.values_mut()
                .filter(|_| secret)
                .for_each(|value| *value = json!("…"));
        }
        if let Some(spec) = rest.get_mut("spec").and_then(Value::as_object_mut) {
            for key in ["clusterIP", "clusterIPs"] {
                spec.remove(key);
            }
            let template = spec
                .get_mut("template")
                .and_then(|template| template["metadata"]["annotations"].as_object_mut());
            if let Some(annotations) = template {
                annotations.retain(|key, _| !moments.iter().any(|moment| key.ends_with(moment)));
            }
        }
    }
    // A claim's name is a digest of what is claimed.
    let name = text(&metadata["name"]);
    let name = match resource {
        "claims" => name.rsplit_once('-').map_or(name.clone(), |(kind, _)| kind.to_owned()),
        _ => name,
    };
    json!({"resource": resource, "name": name, "labels": metadata["labels"], "annotations": annotations,
           "finalizers": metadata["finalizers"], "rest": rest})
}

/// The operator's interruptions during a tenant's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    BeforeEachWrite,
    AfterEachWrite,
}

impl Course {
    async fn new(cut: Cut, site: &Site) -> Result<Self> {
        let scene = Scene::without_operator("cuts").await?;
        let server = site.server(&scene, "pg", &scene.name, json!({})).await?;
        let selector = json!({"matchLabels": {"e2e": scene.name}});
        let tier = scene
            .tier(json!({"database": {"model": "Schema", "serverSelector": selector}}))
            .await?;
        Ok(Self {
            cut,
            site: site.clone(),
            tenant: TestTenant::new(scene.cluster.clone(), &format!("{}-t", scene.name)),
            tier,
            server,
            scene,
            bindings: Vec::new(),
        })
    }

    /// Returns the objects after each change.
    async fn run(&mut self) -> Result<Vec<Value>> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&self.scene.name);
        let (cluster, name) = (&self.scene.cluster, &self.tenant.name);
        let lives = Lives::new(cluster, &self.site, &self.server, name, &folder).await?;
        let (mut id, mut seen) = (String::new(), Vec::new());
        for change in CHANGES {
            let begun = Instant::now();
            self.begin(change).await?;
            let done = async || self.is_done(change).await;
            let writes = match self.cut {
                Cut::Never => lives.undisturbed(done).await?,
                Cut::BeforeEachWrite => lives.cut_before_each_write(done).await?,
                Cut::AfterEachWrite => lives.cut_after_each_write(done).await?,
            };
            let (cut, count) = (self.cut, writes.len());
            println!("{change}, cut {cut:?}: {count} writes, {:?}", begun.elapsed());
            ensure!(count > 0, "{change}: nothing was written: this proves nothing");
            if change == "made" {
                id = self.tenant.id().await?;
            }
            seen.push(self.end(change, &id).await?);
        }
        let _ = std::fs::remove_dir_all(&folder);
        Ok(seen)
    }
}

async fn courses_come_to_the_same_end(courses: &mut [Course]) -> Result<()> {
    let ends = Mutex::new(Vec::new());
    let parts = courses.iter_mut().map(|course| {
        let name = match course.cut {
            Cut::Never => "undisturbed",
            Cut::BeforeEachWrite => "cut before each write",
            Cut::AfterEachWrite => "cut after each write",
        };
        part(name, || async {
            let (cut, seen) = (course.cut, course.run().await?);
            ends.lock().unwrap_or_else(PoisonError::into_inner).push((cut, seen));
            Ok(())
        })
    });
    side_by_side(parts.collect())?;
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    let undisturbed = ends.iter().find(|(cut, _)| *cut == Cut::Never);
    let (_, undisturbed) = undisturbed.context("the undisturbed course did not end")?;
    for (cut, seen) in &ends {
        for (change, (undisturbed, seen)) in CHANGES.iter().zip(undisturbed.iter().zip(seen)) {
            ensure!(
                undisturbed == seen,
                "{change}: undisturbed it ends as\n{undisturbed:#}\nand cut {cut:?} as\n{seen:#}"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_at_each_write_it_comes_to_the_same_end() -> Result<()> {
    let Some(site) = Site::find("cut_at_each_write_it_comes_to_the_same_end") else {
        return Ok(());
    };
    let scene = Scene::new("cuts").await?;
    let mut courses = Vec::new();
    for cut in [Cut::BeforeEachWrite, Cut::AfterEachWrite, Cut::Never] {
        courses.push(Course::new(cut, &site).await?);
    }
    for course in &courses {
        course.server.ready().await?;
    }
    let _back = Back;
    operator::scale(&scene.cluster, 0).await?;
    let outcome = courses_come_to_the_same_end(&mut courses).await;
    operator::scale(&scene.cluster, 1).await?;
    outcome
}

/// Brings the operator back, also when the test ends in a panic: before the scenes are cleaned up.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        let deployment = format!("deployment/{}", operator::NAME);
        kubectl::quietly(&["scale", "-n", operator::NAMESPACE, &deployment, "--replicas=1"]);
    }
}
