//! The floor: a plain client that knows the objects beforehand and reads nothing.
//!
//! Sixteen workers write the operator's own plan for each tenant in its order (law 2). No worker waits idly: it goes on with another tenant until the quota is
//! in force, the Deployment available, or the gateway has accepted the routes.

use crate::cluster::{Cluster, WORKERS, has_code};
use crate::database::Site;
use crate::spec::{self, FLOOR, Profile};
use crate::{database, watches};
use anyhow::{Context, Result, anyhow};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tenant_operator::api::{DatabaseModel, Tenant, TenantTier, TlsMode};
use tenant_operator::capability::{
    Capability, Planned as PlannedObject, Platform, ReconcileOutcome, Report, Reports, Stage as Of, State, ValidTenant,
    World,
};
use tenant_operator::cluster::{Desired, Key, Kind, Live, metadata};
use tenant_operator::database::placement_record::{self, Placement};
use tenant_operator::database::secret::{self, Credentials, Endpoint};
use tenant_operator::database::{Attachment, address};
use tenant_operator::gateway::{self, ValidGateway, api_key_rotation, state};
use tenant_operator::names;
use tenant_operator::namespaces::is_enforced;
use tenant_operator::postgres::Names;
use tenant_operator::postgres::password::Password;
use tenant_operator::rotation::Published;
use tenant_operator::tenant::status::{self, Observed};
use tenant_operator::tenant::{self, Capabilities, Environment, plan};
use tenant_operator::workloads::availability::judge;
use tokio::sync::Notify;

/// The results of the floor.
#[derive(Clone, Debug)]
pub struct Floor {
    /// Time until the last write of a tenant's status and view.
    pub total: Duration,
    /// Time until the last write of a plan's object.
    pub written: Duration,
    pub writes: u64,
}

/// Settings that all tenants share.
pub struct Common {
    pub profile: Profile,
    pub tier: TenantTier,
    pub platform: Platform,
    pub capabilities: Capabilities,
    /// The place where routes attach.
    pub gateway: Option<gateway::Attachment>,
    pub world: World,
    /// The server where every tenant has its database.
    pub site: Option<Arc<Site>>,
}

/// Kinds with a status by which Envoy Gateway reports that it accepted them.
const TAKEN_UP: [Kind; 3] = [Kind::HttpRoute, Kind::SecurityPolicy, Kind::BackendTrafficPolicy];

/// The next objects of a tenant to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The Tenant with its finalizer, and everything up to its quota.
    Bounds,
    /// Access, configuration, workloads, and the gateway's objects, with routes that admit nobody; once the quota is in force.
    Workloads,
    /// The desired routes; once the gateway has accepted their guards.
    Opening,
    /// The status, and the tenant's own view of it; once the workloads are available, and the gateway has taken up all.
    Report,
}

/// One tenant on its way.
struct Course {
    /// The stage that was written, and whose consequence is waited for.
    written: Option<Stage>,
    planned: Option<Arc<Planned>>,
    /// Namespaces with a quota in force.
    enforced: HashSet<String>,
    available: bool,
    /// The generation of each object that the gateway has accepted.
    taken_up: HashMap<Key, i64>,
    /// Generations that are waited for, where they are not the first.
    awaited: HashMap<Key, i64>,
}

struct Planned {
    tenant: Tenant,
    valid: ValidTenant,
    environment: Environment,
}

struct Run {
    cluster: Cluster,
    common: Common,
    courses: Vec<Mutex<Course>>,
    /// The first tenant that nobody has begun.
    next: AtomicUsize,
    /// Stages that can go on, before any new tenant.
    later: Mutex<VecDeque<(usize, Stage)>>,
    wake: Notify,
    done: AtomicUsize,
    writes: AtomicU64,
    /// The time at which the last object of a plan was written.
    last_object: Mutex<Instant>,
}

