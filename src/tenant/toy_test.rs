//! A capability in one file: a greeting for each tenant. The list of capabilities names it in one line; the driver does all else.

use super::fixtures::{acme_of, api_server, platform, tenant, tier, world};
use super::provision::provision;
use super::status::{Observed, status};
use super::{Capabilities, plan, validate};
use crate::api::{DeletionPolicy, TenantStatus};
use crate::capability::{
    Asked, Capability, Contributions, Description, Invalid, Pass, Planned, Platform, ReconcileOutcome, Report, Reports,
    Stage, State, ValidTenant,
};
use crate::cluster::{Error, Kind, Store, Writer, metadata};
use crate::conditions::reason;
use crate::credentials::OwnKeys;
use crate::namespaces::Namespaces;
use crate::telemetry::metrics::Metrics;
use crate::workloads::Workloads;
use async_trait::async_trait;
use http::{Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tower::BoxError;

const DESCRIPTION: Description = Description {
    name: "greeting",
    condition: "Greeted",
    stage: Stage::Configuration,
    rank: 9,
    not_ready: reason::PROGRESSING,
    ready: "the greeting is there",
    suspended: Some("nobody is greeted"),
    quarantined: None,
    awaits: "waiting for the namespaces",
    gate: None,
};

/// The part of a tenant that is to be greeted.
struct ValidGreeting(String);

#[derive(Default)]
struct Greeting {
    plans: AtomicUsize,
    /// The text that it contributes once it was applied, if another.
    welcome: Option<&'static str>,
}

#[async_trait]
impl Capability for Greeting {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, reasons: &mut Vec<Invalid>) {
        match asked.tenant.spec.display_name.as_deref() {
            Some("nobody") => reasons.push(Invalid::new("spec.displayName", "nobody cannot be greeted")),
            Some(name) => tenant.set(ValidGreeting(format!("Hello {name}"))),
            None => {}
        }
    }

    fn contribute(&self, tenant: &ValidTenant, to: &mut Contributions) {
        if let Some(ValidGreeting(text)) = tenant.part() {
            to.files.insert("greeting.txt", text.clone());
        }
    }

    fn plan(&self, tenant: &mut ValidTenant, _: &Platform) -> Vec<Planned> {
        self.plans.fetch_add(1, Relaxed);
        let Some(ValidGreeting(text)) = tenant.part() else {
            return Vec::new();
        };
        let meta = metadata::meta(&tenant.core.owner, tenant.name(), "greeting");
        let object = ConfigMap {
            metadata: meta.clone(),
            data: Some(BTreeMap::from([("text".to_string(), text.clone())])),
            ..ConfigMap::default()
        };
        let desired = metadata::desired(Kind::ConfigMap, &meta, &object);
        vec![Planned::new(Stage::Configuration, desired)]
    }

    async fn apply(
        &self,
        pass: &Pass<'_>,
        tenant: &mut ValidTenant,
        planned: Vec<Planned>,
    ) -> Result<Option<Report>, Error> {
        if planned.is_empty() {
            return Ok(None);
        }
        let objects: Vec<_> = planned.into_iter().map(|planned| planned.object).collect();
        pass.apply(&tenant.core.owner, &objects).await?;
        if let Some(welcome) = self.welcome {
            tenant.set(ValidGreeting(welcome.into()));
        }
        Ok(Some(Report::new(&DESCRIPTION, State::default())))
    }

    fn concerns(&self, tenant: Option<&ValidTenant>, _: &TenantStatus, _: bool) -> bool {
        tenant.is_some_and(|tenant| tenant.part::<ValidGreeting>().is_some())
    }
}

fn list(greeting: Arc<Greeting>) -> Capabilities {
    vec![
        Arc::new(Namespaces),
        greeting,
        Arc::new(OwnKeys::default()),
        Arc::new(Workloads),
    ]
}

async fn pass_over(greeting: Arc<Greeting>, store: &Arc<Store>, spec: Value) -> (Reports, ValidTenant, TenantStatus) {
    let capabilities = list(greeting);
    let platform = platform();
    let mut valid = acme_of(&capabilities, spec.clone(), json!({}));
    let pass = Pass {
        writer: &Writer::new(api_server(|_, _| false), store.clone(), Metrics::new()),
        store,
        platform: &platform,
        capabilities: &capabilities,
        policy: DeletionPolicy::Delete,
    };
    let reports = provision(&pass, &mut valid).await.expect("provisioned");
    let outcome = ReconcileOutcome::Planned(reports.clone());
    let now = "2026-01-01T10:00:00Z".parse().expect("a time");
    let status = status(
        &capabilities,
        &tenant(spec),
        &outcome,
        Some(&valid),
        Observed::default(),
        now,
    );
    (reports, valid, status)
}

