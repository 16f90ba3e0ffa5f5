//! An Admin of one tenant, and a ServiceAccount of his with a token, against another tenant and the cluster. These tests sweep their rights over all served
//! resources, and try to extend them. `hostile_admin_acts` has attacks by means of their own objects.

use crate::support::database::Site as Database;
use crate::support::discovery::{self, Resource};
use crate::support::sweep::{EVERYBODY, Rights, beyond, other_paths, sweep};
use crate::support::{
    Cluster, Scene, TestTenant, eventually, forbidden, operator, path, rights, secs, server_workload, text,
};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const AGENT: &str = "agent";
const AT_ONCE: usize = 8;
/// Verbs that no request has, which open more than they say.
const SPECIAL: [&str; 14] = [
    "impersonate users",
    "impersonate groups",
    "impersonate serviceaccounts",
    "impersonate uids.authentication.k8s.io",
    "escalate roles.rbac.authorization.k8s.io",
    "escalate clusterroles.rbac.authorization.k8s.io",
    "bind roles.rbac.authorization.k8s.io",
    "bind clusterroles.rbac.authorization.k8s.io",
    "approve signers.certificates.k8s.io",
    "sign signers.certificates.k8s.io",
    "attest signers.certificates.k8s.io",
    "request-serviceaccounts-token-audience *",
    "break-glass tenants.tenant-operator.io",
    "* *.*",
];
/// The chart's rights of an Admin in his own namespaces. No tokens, no quota, no endpoints, nothing of the namespace.
const HIS_OWN: [Rights<'_>; 6] = [
    ("get", "namespaces"),
    (
        "get list watch",
        "endpoints events events.events.k8s.io limitranges resourcequotas pods/log pods/status \
         controllerrevisions.apps endpointslices.discovery.k8s.io tenantviews.tenant-operator.io pods.metrics.k8s.io",
    ),
    (
        "get list watch create update patch delete deletecollection",
        "configmaps persistentvolumeclaims pods replicationcontrollers secrets serviceaccounts services \
         daemonsets.apps deployments.apps deployments.apps/scale replicasets.apps replicasets.apps/scale \
         statefulsets.apps statefulsets.apps/scale jobs.batch cronjobs.batch horizontalpodautoscalers.autoscaling \
         poddisruptionbudgets.policy ingresses.networking.k8s.io networkpolicies.networking.k8s.io \
         roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io",
    ),
    ("get create", "pods/attach pods/exec pods/portforward"),
    ("create", "pods/eviction"),
    EVERYBODY,
];

pub struct Site {
    pub scene: Scene,
    pub ours: TestTenant,
    pub theirs: TestTenant,
    /// The Admin, a person.
    pub admin: Cluster,
    /// A ServiceAccount of his with all that he has, by a token that he got himself.
    pub agent: Cluster,
    pub served: Vec<Resource>,
}

impl Site {
    pub async fn new(hint: &str) -> Result<Self> {
        let scene = Scene::new(hint).await?;
        let tier = scene.tier(json!({})).await?;
        let spec = json!({"owners": [{"kind": "User", "name": scene.name, "role": "Admin"}], "workloads": [server_workload("web")],
                          "configuration": {"a": 1}, "namespaces": [{"name": "more"}]});
        let ours = scene.tenant("a", &tier, spec).await?;
        let with_database =
            json!({"database": {"model": "Schema", "serverSelector": {"matchLabels": {"region": "local"}}}});
        // Without a PostgreSQL at hand the other tenant has no credentials that could be read; all else is the same.
        let tier = match Database::find("the other tenant's database credentials") {
            Some(_) => scene.tier(with_database).await?,
            None => tier,
        };
        let spec = json!({"workloads": [server_workload("web")], "namespaces": [{"name": "more"}]});
        let theirs = scene.tenant("b", &tier, spec).await?;
        ours.ready().await?;
        theirs.ready().await?;
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}, "stringData": {"a": "b"}});
        let at = path("secrets", &theirs.name, "");
        scene.cluster.create(&at, &secret).await.context("their Secret")?;
        let admin = scene.cluster.impersonate(&scene.name, &["system:authenticated"])?;
        let agent = agent(&scene, &admin, &ours.name).await?;
        let served = discovery::resources(&scene.cluster).await?;
        Ok(Self {
            scene,
            ours,
            theirs,
            admin,
            agent,
            served,
        })
    }

    /// In the Admin's first namespace, by dry-run.
    pub fn at(&self, resource: &str, name: &str) -> String {
        path(resource, &self.ours.name, name) + "?dryRun=All"
    }

    /// Returns the rights of a user with these groups among `resources` and `special`.
    async fn may(&self, user: &str, groups: &[&str], namespace: &str) -> Result<(usize, BTreeSet<String>)> {
        let mut questions = rights::questions(&discovery::titles(&self.served, true));
        questions.extend(rights::questions(&discovery::titles(&self.served, false)));
        questions.extend(SPECIAL.map(str::to_owned));
        let allowed = rights::allowed(&self.scene.cluster, user, groups, namespace, &questions).await?;
        Ok((questions.len(), allowed))
    }

    /// The namespaces that are none of his business, and the cluster as a whole.
    fn elsewhere(&self) -> [String; 6] {
        let more = format!("{}-more", self.theirs.name);
        let others = [
            self.theirs.name.as_str(),
            &more,
            operator::NAMESPACE,
            "kube-system",
            "default",
            "",
        ];
        others.map(str::to_owned)
    }
}

