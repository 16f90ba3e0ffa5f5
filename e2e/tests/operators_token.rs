//! Rights of a thief with the operator's token: only the operator's own. With its real token, over all served resources.

use crate::support::cluster::text;
use crate::support::gateway::Door;
use crate::support::sweep::{EVERYBODY, Found, Rights, other_paths, sweep};
use crate::support::{Cluster, Scene, TestTenant, discovery, forbidden, operator, path, pods, rights, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CONFINED: &str = "tenant-operator-confinement";
const EXAMINER: &str = "tenant-operator:examiner";
const EXAMINES: &str = "tenant-operator-examiner";
const ME: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews?dryRun=All";

/// Its read rights in the whole cluster.
const READS: [Rights<'_>; 9] = [
    (
        "get list watch",
        "tenants.tenant-operator.io tenanttiers.tenant-operator.io tenantviews.tenant-operator.io \
         databaseservers.tenant-operator.io namespaces",
    ),
    // Rights of others, for the isolation checks.
    (
        "get list watch",
        "roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io \
         clusterrolebindings.rbac.authorization.k8s.io",
    ),
    // Where those lead that somebody wrote, and where the API server stands.
    ("get list watch", "endpointslices.discovery.k8s.io"),
    // Its objects, by one watch for all tenants.
    (
        "get list watch",
        "resourcequotas limitranges serviceaccounts configmaps services persistentvolumeclaims \
         networkpolicies.networking.k8s.io deployments.apps horizontalpodautoscalers.autoscaling \
         poddisruptionbudgets.policy",
    ),
    // When one of its Secrets changes; no others.
    (
        "watch",
        "secrets=tenant-database secrets=tenant-api-keys secrets=tenant-signing-key secrets=tenant-encryption-key",
    ),
    // Routes to tenants.
    ("get list watch", ROUTES),
    ("get list watch", "referencegrants.gateway.networking.k8s.io"),
    // Whether its CRD is there.
    (
        "get",
        "customresourcedefinitions.apiextensions.k8s.io=tenants.tenant-operator.io",
    ),
    EVERYBODY,
];
/// Its write rights outside of namespaces: finalizers and status. A policy decides on new namespaces and bindings.
const REPORTS: [Rights<'_>; 2] = [
    (
        "update patch",
        "tenants.tenant-operator.io tenants.tenant-operator.io/status databaseservers.tenant-operator.io \
         databaseservers.tenant-operator.io/status",
    ),
    ("create", "subjectaccessreviews.authorization.k8s.io"),
];
/// Events of cluster-wide objects.
const IN_DEFAULT: [Rights<'_>; 1] = [("create patch", "events events.events.k8s.io")];
/// Claims, its lease, and how it logs in to DatabaseServers; no list of Secrets.
const IN_ITS_OWN: [Rights<'_>; 4] = [
    ("create update delete", "configmaps"),
    ("create", "leases.coordination.k8s.io"),
    ("get update patch", "leases.coordination.k8s.io=tenant-operator"),
    ("get", "secrets"),
];
/// The routes' Gateway, and the pods that count requests. It cannot list all Gateways.
const AT_THE_GATEWAY: [Rights<'_>; 2] = [
    ("get list watch", "gateways.gateway.networking.k8s.io=platform"),
    ("list", "pods"),
];
/// The gateway's objects.
const ROUTES: &str = "httproutes.gateway.networking.k8s.io listenersets.gateway.networking.k8s.io httproutefilters.gateway.envoyproxy.io \
    securitypolicies.gateway.envoyproxy.io backendtrafficpolicies.gateway.envoyproxy.io clienttrafficpolicies.gateway.envoyproxy.io backends.gateway.envoyproxy.io certificates.cert-manager.io";
const IN_A_TENANTS: [Rights<'_>; 9] = [
    ("update patch delete", "namespaces"),
    (
        "create update patch delete",
        "resourcequotas limitranges serviceaccounts configmaps services persistentvolumeclaims \
         networkpolicies.networking.k8s.io deployments.apps horizontalpodautoscalers.autoscaling \
         poddisruptionbudgets.policy rolebindings.rbac.authorization.k8s.io tenantviews.tenant-operator.io",
    ),
    ("create update patch delete", ROUTES),
    ("get update patch delete", "secrets=tenant-database"),
    ("get update patch delete", "secrets=tenant-api-keys"),
    ("get update patch delete", "secrets=tenant-signing-key"),
    ("get update patch delete", "secrets=tenant-encryption-key"),
    // For draining.
    ("get list watch delete deletecollection", "pods"),
    (
        "list delete deletecollection",
        "replicationcontrollers deployments.apps statefulsets.apps daemonsets.apps replicasets.apps jobs.batch \
         cronjobs.batch",
    ),
];

/// Returns a client with only the token of the operator's ServiceAccount.
async fn thief(scene: &Scene) -> Result<Cluster> {
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let at = path("serviceaccounts", operator::NAMESPACE, operator::NAME) + "/token";
    let issued = scene.cluster.create(&at, &request).await.context("a token")?;
    let thief = scene.cluster.bearer(&text(&issued["status"]["token"]))?;
    let me = who_am_i(&thief).await?;
    ensure!(me["username"] == operator::USER, "it is {me}");
    let credential = text(&me["extra"]["authentication.kubernetes.io/credential-id"][0]);
    ensure!(credential.starts_with("JTI="), "not known by a token: {me}");
    Ok(thief)
}

async fn who_am_i(who: &Cluster) -> Result<Value, kube::Error> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    Ok(who.create(ME, &review).await?["status"]["userInfo"].clone())
}

/// A tenant with a Secret of its owner's, ready.
async fn tenant(scene: &Scene) -> Result<TestTenant> {
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"workloads": [server_workload("web")], "namespaces": [{"name": "more"}]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}, "stringData": {"a": "b"}});
    scene
        .cluster
        .create(&path("secrets", &tenant.name, ""), &secret)
        .await
        .context("a Secret")?;
    Ok(tenant)
}