#[tokio::test(start_paused = true)]
async fn a_capability_is_one_file_and_a_line_of_the_list() {
    let (greeting, store) = (Arc::new(Greeting::default()), Arc::new(Store::default()));
    let (_, valid, status) = pass_over(greeting.clone(), &store, json!({"displayName": "Acme"})).await;
    let of = |kind: &str| {
        let found = status.conditions.iter().find(|condition| condition.type_ == kind);
        found.map(|condition| (condition.status.as_str(), condition.message.as_str()))
    };
    assert_eq!(of("Greeted"), Some(("True", "the greeting is there")));
    assert_eq!(of("Ready").map(|(status, _)| status), Some("True"));
    let written: Vec<String> = store.of("acme").into_keys().map(|key| key.to_string()).collect();
    assert!(written.contains(&"ConfigMap acme/greeting".to_string()), "{written:?}");
    // Pods find what it contributes, and each capability planned once in the pass.
    let files = plan(&list(greeting.clone()), &mut valid.clone(), &platform()).stage(Stage::Configuration);
    assert!(
        files
            .iter()
            .any(|file| file.value["data"]["greeting.txt"] == "Hello Acme"),
        "{files:?}"
    );
    assert_eq!(
        greeting.plans.swap(0, Relaxed),
        2,
        "one pass, and the plan of this test"
    );

    // Without a name there is no greeting: its object goes, and nothing is said of it.
    let (_, _, status) = pass_over(greeting.clone(), &store, json!({})).await;
    assert!(status.conditions.iter().all(|condition| condition.type_ != "Greeted"));
    let refused = tenant(json!({"displayName": "nobody"}));
    let reasons = validate(&list(greeting), &refused, &tier(json!({})), &world(&[])).expect_err("refused");
    assert_eq!(reasons[0].to_string(), "spec.displayName: nobody cannot be greeted");
}

#[tokio::test(start_paused = true)]
async fn what_is_contributed_late_reaches_every_later_capability() {
    let welcome = Some("Welcome");
    let greeting = Arc::new(Greeting {
        welcome,
        ..Greeting::default()
    });
    let store = Arc::new(Store::default());
    pass_over(greeting, &store, json!({"displayName": "Acme"})).await;
    let mut files = store.of("acme").into_values();
    let found = files.find_map(|live| live.value.pointer("/data")?.get("greeting.txt").cloned());
    assert_eq!(found, Some(json!("Welcome")));
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_holds_later_stages_back_and_says_why() {
    let (greeting, store) = (Arc::new(Greeting::default()), Arc::new(Store::default()));
    let capabilities = list(greeting);
    let platform = platform();
    let mut valid = acme_of(&capabilities, json!({"displayName": "Acme"}), json!({}));
    // This API server's quota controller never comes.
    let server = tower::service_fn(|request: Request<Body>| async move {
        let body = request.into_body().collect().await?.to_bytes();
        let mut object: Value = serde_json::from_slice(&body)?;
        object["metadata"]["uid"] = json!("u");
        object["metadata"]["resourceVersion"] = json!("1");
        Ok::<_, BoxError>(Response::new(Body::from(object.to_string().into_bytes())))
    });
    let pass = Pass {
        writer: &Writer::new(Client::new(server, "default"), store.clone(), Metrics::new()),
        store: &store,
        platform: &platform,
        capabilities: &capabilities,
        policy: DeletionPolicy::Delete,
    };
    let reports = provision(&pass, &mut valid).await.expect("provisioned");
    assert_eq!(reports.all.len(), 1, "{reports:?}");
    let outcome = ReconcileOutcome::Planned(reports);
    let now = "2026-01-01T10:00:00Z".parse().expect("a time");
    let tenant = tenant(json!({"displayName": "Acme"}));
    let status = status(&capabilities, &tenant, &outcome, Some(&valid), Observed::default(), now);
    let greeted = status.conditions.iter().find(|condition| condition.type_ == "Greeted");
    assert_eq!(
        greeted.map(|condition| (condition.status.as_str(), condition.message.as_str())),
        Some(("Unknown", "waiting for the namespaces"))
    );
    assert!(store.of("acme").keys().all(|key| key.name != "greeting"));
}