/// No right of the Admin's makes tokens; but he may make a Secret that the API server fills with one.
async fn agent(scene: &Scene, admin: &Cluster, namespace: &str) -> Result<Cluster> {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": AGENT}});
    admin
        .create(&path("serviceaccounts", namespace, ""), &account)
        .await
        .context("a ServiceAccount")?;
    let subject = json!({"kind": "ServiceAccount", "name": AGENT, "namespace": namespace});
    let binding = rights::binding(AGENT, "tenant-operator-tenant-admin", &subject);
    admin
        .create(&path("rolebindings", namespace, ""), &binding)
        .await
        .context("a RoleBinding")?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": AGENT, "annotations": {"kubernetes.io/service-account.name": AGENT}}});
    admin
        .create(&path("secrets", namespace, ""), &secret)
        .await
        .context("a Secret for its token")?;
    let at = path("secrets", namespace, AGENT);
    let token = eventually("the token", secs(20), async || {
        let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(admin.get(&at).await?)?;
        let token = secret
            .data
            .and_then(|mut data| data.remove("token"))
            .context("none yet")?;
        Ok(String::from_utf8(token.0)?)
    });
    let agent = scene.cluster.bearer(&token.await?)?;
    eventually("the agent's rights", secs(10), async || {
        agent.list(&path("pods", namespace, "")).await.map(drop)
    })
    .await?;
    Ok(agent)
}

/// The authorizer's answers, for the person and for the ServiceAccount.
#[tokio::test]
async fn he_may_nothing_elsewhere() -> Result<()> {
    let site = Site::new("hostile").await?;
    let account = format!("system:serviceaccount:{}:{AGENT}", site.ours.name);
    let group = format!("system:serviceaccounts:{}", site.ours.name);
    let person: (&str, &[&str]) = (&site.scene.name, &["system:authenticated"]);
    let account: (&str, &[&str]) = (&account, &["system:serviceaccounts", &group, "system:authenticated"]);
    let mut asked = 0;
    for (user, groups) in [person, account] {
        for place in site.elsewhere() {
            let (count, found) = site.may(user, groups, &place).await?;
            let further = beyond(&found, &[EVERYBODY]);
            ensure!(further.is_empty(), "in {place:?} {user} may {further:?}");
            asked += count;
        }
        let (count, found) = site.may(user, groups, &site.ours.name).await?;
        let further = beyond(&found, &HIS_OWN);
        ensure!(further.is_empty(), "in its own namespace {user} may {further:?}");
        let owned = [
            "create pods",
            "deletecollection secrets",
            "create pods/exec",
            "patch deployments.apps/scale",
        ];
        ensure!(
            owned.iter().all(|what| found.contains(*what)),
            "{user} may only {found:?}"
        );
        asked += count;
    }
    ensure!(asked > 10_000, "only {asked} questions were asked");
    Ok(())
}