/// Checks that there are no other rights, and that the right policy refused the rest.
fn only(place: &str, found: &Found, allowed: &[&[Rights<'_>]]) -> Result<()> {
    let beyond = found.beyond(&allowed.concat());
    ensure!(beyond.is_empty(), "in {place:?} its token may {beyond:?}");
    let otherwise = found.refused_otherwise(CONFINED);
    ensure!(
        otherwise.is_empty(),
        "in {place:?} refused for another reason: {otherwise:?}"
    );
    ensure!(found.asked > 150, "in {place:?} only {} were tried", found.asked);
    Ok(())
}

fn has(found: &BTreeSet<String>, what: &[&str]) -> Result<()> {
    for what in what {
        ensure!(found.contains(*what), "it should {what}, but may only {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn outside_of_tenants_it_reads_no_more_than_it_must_and_writes_nothing() -> Result<()> {
    let scene = Scene::new("token").await?;
    let thief = thief(&scene).await?;
    let foreign = scene.namespace("foreign").await?;
    let served = discovery::resources(&scene.cluster).await?;
    for place in ["kube-system", "kube-public", foreign.as_str()] {
        let found = sweep(&thief, &served, place, &[]).await?;
        only(place, &found, &[&READS])?;
        has(&found.through, &["list configmaps"])?;
        has(
            &found.refused.into_keys().collect(),
            &["create rolebindings.rbac.authorization.k8s.io"],
        )?;
    }
    let found = sweep(&thief, &served, "default", &[]).await?;
    only("default", &found, &[&READS, &IN_DEFAULT])?;
    has(&found.through, &["create events"])?;

    let found = sweep(&thief, &served, "", &[]).await?;
    only("", &found, &[&READS, &REPORTS])?;
    has(
        &found.through,
        &[
            "list tenants.tenant-operator.io",
            "watch namespaces",
            "watch secrets=tenant-database",
        ],
    )?;
    has(&found.refused.into_keys().collect(), &["create namespaces"])?;

    let open = other_paths(&thief, &scene.cluster).await?;
    // The role system:discovery, which everybody has.
    let everybodys = |path: &&String| {
        ["/healthz", "/livez", "/readyz", "/version"].contains(&path.as_str())
            || path.starts_with("/openapi")
            || path.starts_with("/.well-known")
            || path.starts_with("/openid")
    };
    let beyond: Vec<_> = open.iter().filter(|path| !everybodys(path)).collect();
    ensure!(
        open.iter().any(|path| path == "/version") && beyond.is_empty(),
        "open are {open:?}"
    );
    Ok(())
}

#[tokio::test]
async fn in_its_own_namespace_it_writes_claims_and_its_lease() -> Result<()> {
    let scene = Scene::new("tokenown").await?;
    let thief = thief(&scene).await?;
    let served = discovery::resources(&scene.cluster).await?;
    let found = sweep(&thief, &served, operator::NAMESPACE, &[]).await?;
    only(operator::NAMESPACE, &found, &[&READS, &IN_ITS_OWN])?;
    has(
        &found.through,
        &["get leases.coordination.k8s.io=tenant-operator", "get secrets"],
    )?;
    // Under no name but a claim's.
    has(&found.refused.into_keys().collect(), &["create configmaps"])?;
    let claim = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": format!("claim-host-{}", "0".repeat(40)),
        "labels": {"app.kubernetes.io/managed-by": "tenant-operator", "tenant-operator.io/tenant": scene.name,
            "tenant-operator.io/tenant-id": "11111111-1111-4111-8111-111111111111"},
    }});
    let at = path("configmaps", operator::NAMESPACE, "") + "?dryRun=All";
    thief.create(&at, &claim).await.context("a claim")?;
    Ok(())
}

/// By any of these writes a thief would gain another's power: to delete an object without an owner, or to take over another server's tenants.
#[tokio::test]
async fn of_a_tenant_it_writes_its_finalizer_and_status() -> Result<()> {
    let scene = Scene::new("tokenmeta").await?;
    let thief = thief(&scene).await?;
    let tenant = tenant(&scene).await?;
    let at = path("tenants", "", &tenant.name) + "?dryRun=All";
    let gone = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-4000-8000-000000000000"}]);
    for (what, metadata) in [
        ("an owner", json!({"ownerReferences": gone})),
        (
            "an annotation",
            json!({"annotations": {"tenant-operator.io/rotate-credentials": "x"}}),
        ),
        ("a label", json!({"labels": {"a": "b"}})),
        (
            "a finalizer",
            json!({"finalizers": ["tenant-operator.io/cleanup", "example.com/hold"]}),
        ),
    ] {
        forbidden(
            what,
            thief.patch(&at, &json!({"metadata": metadata})).await,
            &[CONFINED],
        )?;
    }
    thief
        .patch(
            &at,
            &json!({"metadata": {"finalizers": ["tenant-operator.io/cleanup"]}}),
        )
        .await
        .context("its finalizer")?;
    Ok(())
}

#[tokio::test]
async fn of_gateways_it_reads_the_one_that_routes_attach_to() -> Result<()> {
    if Door::find("of_gateways_it_reads_the_one_that_routes_attach_to").is_none() {
        return Ok(());
    }
    let scene = Scene::new("tokengate").await?;
    let thief = thief(&scene).await?;
    let served = discovery::resources(&scene.cluster).await?;
    let found = sweep(&thief, &served, operator::GATEWAY_NAMESPACE, &[]).await?;
    only(operator::GATEWAY_NAMESPACE, &found, &[&READS, &AT_THE_GATEWAY])?;
    has(
        &found.through,
        &["get gateways.gateway.networking.k8s.io=platform", "list pods"],
    )
}

#[tokio::test]
async fn in_a_tenants_namespace_one_secret_is_its_own() -> Result<()> {
    let scene = Scene::new("tokenin").await?;
    let thief = thief(&scene).await?;
    let tenant = tenant(&scene).await?;
    let served = discovery::resources(&scene.cluster).await?;
    let pod = tenant.pods("web", 1).await?.remove(0);
    let names = [
        ("secrets", "theirs"),
        ("pods", pod.as_str()),
        ("pods/exec", &pod),
        ("pods/log", &pod),
        ("pods/ephemeralcontainers", &pod),
    ];
    for place in [tenant.name.clone(), format!("{}-more", tenant.name)] {
        let found = sweep(&thief, &served, &place, &names).await?;
        only(&place, &found, &[&READS, &IN_A_TENANTS])?;
        has(
            &found.through,
            &[
                "get secrets=tenant-database",
                "create deployments.apps",
                "delete namespaces",
            ],
        )?;
        // A Secret of another name, and the namespace without its marks.
        has(
            &found.refused.into_keys().collect(),
            &["create secrets", "update namespaces"],
        )?;
    }
    let at = path("pods", &tenant.name, "") + "?dryRun=All";
    let mut spying = pods::server("spying");
    spying["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": "theirs"}}]);
    forbidden("a pod with a Secret", thief.create(&at, &spying).await, &[])
}

