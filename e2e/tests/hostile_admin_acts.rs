//! Attacks of a hostile Admin by means of his own objects: on the operator's objects beside them, and on another tenant's.

use super::hostile_admin::Site;
use crate::support::scene::lay_over;
use crate::support::{discovery, eventually, forbidden, path, pods, refused, secs};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const AT_ONCE: usize = 8;
/// Objects that the cluster's controllers make from the operator's objects, with their labels: a controller replaces a changed one.
const MADE_OF_OURS: [&str; 2] = ["/pods/", "/replicasets/"];

/// Returns another tenant's objects as they were planned.
async fn belongings(site: &Site) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for namespace in [site.theirs.name.clone(), format!("{}-more", site.theirs.name)] {
        for (at, object) in discovery::objects(&site.scene.cluster, &site.served, &namespace).await? {
            // The operator writes what it has seen there.
            if object["kind"] == "TenantView" || at.contains("/tenantviews/") {
                continue;
            }
            let said = json!([
                object["metadata"]["uid"],
                object["metadata"]["deletionTimestamp"],
                object["metadata"]["ownerReferences"],
                object["metadata"]["labels"],
                object["spec"],
                object["data"],
                object["subjects"],
                object["endpoints"]
            ]);
            found.insert(at, said.to_string());
        }
    }
    ensure!(found.len() > 20, "there is more than {:?}", found.keys());
    Ok(found)
}

fn is_ours(object: &Value) -> bool {
    let labels = object["metadata"]["labels"].as_object();
    labels.is_some_and(|labels| labels.keys().any(|key| key.starts_with("tenant-operator.io/")))
}

/// Tries every way to change or remove each of the operator's objects in his namespaces, of any kind.
#[tokio::test]
async fn what_the_operator_made_stays_as_it_is() -> Result<()> {
    let site = Site::new("hostilekeep").await?;
    let owner = json!([{"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "name": site.theirs.name,
        "uid": site.theirs.get().await?["metadata"]["uid"], "blockOwnerDeletion": true}]);
    let (mut tried, mut collections) = (0, BTreeSet::new());
    for namespace in [site.ours.name.clone(), format!("{}-more", site.ours.name)] {
        let all = discovery::objects(&site.scene.cluster, &site.served, &namespace).await?;
        let kept = |(at, object): &&(String, Value)| is_ours(object) && !MADE_OF_OURS.iter().any(|of| at.contains(of));
        for (at, object) in all.iter().filter(kept) {
            let mut noted = object.clone();
            lay_over(&mut noted["metadata"], json!({"annotations": {"note": "mine"}}));
            let dry = format!("{at}?dryRun=All");
            let metadata = |what: Value| json!({"metadata": what});
            let ways = [
                (
                    "PATCH",
                    dry.clone(),
                    Some(metadata(json!({"annotations": {"note": "mine"}}))),
                ),
                (
                    "PATCH",
                    dry.clone(),
                    Some(metadata(json!({"labels": null, "annotations": null}))),
                ),
                (
                    "PATCH",
                    dry.clone(),
                    Some(metadata(json!({"finalizers": ["example.com/stay"]}))),
                ),
                ("PATCH", dry.clone(), Some(metadata(json!({"ownerReferences": owner})))),
                ("PUT", dry.clone(), Some(noted)),
                ("DELETE", dry.clone(), None),
                ("DELETE", format!("{dry}&propagationPolicy=Orphan"), None),
            ];
            let tries = futures::stream::iter(ways).map(async |(method, path, body)| {
                let (code, message) = site.agent.answer(method, &path, body.as_ref()).await?;
                ensure!(code == 403, "{method} {path} {body:?}: {code} {message}");
                Ok(())
            });
            tries.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            tried += 1;
            let (collection, name) = at.rsplit_once('/').context("no name")?;
            for selector in [
                "",
                "&labelSelector=tenant-operator.io/tenant-id",
                &format!("&fieldSelector=metadata.name%3D{name}"),
            ] {
                let path = format!("{collection}?dryRun=All{selector}");
                let (code, message) = site.agent.answer("DELETE", &path, None).await?;
                ensure!(code == 403, "DELETE {path}: {code} {message}");
            }
            collections.insert(collection.to_owned());
        }
    }
    ensure!(
        tried > 15 && collections.len() > 12,
        "only {tried} were tried, of {collections:?}"
    );
    // The same requests do remove what is his.
    let own = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own", "labels": {"own": "yes"}}});
    site.agent
        .create(&path("configmaps", &site.ours.name, ""), &own)
        .await
        .context("a ConfigMap")?;
    let collection = site.at("configmaps", "") + "&labelSelector=own";
    site.agent.delete(&collection).await.context("all of his own")?;
    Ok(())
}

