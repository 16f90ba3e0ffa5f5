//! The operator refuses workloads of which Kubernetes refuses the pods or the Service, and names the field.

use crate::support::scene::lay_over;
use crate::support::{Cluster, admin, path};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tenant_operator::api::{Tenant, TenantTier};
use tenant_operator::capability::World;
use tenant_operator::tenant::{capabilities::offline, validate};

/// The reasons against a tenant with this workload.
fn reasons(workload: &Value) -> Result<Vec<String>> {
    let id = "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11";
    let spec = json!({"tier": "plan", "id": id, "workloads": [workload]});
    let tenant: Tenant = serde_json::from_value(json!({"metadata": {"name": "acme"}, "spec": spec}))?;
    let tier: TenantTier = serde_json::from_value(json!({"metadata": {"name": "plan"}, "spec": {}}))?;
    let judged = validate(&offline(None), &tenant, &tier, &World::default());
    Ok(judged
        .err()
        .into_iter()
        .flatten()
        .map(|reason| reason.to_string())
        .collect())
}

/// The Deployment and the Service that carry the same fields.
fn objects(workload: &Value) -> [(&'static str, Value); 2] {
    let mut container = workload.clone();
    let mut pod = json!({});
    let fields = container.as_object_mut().into_iter();
    for fields in fields {
        for (own, theirs) in [("volumes", "volumes"), ("podSecurityContext", "securityContext")] {
            if let Some(value) = fields.remove(own) {
                pod[theirs] = value;
            }
        }
    }
    let ports = workload["ports"].as_array().cloned().unwrap_or_default();
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| json!({"name": port["name"], "port": port["containerPort"], "targetPort": port["name"], "protocol": port["protocol"]}))
        .collect();
    pod["containers"] = json!([container]);
    let labels = json!({"app": "rules"});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "rules"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "rules"},
        "spec": {"selector": labels, "ports": ports}});
    [("deployments", deployment), ("services", service)]
}

fn workload(fields: Value) -> Value {
    let mut whole = json!({"name": "web", "image": "web:1"});
    lay_over(&mut whole, fields);
    whole
}

/// A workload with this volume, which it mounts.
fn volume(source: Value) -> Value {
    let mut volume = json!({"name": "v"});
    lay_over(&mut volume, source);
    json!({"volumes": [volume], "volumeMounts": [{"name": "v", "mountPath": "/v"}]})
}

fn variable(source: Value) -> Value {
    json!({"env": [{"name": "A", "valueFrom": source}]})
}

fn liveness(probe: Value) -> Value {
    json!({"ports": [{"name": "http", "containerPort": 80}], "livenessProbe": probe})
}

fn mount(fields: Value) -> Value {
    let mut mount = json!({"name": "v", "mountPath": "/v"});
    lay_over(&mut mount, fields);
    json!({"volumes": [{"name": "v", "emptyDir": {}}], "volumeMounts": [mount]})
}

fn template(spec: Value) -> Value {
    let mut whole = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    lay_over(&mut whole, spec);
    volume(json!({"ephemeral": {"volumeClaimTemplate": {"spec": whole}}}))
}