/// The operator gets only its own Secrets, whatever their names and places, and sees no others change.
#[tokio::test]
async fn of_the_secrets_that_there_are_it_reads_its_own() -> Result<()> {
    let scene = Scene::new("tokensecrets").await?;
    let thief = thief(&scene).await?;
    let foreign = scene.namespace("foreign").await?;
    let secret = |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": "b"}});
    let own = [
        "tenant-database",
        "tenant-api-keys",
        "tenant-signing-key",
        "tenant-encryption-key",
    ];
    for name in own.into_iter().chain(["theirs"]) {
        scene
            .cluster
            .create(&path("secrets", &foreign, ""), &secret(name))
            .await
            .context("a Secret")?;
    }
    let (mut denied, mut read) = (0, 0);
    for secret in scene.cluster.list(&path("secrets", "", "")).await? {
        let (namespace, name) = (
            text(&secret["metadata"]["namespace"]),
            text(&secret["metadata"]["name"]),
        );
        let (code, message) = thief.answer("GET", &path("secrets", &namespace, &name), None).await?;
        let marked = secret["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "tenant-operator";
        if namespace == operator::NAMESPACE {
            read += usize::from(code == 200);
        } else if !(marked && own.contains(&name.as_str())) {
            ensure!(code == 403, "it reads {namespace}/{name}: {code} {message}");
            denied += 1;
        }
    }
    ensure!(denied >= 5 && read >= 1, "{denied} were denied, {read} read");
    let named = "fieldSelector=metadata.name%3D";
    for (query, is_allowed) in [
        (format!("?watch=true&timeoutSeconds=1&{named}tenant-database"), true),
        (format!("?watch=true&timeoutSeconds=1&{named}theirs"), false),
        ("?watch=true&timeoutSeconds=1".to_owned(), false),
        (format!("?{named}tenant-database"), false),
    ] {
        let at = path("secrets", "", "") + &query;
        let (code, message) = thief.answer("GET", &at, None).await?;
        ensure!((code == 200) == is_allowed, "{query}: {code} {message}");
    }
    Ok(())
}

#[tokio::test]
async fn it_makes_only_marked_namespaces_and_touches_no_others() -> Result<()> {
    let scene = Scene::new("tokenns").await?;
    let thief = thief(&scene).await?;
    let foreign = scene.namespace("foreign").await?;
    let all = path("namespaces", "", "") + "?dryRun=All";
    let marks = |tenant: &str| {
        json!({"app.kubernetes.io/managed-by": "tenant-operator", "tenant-operator.io/tenant": tenant,
            "tenant-operator.io/tenant-id": "11111111-1111-4111-8111-111111111111", "pod-security.kubernetes.io/enforce": "restricted"})
    };
    let body = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let new = format!("{}-new", scene.name);
    thief
        .create(&all, &body(&new, marks(&new)))
        .await
        .context("a marked namespace")?;
    forbidden(
        "an unmarked one",
        thief.create(&all, &body(&new, json!({}))).await,
        &[CONFINED],
    )?;
    forbidden(
        "kube-",
        thief.create(&all, &body("kube-new", marks("kube-new"))).await,
        &[CONFINED],
    )?;
    let mut lax = marks(&new);
    lax["pod-security.kubernetes.io/enforce"] = json!("privileged");
    forbidden(
        "a privileged one",
        thief.create(&all, &body(&new, lax)).await,
        &["Pod Security"],
    )?;
    for namespace in [foreign.as_str(), "default", "kube-system", operator::NAMESPACE] {
        let at = path("namespaces", "", namespace);
        let mark = json!({"metadata": {"labels": marks(namespace)}});
        for subresource in ["", "/status", "/finalize"] {
            let at = format!("{at}{subresource}?dryRun=All");
            forbidden(&format!("mark {at}"), thief.patch(&at, &mark).await, &["cannot patch"])?;
            let put = thief.replace(&at, &body(namespace, marks(namespace))).await;
            forbidden(&format!("mark {at}"), put, &["cannot update"])?;
        }
        forbidden(namespace, thief.delete(&(at + "?dryRun=All")).await, &["cannot delete"])?;
    }
    // The operator may end a Tenant's finalizers; only users may change its spec.
    let tenants = scene.cluster.names(&path("tenants", "", "")).await?;
    let one = tenants.first().context("no Tenant in the cluster")?;
    let at = path("tenants", "", one) + "?dryRun=All";
    let greedy = json!({"spec": {"displayName": "another"}});
    forbidden("the spec of a Tenant", thief.patch(&at, &greedy).await, &[CONFINED])
}

#[tokio::test]
async fn it_binds_its_own_roles_and_only_in_tenants_namespaces() -> Result<()> {
    let scene = Scene::new("tokenbind").await?;
    let thief = thief(&scene).await?;
    let tenant = tenant(&scene).await?;
    let foreign = scene.namespace("foreign").await?;
    let itself = json!({"kind": "ServiceAccount", "name": operator::NAME, "namespace": operator::NAMESPACE});
    let somebody = json!({"kind": "User", "name": "somebody"});
    let mut bound = BTreeSet::new();
    let roles = scene.cluster.names(&path("clusterroles", "", "")).await?;
    for role in &roles {
        let subject = match role.as_str() {
            "tenant-operator-namespace" => itself.clone(),
            "tenant-operator-examiner" => json!({"kind": "User", "name": EXAMINER}),
            _ => somebody.clone(),
        };
        let binding = rights::binding("swept", role, &subject);
        for namespace in [foreign.as_str(), "kube-system", operator::NAMESPACE] {
            let at = path("rolebindings", namespace, "") + "?dryRun=All";
            forbidden(
                &format!("bind {role} in {namespace}"),
                thief.create(&at, &binding).await,
                &[],
            )?;
        }
        let at = path("rolebindings", &tenant.name, "") + "?dryRun=All";
        match thief.create(&at, &binding).await {
            Ok(_) => drop(bound.insert(role.as_str())),
            refusal => forbidden(&format!("bind {role}"), refusal, &[])?,
        }
        let at = path("clusterrolebindings", "", "") + "?dryRun=All";
        let mut binding = binding;
        binding["kind"] = json!("ClusterRoleBinding");
        forbidden(
            &format!("bind {role} everywhere"),
            thief.create(&at, &binding).await,
            &["cannot create"],
        )?;
    }
    let own = [
        "examiner",
        "namespace",
        "tenant-admin",
        "tenant-editor",
        "tenant-viewer",
    ];
    let own: BTreeSet<_> = own.iter().map(|name| format!("tenant-operator-{name}")).collect();
    ensure!(bound.iter().all(|role| own.contains(*role)), "it binds {bound:?}");
    ensure!(
        bound.len() >= 4 && roles.len() > 20,
        "it binds {bound:?} of {} roles",
        roles.len()
    );

    // Nor may what it has go to others.
    let at = path("rolebindings", &tenant.name, "") + "?dryRun=All";
    for subject in [somebody, json!({"kind": "User", "name": EXAMINER})] {
        let binding = rights::binding("swept", "tenant-operator-namespace", &subject);
        forbidden("its role for another", thief.create(&at, &binding).await, &[CONFINED])?;
    }
    for subject in [json!({"kind": "Group", "name": "system:authenticated"}), itself] {
        let binding = rights::binding("swept", "tenant-operator-tenant-admin", &subject);
        forbidden(
            "an owner's role for everybody",
            thief.create(&at, &binding).await,
            &[CONFINED],
        )?;
    }
    Ok(())
}

#[tokio::test]
async fn it_acts_as_nobody_but_its_examiner() -> Result<()> {
    let scene = Scene::new("tokenas").await?;
    let thief = thief(&scene).await?;
    let mut others: BTreeSet<(String, String)> =
        ["system:admin", "kubernetes-admin", "system:anonymous", operator::USER]
            .map(|name| ("User".to_owned(), name.to_owned()))
            .into();
    others.insert(("Group".to_owned(), "system:masters".to_owned()));
    // Bindings in any namespace.
    for resource in ["rolebindings", "clusterrolebindings"] {
        for binding in scene.cluster.list(&path(resource, "", "")).await? {
            for subject in binding["subjects"].as_array().into_iter().flatten() {
                let (kind, name) = (text(&subject["kind"]), text(&subject["name"]));
                let namespace = text(&subject["namespace"]);
                others.insert(match kind.as_str() {
                    "ServiceAccount" => ("User".to_owned(), format!("system:serviceaccount:{namespace}:{name}")),
                    _ => (kind, name),
                });
            }
        }
    }
    others.remove(&("User".to_owned(), EXAMINER.to_owned()));
    for (kind, name) in &others {
        let other = match kind.as_str() {
            "Group" => thief.impersonate(EXAMINER, &[name.as_str()])?,
            _ => thief.impersonate(name, &[])?,
        };
        forbidden(
            &format!("act as {kind} {name}"),
            who_am_i(&other).await,
            &["cannot impersonate"],
        )?;
    }
    ensure!(others.len() > 30, "only {others:?}");

    let examiner = thief.impersonate(EXAMINER, &[])?;
    ensure!(
        who_am_i(&examiner).await?["username"] == EXAMINER,
        "it is not the examiner"
    );
    let tenant = tenant(&scene).await?;
    let foreign = scene.namespace("foreign").await?;
    let served = discovery::resources(&scene.cluster).await?;
    let more = format!("{}-more", tenant.name);
    for place in ["", "kube-system", operator::NAMESPACE, &foreign] {
        let found = sweep(&examiner, &served, place, &[]).await?;
        let beyond = found.beyond(&[EVERYBODY]);
        ensure!(
            beyond.is_empty() && found.asked > 150,
            "in {place:?} the examiner may {beyond:?}"
        );
    }
    for place in [&tenant.name, &more] {
        it_tries(&sweep(&examiner, &served, place, &[]).await?)?;
    }
    let all = path("configmaps", &tenant.name, "");
    let kept = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}});
    forbidden("more than a try", examiner.create(&all, &kept).await, &[EXAMINES])
}

/// Checks the examiner's rights in a tenant's namespace.
fn it_tries(found: &Found) -> Result<()> {
    let tries = (
        "create",
        "pods services persistentvolumeclaims configmaps networkpolicies.networking.k8s.io ingresses.networking.k8s.io rolebindings.rbac.authorization.k8s.io",
    );
    let beyond = found.beyond(&[tries]);
    ensure!(beyond.is_empty(), "in a tenant's namespace the examiner may {beyond:?}");
    has(&found.through, &["create configmaps"])?;
    has(
        &found.refused.keys().cloned().collect(),
        &["delete configmaps=kube-root-ca.crt"],
    )
}
