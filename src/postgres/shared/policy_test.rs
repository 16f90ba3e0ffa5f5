use super::*;
use crate::api::database_server::SharedTables;

#[test]
fn in_a_table_of_families_a_subtenant_has_its_own_rows_and_those_below_it() {
    let group = Identifier::new(GROUP).expect("valid");
    let ways = Ways {
        group: &group,
        applications: Vec::new(),
        migration: None,
        operator: None,
    };
    let rows = |type_, subtenant: Option<&str>| {
        let spec = SharedTables {
            schema: "app".into(),
            type_: Some(type_),
            subtenant_column: subtenant.map(String::from),
            ..SharedTables::default()
        };
        let policies = of_table(&Entry::of(&spec).expect("valid"), &ways);
        let [policy] = policies.as_slice() else {
            panic!("{policies:?}")
        };
        assert_eq!(
            policy.check.as_ref().map(ToString::to_string),
            Some(policy.using.to_string())
        );
        policy.using.to_string()
    };
    let own = r#""tenant_id" = (SELECT l.tenant_id FROM tenant_registry.login l WHERE l.role = current_user)"#;
    assert_eq!(rows(TenantColumnType::Uuid, None), own);
    let from =
        "FROM tenant_registry.login l JOIN tenant_registry.tenant t ON t.id = l.tenant_id WHERE l.role = current_user";
    let family = format!(
        r#""tenant_id" = (SELECT coalesce(t.root, t.id) {from}) AND ("subtenant_id" = ANY ((SELECT t.members {from})::uuid[]) OR (SELECT t.root IS NULL {from}))"#
    );
    assert_eq!(rows(TenantColumnType::Uuid, Some("subtenant_id")), family);
    let text = family
        .replace("coalesce(t.root, t.id)", "coalesce(t.root, t.id)::text")
        .replace("t.members", "t.members::text[]")
        .replace("::uuid[]", "::text[]");
    assert_eq!(rows(TenantColumnType::Text, Some("subtenant_id")), text);
}