/// Fields that Kubernetes refuses, and the place in the workload.
fn refused() -> Vec<(Value, &'static str)> {
    let port = |name: &str, number: i64| json!({"name": name, "containerPort": number});
    let file = |file: Value| volume(json!({"downwardAPI": {"items": [file]}}));
    let limits = |limits: Value| json!({"resources": {"limits": limits}});
    vec![
        (json!({"ports": [port("8080", 8080)]}), "ports[0].name"),
        (json!({"ports": [port("a--b", 80)]}), "ports[0].name"),
        (json!({"ports": [port("-a", 80)]}), "ports[0].name"),
        (json!({"ports": [port("a-", 80)]}), "ports[0].name"),
        (json!({"ports": [port("A", 80)]}), "ports[0].name"),
        (json!({"ports": [port("abcdefghijklmnop", 80)]}), "ports[0].name"),
        (json!({"ports": [port("a", 0)]}), "ports[0].containerPort"),
        (json!({"ports": [port("a", 65_536)]}), "ports[0].containerPort"),
        (json!({"ports": [port("a", 80), port("a", 81)]}), "ports[1].name"),
        (
            json!({"ports": [port("a", 80), port("b", 80)]}),
            "ports[1].containerPort",
        ),
        (json!({"env": [{"name": "A=B", "value": "1"}]}), "env[0].name"),
        (json!({"env": [{"name": "", "value": "1"}]}), "env[0].name"),
        (json!({"env": [{"name": "é", "value": "1"}]}), "env[0].name"),
        (
            json!({"env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            "env[0].valueFrom",
        ),
        (variable(json!({})), "env[0].valueFrom"),
        (
            variable(json!({"fieldRef": {"fieldPath": "metadata.name"}, "secretKeyRef": {"name": "a", "key": "b"}})),
            "env[0].valueFrom",
        ),
        (
            variable(json!({"fieldRef": {"fieldPath": "metadata.nam"}})),
            "env[0].valueFrom.fieldRef",
        ),
        (
            variable(json!({"fieldRef": {"fieldPath": "metadata.labels"}})),
            "env[0].valueFrom.fieldRef",
        ),
        (
            variable(json!({"fieldRef": {"fieldPath": "metadata.labels['a b']"}})),
            "env[0].valueFrom.fieldRef",
        ),
        (
            variable(json!({"resourceFieldRef": {"resource": "cpu"}})),
            "env[0].valueFrom.resourceFieldRef.resource",
        ),
        (
            variable(json!({"configMapKeyRef": {"name": "", "key": "a"}})),
            "env[0].valueFrom.configMapKeyRef.name",
        ),
        (
            variable(json!({"configMapKeyRef": {"name": "A_b", "key": "a"}})),
            "env[0].valueFrom.configMapKeyRef.name",
        ),
        (
            variable(json!({"secretKeyRef": {"name": "a", "key": "a/b"}})),
            "env[0].valueFrom.secretKeyRef.key",
        ),
        (
            variable(json!({"secretKeyRef": {"name": "a", "key": ""}})),
            "env[0].valueFrom.secretKeyRef.key",
        ),
        (json!({"envFrom": [{}]}), "envFrom"),
        (
            json!({"envFrom": [{"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}]}),
            "envFrom",
        ),
        (
            json!({"envFrom": [{"configMapRef": {"name": ""}}]}),
            "envFrom[0].configMapRef.name",
        ),
        (
            json!({"envFrom": [{"secretRef": {"name": "A_b"}}]}),
            "envFrom[0].secretRef.name",
        ),
        (
            json!({"envFrom": [{"prefix": "=", "secretRef": {"name": "a"}}]}),
            "envFrom[0].prefix",
        ),
        (liveness(json!({"periodSeconds": 5})), "livenessProbe"),
        (
            liveness(json!({"exec": {"command": ["a"]}, "tcpSocket": {"port": 80}})),
            "livenessProbe",
        ),
        (liveness(json!({"exec": {}})), "livenessProbe.exec.command"),
        (
            liveness(json!({"tcpSocket": {"port": 0}})),
            "livenessProbe.tcpSocket.port",
        ),
        (
            liveness(json!({"httpGet": {"port": "a--b"}})),
            "livenessProbe.httpGet.port",
        ),
        (
            liveness(json!({"httpGet": {"port": 80, "scheme": "http"}})),
            "livenessProbe.httpGet.scheme",
        ),
        (
            liveness(json!({"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": "c"}]}})),
            "livenessProbe.httpGet.httpHeaders",
        ),
        (liveness(json!({"grpc": {"port": 0}})), "livenessProbe.grpc.port"),
        (
            liveness(json!({"tcpSocket": {"port": 80}, "successThreshold": 2})),
            "livenessProbe.successThreshold",
        ),
        (
            json!({"startupProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2}}),
            "startupProbe.successThreshold",
        ),
        (
            json!({"readinessProbe": {"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 2}}),
            "readinessProbe.terminationGracePeriodSeconds",
        ),
        (json!({"volumes": [{"name": "V_", "emptyDir": {}}]}), "volumes[0].name"),
        (
            json!({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]}),
            "volumes[1].name",
        ),
        (
            volume(json!({"emptyDir": {"sizeLimit": "-1"}})),
            "volumes[0].emptyDir.sizeLimit",
        ),
        (volume(json!({"configMap": {}})), "volumes[0].configMap.name"),
        (
            volume(json!({"configMap": {"name": "a", "items": [{"key": "a", "path": "/x"}]}})),
            "volumes[0].configMap.items[0].path",
        ),
        (
            volume(json!({"configMap": {"name": "a", "items": [{"key": "a", "path": "..x"}]}})),
            "volumes[0].configMap.items[0].path",
        ),
        (
            volume(json!({"secret": {"secretName": "a", "items": [{"key": "", "path": "a/../b"}]}})),
            "volumes[0].secret.items[0].key",
        ),
        (volume(json!({"secret": {}})), "volumes[0].secret.secretName"),
        (
            volume(json!({"persistentVolumeClaim": {"claimName": ""}})),
            "volumes[0].persistentVolumeClaim.claimName",
        ),
        (
            volume(json!({"projected": {"sources": [{"configMap": {"name": "a"}, "secret": {"name": "b"}}]}})),
            "volumes[0].projected",
        ),
        (
            volume(json!({"projected": {"sources": [{"secret": {}}]}})),
            "volumes[0].projected.sources[0].secret.name",
        ),
        (
            volume(json!({"projected": {"sources": [{"serviceAccountToken": {"path": "/x"}}]}})),
            "volumes[0].projected",
        ),
        (file(json!({"path": "a"})), "volumes[0].downwardAPI"),
        (
            file(json!({"path": "a", "fieldRef": {"fieldPath": "status.podIP"}})),
            "volumes[0].downwardAPI",
        ),
        (
            file(json!({"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}})),
            "volumes[0].downwardAPI",
        ),
        (
            volume(json!({"ephemeral": {}})),
            "volumes[0].ephemeral.volumeClaimTemplate",
        ),
        (
            template(json!({"accessModes": []})),
            "volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes",
        ),
        (
            template(json!({"accessModes": ["x"]})),
            "volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes",
        ),
        (
            template(json!({"accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]})),
            "volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes",
        ),
        (
            template(json!({"resources": {"requests": {"storage": "0"}}})),
            "volumes[0].ephemeral.volumeClaimTemplate.spec.resources",
        ),
        (
            template(json!({"storageClassName": "A_"})),
            "volumes[0].ephemeral.volumeClaimTemplate.spec.storageClassName",
        ),
        (
            json!({"volumeMounts": [{"name": "none", "mountPath": "/x"}]}),
            "volumeMounts[0].name",
        ),
        (
            json!({"volumes": [{"name": "v", "emptyDir": {}}], "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/v"}]}),
            "volumeMounts[1].mountPath",
        ),
        (mount(json!({"mountPath": ""})), "volumeMounts[0].mountPath"),
        (mount(json!({"subPath": "/x"})), "volumeMounts"),
        (mount(json!({"subPath": "../x"})), "volumeMounts"),
        (
            mount(json!({"subPath": "x", "subPathExpr": "y"})),
            "volumeMounts[0].subPathExpr",
        ),
        (mount(json!({"mountPropagation": "x"})), "volumeMounts"),
        (mount(json!({"mountPropagation": "Bidirectional"})), "volumeMounts"),
        (mount(json!({"recursiveReadOnly": "Enabled"})), "volumeMounts"),
        (limits(json!({"foo": 1})), "resources.limits"),
        (limits(json!({"requests.cpu": 1})), "resources.limits"),
        (limits(json!({"storage": "1Gi"})), "resources.limits"),
        (limits(json!({"nvidia.com/gpu": "500m"})), "resources.limits"),
        (limits(json!({"hugepages-2Mi": "4Mi"})), "resources"),
        (limits(json!({"hugepages-2Mi": "3Mi", "cpu": 1})), "resources.limits"),
        (json!({"resources": {"requests": {"nvidia.com/gpu": 1}}}), "resources"),
        (
            json!({"resources": {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}}}),
            "resources.requests",
        ),
        (
            json!({"resources": {"requests": {"hugepages-2Mi": "2Mi"}, "limits": {"hugepages-2Mi": "4Mi", "cpu": 1}}}),
            "resources.requests",
        ),
        (
            json!({"securityContext": {"procMount": "x"}}),
            "securityContext.procMount",
        ),
        (
            json!({"securityContext": {"allowPrivilegeEscalation": false, "privileged": true}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"add": ["CAP_SYS_ADMIN"]}}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "x"}}}),
            "securityContext.seccompProfile.type",
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}}),
            "securityContext.seccompProfile.localhostProfile",
        ),
        (
            json!({"podSecurityContext": {"seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "a"}}}),
            "podSecurityContext.seccompProfile.localhostProfile",
        ),
        (
            json!({"podSecurityContext": {"appArmorProfile": {"type": "Localhost"}}}),
            "podSecurityContext.appArmorProfile.localhostProfile",
        ),
        (
            json!({"podSecurityContext": {"fsGroupChangePolicy": "x"}}),
            "podSecurityContext.fsGroupChangePolicy",
        ),
        (
            json!({"podSecurityContext": {"supplementalGroupsPolicy": "x"}}),
            "podSecurityContext.supplementalGroupsPolicy",
        ),
        (
            json!({"podSecurityContext": {"sysctls": [{"name": "a b", "value": "1"}]}}),
            "podSecurityContext.sysctls[0].name",
        ),
        (
            json!({"podSecurityContext": {"sysctls": [{"name": "a", "value": "1"}, {"name": "a", "value": "1"}]}}),
            "podSecurityContext.sysctls[1].name",
        ),
    ]
}

/// Fields that Kubernetes accepts, beside those that it refuses.
fn accepted() -> Vec<Value> {
    vec![
        json!({"ports": [{"name": "a", "containerPort": 53}, {"name": "1-b", "containerPort": 53, "protocol": "UDP"}]}),
        json!({"env": [{"name": "a.b c", "value": "1"}, {"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
        variable(json!({"fieldRef": {"fieldPath": "metadata.annotations['Example.com/A']"}})),
        variable(json!({"resourceFieldRef": {"resource": "limits.hugepages-2Mi"}})),
        variable(json!({"secretKeyRef": {"name": "a.b", "key": ".a_B"}})),
        liveness(json!({"httpGet": {"port": "http"}})),
        liveness(json!({"tcpSocket": {"port": 9999}})),
        json!({"readinessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2}}),
        volume(json!({"configMap": {"name": "a", "items": [{"key": "a", "path": "b/c"}]}})),
        volume(
            json!({"projected": {"sources": [{"serviceAccountToken": {"path": "a"}}, {"configMap": {"name": "a"}}]}}),
        ),
        volume(json!({"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.labels"}}]}})),
        template(json!({})),
        mount(json!({"subPath": "a/..b", "readOnly": true, "recursiveReadOnly": "Enabled"})),
        json!({"resources": {"limits": {"nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi", "cpu": 1, "ephemeral-storage": "1Gi"}}}),
        json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "a"}}}),
        json!({"podSecurityContext": {"sysctls": [{"name": "net.ipv4/x", "value": "1"}], "fsGroupChangePolicy": "Always"}}),
    ]
}

/// The API server's causes against the workload's objects.
async fn servers(cluster: &Cluster, workload: &Value) -> Result<Vec<String>> {
    let mut causes = Vec::new();
    for (resource, object) in objects(workload) {
        if resource == "services" && object["spec"]["ports"] == json!([]) {
            continue;
        }
        match cluster
            .create(&(path(resource, "default", "") + "?dryRun=All"), &object)
            .await
        {
            Err(kube::Error::Api(status)) if status.code == 422 => {
                let found = status.details.iter().flat_map(|details| &details.causes);
                causes.extend(found.map(|cause| format!("{}: {}", cause.field, cause.message)));
            }
            answer => drop(answer.with_context(|| object.to_string())?),
        }
    }
    Ok(causes)
}

#[tokio::test]
async fn the_operator_refuses_what_kubernetes_refuses() -> Result<()> {
    let cluster = admin().await?;
    for (fields, place) in refused() {
        let workload = workload(fields);
        let theirs = servers(&cluster, &workload).await?;
        ensure!(!theirs.is_empty(), "Kubernetes accepts {workload}");
        let ours = reasons(&workload)?;
        let field = format!("spec.workloads[0].{place}");
        ensure!(
            ours.iter().any(|reason| reason.starts_with(&field)),
            "{workload}: nothing against {field} in {ours:#?}; Kubernetes: {theirs:#?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_operator_accepts_what_kubernetes_accepts() -> Result<()> {
    let cluster = admin().await?;
    for fields in accepted() {
        let workload = workload(fields);
        let (theirs, ours) = (servers(&cluster, &workload).await?, reasons(&workload)?);
        ensure!(
            theirs.is_empty() && ours.is_empty(),
            "{workload}: {theirs:#?} {ours:#?}"
        );
    }
    Ok(())
}
