//! The nodes on which a tenant's pods run.

use super::TenantCore;
use crate::api::IsolationModel;
use crate::names;
use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Toleration,
};
use std::collections::BTreeMap;

/// The fields of a pod's spec that place it on nodes; empty ones are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    pub node_selector: Option<BTreeMap<String, String>>,
    pub tolerations: Option<Vec<Toleration>>,
    pub affinity: Option<Affinity>,
    pub runtime_class_name: Option<String>,
    pub priority_class_name: Option<String>,
}

/// As the tier says, and on the tenant's own nodes where it has some.
pub fn placement(tenant: &TenantCore) -> Placement {
    let scheduling = &tenant.scheduling;
    let dedicated = tenant.isolation == IsolationModel::DedicatedNodes;
    let mut node_selector = scheduling.node_selector.clone();
    let mut tolerations = scheduling.tolerations.clone();
    if dedicated {
        node_selector.insert(names::TENANT.into(), tenant.owner.tenant.clone());
        tolerations.push(own_nodes(tenant));
    }
    Placement {
        node_selector: (!node_selector.is_empty()).then_some(node_selector),
        tolerations: (!tolerations.is_empty()).then_some(tolerations),
        affinity: dedicated.then(|| affinity(tenant)),
        runtime_class_name: scheduling.runtime_class_name.clone(),
        priority_class_name: scheduling.priority_class_name.clone(),
    }
}

fn own_nodes(tenant: &TenantCore) -> Toleration {
    Toleration {
        key: Some(names::TENANT.into()),
        operator: Some("Equal".into()),
        value: Some(tenant.owner.tenant.clone()),
        effect: Some("NoSchedule".into()),
        toleration_seconds: None,
    }
}

fn affinity(tenant: &TenantCore) -> Affinity {
    let requirement = NodeSelectorRequirement {
        key: names::TENANT.into(),
        operator: "In".into(),
        values: Some(vec![tenant.owner.tenant.clone()]),
    };
    let term = NodeSelectorTerm {
        match_expressions: Some(vec![requirement]),
        match_fields: None,
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![term],
            }),
            preferred_during_scheduling_ignored_during_execution: None,
        }),
        ..Affinity::default()
    }
}