/// Writes `count` tenants.
pub async fn run(cluster: &Cluster, common: Common, count: usize) -> Result<Floor> {
    let profile = common.profile;
    let course = || Course {
        written: None,
        planned: None,
        enforced: HashSet::new(),
        // Without a workload it is.
        available: profile == Profile::Routes,
        taken_up: HashMap::new(),
        awaited: HashMap::new(),
    };
    let run = Arc::new(Run {
        cluster: cluster.clone(),
        common,
        courses: (0..count).map(|_| Mutex::new(course())).collect(),
        next: AtomicUsize::new(0),
        later: Mutex::default(),
        wake: Notify::new(),
        done: AtomicUsize::new(0),
        writes: AtomicU64::new(0),
        last_object: Mutex::new(Instant::now()),
    });
    let mut watching = Vec::new();
    let gateway: &[Kind] = match profile {
        Profile::Routes => &TAKEN_UP,
        _ => &[],
    };
    let kinds = [Kind::ResourceQuota, Kind::Deployment].iter().chain(gateway);
    for kind in kinds.copied() {
        let seen = run.clone();
        watching.push(
            watches::each(cluster.api(kind, ""), names::TENANT, move |object| {
                seen.see(kind, &object)
            })
            .await?,
        );
    }
    let started = Instant::now();
    let workers = (0..WORKERS).map(|_| {
        let run = run.clone();
        async move { tokio::spawn(run.work()).await? }
    });
    let limit = profile.patience(count);
    let ended = tokio::time::timeout(limit, try_join_all(workers)).await;
    ended.map_err(|_| {
        anyhow!(
            "the floor was not done after {} s: {} of {count}",
            limit.as_secs(),
            run.done.load(Ordering::Relaxed)
        )
    })??;
    let last_object = *locked(&run.last_object);
    Ok(Floor {
        total: started.elapsed(),
        written: last_object.duration_since(started),
        writes: run.writes.load(Ordering::Relaxed),
    })
}

impl Course {
    /// Returns the gateway's objects, where there are any.
    fn told(&self) -> impl Iterator<Item = &Desired> {
        let planned = self
            .planned
            .iter()
            .flat_map(|planned| planned.environment.planned.iter().flatten());
        let told = planned.filter(|planned| matches!(planned.stage, Of::Admission | Of::Routes));
        told.map(|planned| &planned.object)
    }

    fn is_taken_up(&self, key: &Key) -> bool {
        let awaited = self.awaited.get(key).copied().unwrap_or_default();
        self.taken_up.get(key).is_some_and(|generation| *generation >= awaited)
    }

    /// Returns true if the gateway has taken up all that leads to it.
    fn is_led_to(&self) -> bool {
        self.told()
            .all(|object| !TAKEN_UP.contains(&object.key.kind) || self.is_taken_up(&object.key))
    }
}

impl Run {
    async fn work(self: Arc<Self>) -> Result<()> {
        while let Some((index, stage)) = self.job().await {
            self.write(index, stage)
                .await
                .with_context(|| format!("floor: {stage:?} of {}", spec::name(FLOOR, index)))?;
            locked(&self.courses[index]).written = Some(stage);
            match stage {
                Stage::Report => {
                    if self.done.fetch_add(1, Ordering::SeqCst) + 1 == self.courses.len() {
                        self.wake.notify_waiters();
                    }
                }
                _ => self.go_on(index),
            }
        }
        Ok(())
    }

    /// Returns the next job; None when all is done.
    async fn job(&self) -> Option<(usize, Stage)> {
        loop {
            let mut woken = std::pin::pin!(self.wake.notified());
            woken.as_mut().enable();
            if let Some(job) = locked(&self.later).pop_front() {
                return Some(job);
            }
            let next = self.next.fetch_add(1, Ordering::SeqCst);
            if next < self.courses.len() {
                return Some((next, Stage::Bounds));
            }
            if self.done.load(Ordering::SeqCst) == self.courses.len() {
                return None;
            }
            woken.await;
        }
    }

    /// Queues a tenant's next stage once its conditions are met.
    fn go_on(&self, index: usize) {
        let mut course = locked(&self.courses[index]);
        let namespaces = course
            .planned
            .as_ref()
            .map_or(usize::MAX, |planned| planned.valid.core.namespaces.len());
        let next = match course.written {
            Some(Stage::Bounds) if course.enforced.len() >= namespaces => Stage::Workloads,
            Some(Stage::Workloads) if course.available && self.has_guards(&course) => match self.is_guarded(&course) {
                true => Stage::Opening,
                false => return,
            },
            Some(Stage::Workloads | Stage::Opening) if course.available && course.is_led_to() => Stage::Report,
            _ => return,
        };
        course.written = None;
        locked(&self.later).push_back((index, next));
        self.wake.notify_one();
    }