/// The API server's answers to a token.
#[tokio::test]
async fn he_does_nothing_elsewhere() -> Result<()> {
    let site = Site::new("hostiledo").await?;
    let names = [
        ("secrets", "theirs"),
        ("secrets", "tenant-database"),
        ("secrets", "tenant-signing-key"),
        ("secrets", "tenant-encryption-key"),
        ("serviceaccounts/token", "default"),
        ("serviceaccounts/token", operator::NAME),
    ];
    let mut asked = 0;
    for place in site.elsewhere() {
        let found = sweep(&site.agent, &site.served, &place, &names).await?;
        let further = found.beyond(&[EVERYBODY]);
        ensure!(further.is_empty(), "in {place:?} it may {further:?}");
        ensure!(
            found.refused.is_empty(),
            "in {place:?} only a policy refused {:?}",
            found.refused
        );
        asked += found.asked;
    }
    ensure!(asked > 2_000, "only {asked} were tried");
    let found = sweep(&site.agent, &site.served, &site.ours.name, &[]).await?;
    let further = found.beyond(&HIS_OWN);
    ensure!(further.is_empty(), "in its own namespace it may {further:?}");
    ensure!(
        found.through.contains("list secrets"),
        "it may only {:?}",
        found.through
    );

    let open = other_paths(&site.agent, &site.scene.cluster).await?;
    let told: Vec<_> = ["/metrics", "/debug", "/logs", "/configz", "/flagz", "/statusz"].into();
    ensure!(open.iter().any(|path| path == "/version"), "open are {open:?}");
    ensure!(
        !open.iter().any(|path| told.iter().any(|start| path.starts_with(start))),
        "open are {open:?}"
    );
    Ok(())
}

/// In none of his namespaces can he write a right into a Role that he does not hold himself.
#[tokio::test]
async fn he_gives_himself_nothing_that_he_lacks() -> Result<()> {
    let site = Site::new("hostilegive").await?;
    let (_, held) = site
        .may(&site.scene.name, &["system:authenticated"], &site.ours.name)
        .await?;
    let mut questions = rights::questions(&discovery::titles(&site.served, true));
    questions.extend(rights::questions(&discovery::titles(&site.served, false)));
    questions.extend(SPECIAL.map(str::to_owned));
    questions.retain(|what| !held.contains(what));
    let at = site.at("roles", "");
    let tries = futures::stream::iter(&questions).map(async |what| {
        let refusal = site.admin.create(&at, &role("more", what)).await;
        forbidden(&format!("a Role to {what}"), refusal, &["not currently held"])
    });
    tries.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    ensure!(questions.len() > 700, "only {} were tried", questions.len());
    site.admin
        .create(&at, &role("less", "get pods"))
        .await
        .context("a Role to get pods")?;

    // Nor by changing one that he has.
    site.admin
        .create(&path("roles", &site.ours.name, ""), &role("own", "get pods"))
        .await
        .context("a Role")?;
    for (groups, resources, verbs) in [
        ("*", "*", "*"),
        ("", "resourcequotas", "update"),
        ("", "pods", "*"),
        ("", "*", "get"),
    ] {
        let more = json!({"rules": [{"apiGroups": [groups], "resources": [resources], "verbs": [verbs]}]});
        let refusal = site.admin.patch(&site.at("roles", "own"), &more).await;
        forbidden(&format!("more in a Role: {more}"), refusal, &["not currently held"])?;
    }
    Ok(())
}

fn role(name: &str, what: &str) -> Value {
    let (verb, resource) = what.split_once(' ').unwrap_or((what, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let resource = match subresource {
        "" => resource.to_owned(),
        _ => format!("{resource}/{subresource}"),
    };
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name},
        "rules": [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]})
}

/// Returns a role's rights to resources; its rights to paths have no effect in a RoleBinding.
fn granted(role: &Value) -> BTreeSet<String> {
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        let verbs: Vec<_> = rule["verbs"].as_array().into_iter().flatten().map(text).collect();
        for title in discovery::titles_of(rule) {
            granted.extend(verbs.iter().map(|verb| format!("{verb} {title}")));
        }
    }
    granted
}