/// Garbage collection acts on anybody's owner references. It removes the objects with such a reference, never its target.
#[tokio::test]
async fn owner_references_remove_nothing_of_others() -> Result<()> {
    let site = Site::new("hostilegc").await?;
    let before = belongings(&site).await?;
    let cluster = &site.scene.cluster;
    let uid = async |at: String| anyhow::Ok(cluster.get(&at).await?["metadata"]["uid"].clone());
    let namespace = uid(path("namespaces", "", &site.theirs.name)).await?;
    let deployment = uid(path("deployments", &site.theirs.name, "web")).await?;
    let references = [
        (
            "tenant",
            json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "name": site.theirs.name,
            "uid": uid(site.theirs.path()).await?}),
        ),
        (
            "namespace",
            json!({"apiVersion": "v1", "kind": "Namespace", "name": site.theirs.name, "uid": namespace}),
        ),
        (
            "deployment",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": deployment}),
        ),
    ];
    for (name, mut reference) in references {
        reference["blockOwnerDeletion"] = json!(true);
        reference["controller"] = json!(true);
        let bait = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": [reference]}});
        site.agent
            .create(&path("configmaps", &site.ours.name, ""), &bait)
            .await
            .context("bait")?;
    }
    // The garbage collector deletes an object whose owner is in another namespace: so the collector has been there.
    let bait = path("configmaps", &site.ours.name, "deployment");
    eventually("the garbage collector", secs(60), async || {
        ensure!(!cluster.exists(&bait).await?, "it did not look yet");
        Ok(())
    })
    .await?;
    for name in ["tenant", "namespace"] {
        let at = path("configmaps", &site.ours.name, name) + "?propagationPolicy=Foreground";
        site.agent.delete(&at).await.with_context(|| format!("delete {name}"))?;
    }
    let after = belongings(&site).await?;
    // The message omits the values: Secrets are among them.
    let keys = before.keys().chain(after.keys());
    let changed: BTreeSet<&String> = keys.filter(|at| before.get(*at) != after.get(*at)).collect();
    ensure!(changed.is_empty(), "these are not what they were: {changed:?}");
    site.theirs.ready().await?;
    Ok(())
}

/// Traffic: his objects cannot stand for another's, nor get access to it later.
#[tokio::test]
async fn no_service_or_policy_of_his_leads_to_others() -> Result<()> {
    let site = Site::new("hostilenet").await?;
    let pod = site.theirs.pods("web", 1).await?.remove(0);
    let address = pods::address(&site.scene.cluster, &site.theirs.name, &pod).await?;
    let own = |resource: &str| path(resource, &site.ours.name, "");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "own"}, "spec": {"ports": [{"port": 8080}]}});
    site.admin
        .create(&own("services"), &service)
        .await
        .context("a Service without a selector")?;
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "own"},
        "subsets": [{"addresses": [{"ip": address}], "ports": [{"port": 8080}]}]});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "own-1", "labels": {"kubernetes.io/service-name": "own"}},
        "endpoints": [{"addresses": [address]}], "ports": [{"port": 8080}]});
    let cannot = ["cannot "];
    forbidden(
        "its Endpoints",
        site.admin.create(&site.at("endpoints", ""), &endpoints).await,
        &cannot,
    )?;
    forbidden(
        "its EndpointSlice",
        site.admin.create(&site.at("endpointslices", ""), &slice).await,
        &cannot,
    )?;
    let slices = site.admin.names(&own("endpointslices")).await?;
    let made = slices.first().context("no EndpointSlice of his own Services")?;
    let turned = json!({"endpoints": [{"addresses": [address]}]});
    forbidden(
        "one that is there",
        site.admin.patch(&site.at("endpointslices", made), &turned).await,
        &cannot,
    )?;

    let policy = ["tenant-operator-services"];
    for spec in [
        json!({"type": "ExternalName", "externalName": format!("web.{}.svc", site.theirs.name)}),
        json!({"externalIPs": [address]}),
        json!({"type": "LoadBalancer", "loadBalancerIP": address}),
        json!({"type": "NodePort"}),
    ] {
        let changed = site
            .admin
            .patch(&site.at("services", "own"), &json!({"spec": spec}))
            .await;
        forbidden(&format!("a Service later of {spec}"), changed, &policy)?;
    }
    let ingress = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    forbidden(
        "its status",
        site.admin.patch(&site.at("services", "own/status"), &ingress).await,
        &cannot,
    )?;
    let through = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "own"}, "spec": {
        "defaultBackend": {"service": {"name": format!("web.{}", site.theirs.name), "port": {"number": 8080}}}}});
    refused(
        "an Ingress to theirs",
        site.admin.create(&site.at("ingresses", ""), &through).await,
        &["defaultBackend"],
    )?;

    let narrow = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "own"}, "spec": {
        "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{"from": [{"podSelector": {}}]}]}});
    site.admin
        .create(&own("networkpolicies"), &narrow)
        .await
        .context("a NetworkPolicy")?;
    let theirs = json!({"matchLabels": {"kubernetes.io/metadata.name": site.theirs.name}});
    let by_mark = json!({"matchLabels": {"tenant-operator.io/tenant": site.theirs.name}});
    for peers in [
        json!([]),
        json!([{"namespaceSelector": {}}]),
        json!([{"namespaceSelector": theirs}]),
        json!([{"namespaceSelector": by_mark, "podSelector": {}}]),
        json!([{"podSelector": {}}, {"namespaceSelector": theirs}]),
        json!([{"ipBlock": {"cidr": format!("{address}/32")}}]),
    ] {
        for opened in [
            json!({"ingress": [{"from": peers}]}),
            json!({"egress": [{"to": peers}]}),
        ] {
            let changed = site
                .admin
                .patch(&site.at("networkpolicies", "own"), &json!({"spec": opened}))
                .await;
            forbidden(
                &format!("a policy later of {opened}"),
                changed,
                &["tenant-operator-network-policies"],
            )?;
        }
    }
    Ok(())
}