    /// Takes in a watch's object.
    fn see(&self, kind: Kind, object: &DynamicObject) {
        let tenant = object
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(names::TENANT));
        let number = tenant.and_then(|name| name.strip_prefix(FLOOR)?.strip_prefix('-')?.parse::<usize>().ok());
        let Some((index, course)) = number.and_then(|index| Some((index, self.courses.get(index)?))) else {
            return;
        };
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        let live = Live {
            key: Key {
                kind,
                namespace: namespace.clone(),
                name: name.clone(),
            },
            uid: String::new(),
            resource_version: String::new(),
            value: serde_json::to_value(object).unwrap_or_default(),
        };
        match kind {
            Kind::ResourceQuota if is_enforced(&live) => {
                locked(course).enforced.insert(namespace);
            }
            Kind::Deployment => locked(course).available = judge(std::iter::once((name, Some(live)))).is_none(),
            _ if self.is_taken_up(&live) => {
                let generation = object.metadata.generation.unwrap_or_default();
                locked(course).taken_up.insert(live.key, generation);
            }
            _ => return,
        }
        self.go_on(index);
    }

    /// Returns the object that guards a route, where there is one.
    fn guard(&self, desired: &Desired) -> Option<Key> {
        let to = self.common.gateway.as_ref()?;
        to.controller.guard(&desired.key, &desired.value)
    }

    fn has_guards(&self, course: &Course) -> bool {
        course.told().any(|desired| self.guard(desired).is_some())
    }

    fn is_guarded(&self, course: &Course) -> bool {
        let mut guards = course.told().filter_map(|desired| self.guard(desired));
        guards.all(|guard| course.is_taken_up(&guard))
    }

    /// The route as long as its guard was not taken up.
    fn blocked(&self, desired: &Desired) -> Desired {
        let blocked = match (&self.common.gateway, self.guard(desired)) {
            (Some(to), Some(_)) => to.controller.blocked(desired.value.clone()),
            _ => desired.value.clone(),
        };
        Desired {
            value: blocked,
            ..desired.clone()
        }
    }

    /// Lets through by the routes that were blocked.
    async fn open(&self, index: usize, routes: &[Desired]) -> Result<()> {
        for desired in routes.iter().filter(|desired| self.guard(desired).is_some()) {
            let key = &desired.key;
            let patch = Patch::Merge(json!({"spec": desired.value["spec"]}));
            let api = self.cluster.operators(key.kind, &key.namespace);
            let opened = api.patch(&key.name, &PatchParams::default(), &patch).await;
            let opened = opened.with_context(|| key.to_string())?;
            self.writes.fetch_add(1, Ordering::Relaxed);
            let generation = opened.metadata.generation.unwrap_or_default();
            locked(&self.courses[index]).awaited.insert(key.clone(), generation);
        }
        Ok(())
    }

    fn is_taken_up(&self, live: &Live) -> bool {
        let to = self.common.gateway.as_ref();
        to.is_some_and(|to| TAKEN_UP.contains(&live.key.kind) && state::of_object(to, live).is_ok())
    }

    async fn write(&self, index: usize, stage: Stage) -> Result<()> {
        if stage == Stage::Bounds {
            let planned = Arc::new(self.begin(index).await?);
            locked(&self.courses[index]).planned = Some(planned.clone());
            let stages = [Of::Claims, Of::Namespaces, Of::Bindings, Of::Bounds];
            return self
                .post(&stages.map(|stage| planned.environment.stage(stage)).concat())
                .await;
        }
        let planned = locked(&self.courses[index]).planned.clone().context("not planned")?;
        match stage {
            Stage::Report => return self.report(&planned).await,
            Stage::Opening => return self.open(index, &planned.environment.stage(Of::Routes)).await,
            Stage::Bounds | Stage::Workloads => {}
        }
        let stages = [Of::Access, Of::Configuration, Of::Workloads, Of::Admission];
        let mut objects = stages.map(|stage| planned.environment.stage(stage)).concat();
        let routes = planned.environment.stage(Of::Routes);
        objects.extend(routes.iter().map(|route| self.blocked(route)));
        self.post(&objects).await?;
        *locked(&self.last_object) = Instant::now();
        Ok(())
    }

    /// The Tenant itself, and its finalizer.
    async fn begin(&self, index: usize) -> Result<Planned> {
        let tenant = self
            .cluster
            .tenants()
            .create(
                &PostParams::default(),
                &spec::tenant(self.common.profile, FLOOR, index)?,
            )
            .await?;
        let name = spec::name(FLOOR, index);
        let patch = Patch::Merge(json!({"metadata": {"finalizers": [names::FINALIZER]}}));
        self.cluster
            .tenants()
            .patch_metadata(&name, &PatchParams::default(), &patch)
            .await?;
        self.writes.fetch_add(2, Ordering::Relaxed);
        let Common {
            tier,
            platform,
            capabilities,
            world,
            site,
            ..
        } = &self.common;
        let mut valid =
            tenant::validate(capabilities, &tenant, tier, world).map_err(|reasons| anyhow!("{reasons:?}"))?;
        let attached = match site {
            Some(site) => Some(attach(site, &mut valid)?),
            None => None,
        };
        let mut environment = plan::plan(capabilities, &mut valid, platform);
        let mut more: Vec<PlannedObject> = Vec::new();
        more.extend(api_keys(&valid).map(|secret| PlannedObject::new(Of::Configuration, secret)));
        if let Some(secret) = attached {
            let (owner, place) = (&valid.core.owner, placement());
            let record = placement_record::record(owner, &platform.namespace, &place);
            let secret = metadata::desired(Kind::Secret, &secret.metadata, &secret);
            more.push(PlannedObject::new(Of::Claims, record));
            more.push(PlannedObject::new(Of::Configuration, secret));
        }
        environment.planned.push(more);
        Ok(Planned {
            tenant,
            valid,
            environment,
        })
    }

    async fn post(&self, objects: &[Desired]) -> Result<()> {
        for desired in objects {
            let key = &desired.key;
            // To applications of the platform only the operator leads.
            let api = match key.kind {
                Kind::HttpRoute => self.cluster.operators(key.kind, &key.namespace),
                kind => self.cluster.api(kind, &key.namespace),
            };
            let object: DynamicObject = serde_json::from_value(desired.value.clone())?;
            self.writes.fetch_add(1, Ordering::Relaxed);
            match api.create(&PostParams::default(), &object).await {
                // The `default` ServiceAccount, which Kubernetes makes too.
                Err(error) if desired.takes_over && has_code(&error, 409) => {
                    self.writes.fetch_add(1, Ordering::Relaxed);
                    let patch = Patch::Merge(&desired.value);
                    api.patch(&key.name, &PatchParams::default(), &patch)
                        .await
                        .with_context(|| key.to_string())?;
                }
                result => {
                    result.with_context(|| key.to_string())?;
                }
            }
        }
        Ok(())
    }

    async fn report(&self, planned: &Planned) -> Result<()> {
        let Planned { tenant, valid, .. } = planned;
        let capabilities = &self.common.capabilities;
        let good = |capability: &Arc<dyn Capability>| Report::new(capability.description(), State::default());
        let reports = Reports {
            all: capabilities.iter().map(good).collect(),
        };
        let (outcome, now) = (ReconcileOutcome::Planned(reports), Timestamp::now());
        let namespaces = valid
            .core
            .namespaces
            .iter()
            .map(|namespace| namespace.name.clone())
            .collect();
        let usage = status::usage(std::iter::empty(), now);
        let observed = Observed { namespaces, usage };
        let status = status::status(capabilities, tenant, &outcome, Some(valid), observed, now);
        let patch = Patch::Merge(json!({"status": status}));
        self.cluster
            .tenants()
            .patch_status(valid.name(), &PatchParams::default(), &patch)
            .await?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        let view = status::view_object(&valid.core.owner, &status::view(tenant, &status));
        self.post(&[view]).await
    }
}

