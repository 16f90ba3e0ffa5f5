//! Events on TenantNamespaces: one when somebody can act on it, or when it is ready.

use super::*;
use crate::api::TenantNamespaceSpec;
use crate::capability::{Note, State};
use crate::namespaces::created::status::{Observed, status};

fn of(state: State, before: Option<TenantNamespaceStatus>) -> (TenantNamespace, TenantNamespaceStatus) {
    let mut object = TenantNamespace::new("a", TenantNamespaceSpec::default());
    object.status = before;
    let namespace = Some("acme-a".to_string());
    let now = "2026-01-01T10:00:00Z".parse().expect("a time");
    let status = status(&object, &Observed { namespace, state }, now);
    (object, status)
}

#[test]
fn only_news_make_an_event() {
    let stalled = || State::Stalled(Note::new(reason::NAME_TAKEN, "the name is taken"));
    let progressing = || State::Progressing(Note::new(reason::PROGRESSING, "it waits"));
    let said = |state| Some(of(state, None).1);
    for (state, before, told) in [
        (State::default(), None, Some("Ready")),
        (State::default(), said(State::default()), None),
        (State::default(), said(stalled()), Some("Ready")),
        (progressing(), None, None),
        (stalled(), said(progressing()), Some(reason::NAME_TAKEN)),
        (stalled(), said(stalled()), None),
    ] {
        let (object, status) = of(state, before);
        let event = event(&object, &status);
        assert_eq!(event.as_ref().map(|event| event.reason.as_str()), told);
        let is_warning = event.is_some_and(|event| event.type_ == EventType::Warning);
        assert_eq!(is_warning, told == Some(reason::NAME_TAKEN));
    }
}