/// An admitted pod cannot become one that would not have been admitted.
#[tokio::test]
async fn no_pod_of_his_changes_into_another() -> Result<()> {
    let site = Site::new("hostilepod").await?;
    let mut gated = pods::server("gated");
    gated["spec"]["schedulingGates"] = json!([{"name": "example.com/wait"}]);
    site.admin
        .create(&path("pods", &site.ours.name, ""), &gated)
        .await
        .context("a pod that waits")?;
    let at = site.at("pods", "gated");
    let select = |key: &str, value: &str| json!({"spec": {"nodeSelector": {key: value}}});
    site.admin
        .patch(&at, &select("zone", "x"))
        .await
        .context("nodes of a zone")?;
    let policy = ["tenant-operator-pods"];
    let theirs = select("tenant-operator.io/tenant", &site.theirs.name);
    forbidden("another tenant's nodes", site.admin.patch(&at, &theirs).await, &policy)?;
    let term = |operator: &str, values: Value| {
        json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "tenant-operator.io/tenant", "operator": operator, "values": values}]}]}}}}})
    };
    forbidden(
        "the same by affinity",
        site.admin.patch(&at, &term("In", json!([site.theirs.name]))).await,
        &policy,
    )?;
    forbidden(
        "any tenant's nodes",
        site.admin.patch(&at, &term("Exists", json!([]))).await,
        &policy,
    )?;
    site.admin
        .patch(&at, &term("In", json!([site.ours.name])))
        .await
        .context("its own nodes")?;

    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "gated"}, "target": {"kind": "Node", "name": "node-1"}});
    let cannot = ["cannot "];
    let bound = site.admin.create(&site.at("pods", "gated/binding"), &binding).await;
    forbidden("a node by a binding", bound, &cannot)?;
    forbidden(
        "the same of old",
        site.admin.create(&site.at("bindings", ""), &binding).await,
        &cannot,
    )?;
    for subresource in ["ephemeralcontainers", "resize", "status"] {
        let at = site.at("pods", &format!("gated/{subresource}"));
        let changed = site
            .admin
            .patch(&at, &json!({"metadata": {"annotations": {"a": "b"}}}))
            .await;
        forbidden(subresource, changed, &cannot)?;
    }
    let mut mirrored = pods::server("mirrored");
    mirrored["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    refused(
        "a pod of the kubelet's",
        site.admin.create(&site.at("pods", ""), &mirrored).await,
        &["mirror"],
    )?;
    let mut critical = pods::server("critical");
    critical["spec"]["priorityClassName"] = json!("system-cluster-critical");
    refused(
        "a critical pod",
        site.admin.create(&site.at("pods", ""), &critical).await,
        &["priority"],
    )
}