/// The Secret with a tenant's API keys, where it has any.
fn api_keys(valid: &ValidTenant) -> Option<Desired> {
    let keys = &valid.part::<ValidGateway>()?.keys;
    let fresh = || Password::random().reveal().to_string();
    let ring = api_key_rotation::rotate(
        &valid.core.owner,
        keys,
        None,
        &valid.core.rotation,
        Timestamp::now(),
        fresh,
    );
    let secret = ring.secret;
    (!keys.is_empty()).then(|| metadata::desired(Kind::Secret, &secret.metadata, &secret))
}

fn placement() -> Placement {
    Placement {
        server: database::NAME.into(),
        model: DatabaseModel::Schema,
        retained: false,
        abandoned: false,
    }
}

/// Lets the tenant's pods reach the server. Returns the Secret for them.
fn attach(site: &Site, valid: &mut ValidTenant) -> Result<Secret> {
    let server = site.spec()?;
    let credentials = Credentials {
        published: Published {
            login: 0,
            issued_at: Timestamp::now(),
            previous_until: None,
            rotated_for: None,
        },
        password: Password::random(),
    };
    let names = Names::of(&valid.core.owner.id);
    let endpoint = Endpoint {
        host: server.host.clone(),
        port: address::port(&server),
        database: server.database.clone(),
        schema: Some(names.place.as_str().into()),
        tls: TlsMode::VerifyFull,
        oldest_tls: None,
        ca: Some(site.ca().into()),
    };
    let secret = secret::build(&valid.core.owner, &names, &endpoint, &credentials);
    valid.set(Attachment {
        reach: address::reach(&server),
        port: endpoint.port,
        verified: address::is_verified(&server),
        bounds_tls: false,
        revision: Some(secret::revision(&secret)),
    });
    Ok(secret)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