/// He binds only those roles of the cluster that grant no more than his own.
#[tokio::test]
async fn he_binds_no_role_beyond_his_own() -> Result<()> {
    let site = Site::new("hostilebind").await?;
    let roles = site.scene.cluster.list(&path("clusterroles", "", "")).await?;
    let somebody = json!({"kind": "User", "name": "somebody"});
    let at = site.at("rolebindings", "");
    let mut lent = BTreeSet::new();
    for role in &roles {
        let name = text(&role["metadata"]["name"]);
        match site
            .admin
            .create(&at, &rights::binding("swept", &name, &somebody))
            .await
        {
            Ok(_) => drop(lent.insert(name)),
            refusal => forbidden(&format!("bind {name}"), refusal, &["not currently held"])?,
        }
    }
    let viewer = "tenant-operator-tenant-viewer";
    ensure!(
        roles.len() > 20 && lent.contains(viewer),
        "of {} he lends {lent:?}",
        roles.len()
    );
    for role in roles
        .iter()
        .filter(|role| lent.contains(&text(&role["metadata"]["name"])))
    {
        let further = beyond(&granted(role), &HIS_OWN);
        ensure!(further.is_empty(), "he lends {}: {further:?}", role["metadata"]["name"]);
    }
    for resource in ["rolebindings", "roles"] {
        for namespace in [&site.theirs.name, &format!("{}-more", site.theirs.name)] {
            let body = match resource {
                "roles" => role("swept", "get pods"),
                _ => rights::binding("swept", viewer, &json!({"kind": "User", "name": site.scene.name})),
            };
            let at = path(resource, namespace, "") + "?dryRun=All";
            forbidden(
                &format!("{resource} in {namespace}"),
                site.admin.create(&at, &body).await,
                &["cannot create"],
            )?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn he_becomes_nobody_else() -> Result<()> {
    let site = Site::new("hostileas").await?;
    let me = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews?dryRun=All";
    site.agent.create(review, &me).await.context("who the agent is")?;
    let [ours, theirs] = [&site.ours.name, &site.theirs.name].map(|of| format!("system:serviceaccount:{of}:default"));
    let users = [
        "system:admin",
        "kubernetes-admin",
        "system:kube-controller-manager",
        "system:node:node-1",
        "system:anonymous",
        "tenant-operator:examiner",
        operator::USER,
        &site.scene.name,
        &ours,
        &theirs,
    ];
    for user in users {
        for groups in [&[] as &[&str], &["system:masters"]] {
            let other = site.agent.impersonate(user, groups)?;
            forbidden(
                &format!("act as {user} {groups:?}"),
                other.create(review, &me).await,
                &["cannot impersonate"],
            )?;
        }
    }
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    for (namespace, account) in [
        (site.ours.name.as_str(), AGENT),
        (&site.ours.name, "default"),
        (&site.theirs.name, "default"),
        (operator::NAMESPACE, operator::NAME),
        ("kube-system", "default"),
    ] {
        let at = path("serviceaccounts", namespace, account) + "/token?dryRun=All";
        forbidden(
            &format!("a token of {namespace}/{account}"),
            site.agent.create(&at, &request).await,
            &["cannot create"],
        )?;
    }
    // No policy exempts an account of the operator's name in another namespace.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": operator::NAME}});
    site.admin
        .create(&path("serviceaccounts", &site.ours.name, ""), &account)
        .await
        .context("an account")?;
    let namesake = format!("system:serviceaccount:{}:{}", site.ours.name, operator::NAME);
    let subject = json!({"kind": "ServiceAccount", "name": operator::NAME, "namespace": site.ours.name});
    let binding = rights::binding("namesake", "tenant-operator-tenant-admin", &subject);
    site.admin
        .create(&path("rolebindings", &site.ours.name, ""), &binding)
        .await
        .context("a RoleBinding")?;
    let namesake = site
        .scene
        .cluster
        .impersonate(&namesake, &["system:authenticated", "system:serviceaccounts"])?;
    let note = json!({"metadata": {"annotations": {"note": "mine"}}});
    let at = site.at("deployments", "web");
    eventually("a policy to refuse the namesake", secs(10), async || {
        forbidden(
            "our Deployment",
            namesake.patch(&at, &note).await,
            &["tenant-operator-managed"],
        )
    })
    .await?;
    // A token for another audience, of his own account, is nobody else's.
    let mut pod = crate::support::pods::server("audience");
    pod["spec"]["serviceAccountName"] = json!(AGENT);

    pod["spec"]["volumes"] = json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": "elsewhere", "path": "t"}}]}}]);
    site.admin
        .create(&site.at("pods", ""), &pod)
        .await
        .context("a token of his own for another audience")?;
    pod["spec"]["serviceAccountName"] = json!("of-nobody");
    forbidden(
        "an account that is not there",
        site.admin.create(&site.at("pods", ""), &pod).await,
        &["not found"],
    )
}