/// A volume that is there for another tenant, free to be bound: neither at once, nor later, nor by a controller's hand.
#[tokio::test]
async fn a_volume_for_others_is_not_to_be_had() -> Result<()> {
    let site = Site::new("hostilevolume").await?;
    let class = format!("{}-class", site.scene.name);
    let volume = format!("{}-volume", site.scene.name);
    let body = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": {
        "capacity": {"storage": "16Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/var/empty"}}});
    let at = path("persistentvolumes", "", "");
    // A class of this name that waits for a pod, so that a claim stays without a volume.
    let waiting = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"});
    site.scene
        .will_leave(&format!("/apis/storage.k8s.io/v1/storageclasses/{class}"));
    site.scene.will_leave(&format!("{at}/{volume}"));
    site.scene
        .cluster
        .create("/apis/storage.k8s.io/v1/storageclasses", &waiting)
        .await
        .context("a class")?;
    site.scene.cluster.create(&at, &body).await.context("a volume")?;

    let spec = |name: Option<&str>| {
        json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class, "volumeName": name,
        "resources": {"requests": {"storage": "16Mi"}}})
    };
    let claim = |name: Option<&str>| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "own"}, "spec": spec(name)});
    let policy = ["tenant-operator-claims"];
    forbidden(
        "by name",
        site.admin
            .create(&site.at("persistentvolumeclaims", ""), &claim(Some(&volume)))
            .await,
        &policy,
    )?;
    site.admin
        .create(&path("persistentvolumeclaims", &site.ours.name, ""), &claim(None))
        .await
        .context("a claim")?;
    let later = site
        .admin
        .patch(
            &site.at("persistentvolumeclaims", "own"),
            &json!({"spec": {"volumeName": volume}}),
        )
        .await;
    forbidden("by name, later", later, &policy)?;
    let note = json!({"metadata": {"annotations": {"a": "b"}}});
    site.admin
        .patch(&site.at("persistentvolumeclaims", "own"), &note)
        .await
        .context("an annotation of his claim")?;
    let mut copy = claim(None);
    copy["metadata"]["name"] = json!("copy");
    copy["spec"]["dataSourceRef"] =
        json!({"kind": "PersistentVolumeClaim", "name": "data", "namespace": site.theirs.name});
    if let Ok(made) = site.admin.create(&site.at("persistentvolumeclaims", ""), &copy).await {
        ensure!(
            made["spec"]["dataSourceRef"]["namespace"].is_null(),
            "a claim of theirs is copied: {made}"
        );
    }

    // Templates are judged as claims are; the controllers that make claims from them are too (tests/admission/spellings.py).
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set"}, "spec": {
        "replicas": 1, "serviceName": "set", "selector": {"matchLabels": {"app": "set"}},
        "template": {"metadata": {"labels": {"app": "set"}}, "spec": pods::spec()},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": spec(Some(&volume))}]}});
    let made = site
        .admin
        .create(&path("statefulsets", &site.ours.name, ""), &set)
        .await;
    forbidden("by a StatefulSet", made, &["tenant-operator-claim-templates"])?;
    let older = json!({"annotations": {"volume.beta.kubernetes.io/storage-class": ""}});
    let mut classless = claim(None);
    lay_over(
        &mut classless["metadata"],
        json!({"name": "classless", "annotations": older["annotations"]}),
    );
    let made = site
        .admin
        .create(&site.at("persistentvolumeclaims", ""), &classless)
        .await;
    forbidden("without a class by the older annotation", made, &policy)?;
    for template in [
        json!({"spec": spec(Some(&volume))}),
        json!({"metadata": older, "spec": spec(None)}),
    ] {
        let mut pod = pods::server("brief");
        pod["spec"]["volumes"] = json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]);
        let made = site.admin.create(&path("pods", &site.ours.name, ""), &pod).await;
        forbidden("by an ephemeral volume", made, &["tenant-operator-volumes"])?;
    }
    let claims = site
        .scene
        .cluster
        .names(&path("persistentvolumeclaims", &site.ours.name, ""))
        .await?;
    ensure!(claims == ["own"], "there are {claims:?}");
    let volume = site.scene.cluster.get(&format!("{at}/{volume}")).await?;
    ensure!(volume["spec"]["claimRef"].is_null(), "it is bound: {volume}");
    Ok(())
}
