//! The program's `render` and `crds`, as a person calls them.

use serde::Deserialize;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const TIER: &str = "
apiVersion: tenant-operator.io/v1alpha1
kind: TenantTier
metadata: {name: plan}
spec: {quota: {pods: 10}}
";
const TENANT: &str = "
apiVersion: tenant-operator.io/v1alpha1
kind: Tenant
metadata: {name: acme}
spec: {tier: plan, id: 3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11}
";

fn fixture(path: &str) -> String {
    format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program with this standard input.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenant-operator"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that does not read it may have ended already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("an end")
}

fn render(input: &str) -> Output {
    run(&["render", "-f", "-"], input)
}

fn succeeded(output: Output) -> String {
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// Returns the error of a failure, and asserts that nothing was printed.
fn failed(output: Output) -> String {
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8(output.stderr).expect("text")
}

fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .collect()
}

fn kinds(text: &str) -> Vec<String> {
    documents(text)
        .iter()
        .map(|document| document["kind"].as_str().expect("a kind").to_string())
        .collect()
}

#[test]
fn from_files_in_the_order_of_application() {
    let files = [
        fixture("agentic-apisix/tenant-a.yaml"),
        fixture("agentic-apisix/tier.yaml"),
    ];
    let text = succeeded(run(&["render", "-f", &files[0], "-f", &files[1]], ""));
    let mut kinds = kinds(&text);
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "ConfigMap",
            "Namespace",
            "RoleBinding",
            "ResourceQuota",
            "LimitRange",
            "NetworkPolicy",
            "ServiceAccount",
            "RoleBinding",
            "ServiceAccount",
            "Service",
            "PodDisruptionBudget",
            "Deployment"
        ]
    );
    let swapped = succeeded(run(&["render", "--filename", &files[1], "--filename", &files[0]], ""));
    assert_eq!(text, swapped, "the order of the files does not matter");
}

#[test]
fn from_standard_input_and_files_together() {
    let both = succeeded(render(&format!("{TENANT}---{TIER}---\n")));
    assert_eq!(kinds(&both)[..2], ["ConfigMap", "Namespace"]);
    let file = fixture("agentic-apisix/tier.yaml");
    let tenant = TENANT.replace("plan", "complete-isolation");
    assert!(kinds(&succeeded(run(&["render", "-f", &file, "-f", "-"], &tenant))).len() > 5);
}

#[test]
fn applications_are_open_on_both_sides_where_their_service_is_given() {
    let tier = TIER.replace(
        "{quota: {pods: 10}}",
        "{quota: {pods: 10}, network: {egress: {applications: [models]}}, gateway: {applications: [{name: models, namespace: ai, service: web, port: 80}]}}",
    );
    let service = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ai}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
";
    let policies = |input: &str, flags: &[&str]| {
        let arguments = [&["render", "-f", "-", "--gateway-application-namespaces=ai"][..], flags].concat();
        run(&arguments, input)
    };
    let whole = format!("{TENANT}---{tier}---{service}");
    let open = succeeded(policies(&whole, &["--application-policies"]));
    let found: Vec<(String, String)> = documents(&open)
        .iter()
        .filter(|document| document["kind"] == "NetworkPolicy")
        .map(|document| {
            let text = |field: &str| document["metadata"][field].as_str().expect("text").to_string();
            (text("namespace"), text("name"))
        })
        .filter(|(namespace, name)| namespace == "ai" || name.ends_with("-allow-applications"))
        .collect();
    let expected = [
        ("acme".to_string(), "tenant-operator-allow-applications".to_string()),
        ("ai".to_string(), "tenant-operator-acme.web".to_string()),
    ];
    assert_eq!(found, expected);
    // Without the Service it says so; without the chart's value it is refused.
    let lacking = policies(&format!("{TENANT}---{tier}"), &["--application-policies"]);
    let said = String::from_utf8_lossy(&lacking.stderr).to_string();
    assert!(said.contains("Service ai/web does not exist"), "{said}");
    assert!(!succeeded(lacking).contains("allow-applications"));
    let refused = failed(policies(&whole, &[]));
    assert!(
        refused.contains("set network.applicationPolicies in the chart"),
        "{refused}"
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let files = ["tenant", "partner", "tier"].map(|name| fixture(&format!("everything/{name}.yaml")));
    let arguments = ["render", "-f", &files[0], "-f", &files[1], "-f", &files[2]];
    let first = succeeded(run(&arguments, ""));
    for _ in 0..3 {
        assert_eq!(succeeded(run(&arguments, "")), first);
    }
    let agreed = documents(&first)
        .iter()
        .filter(|document| document["metadata"]["name"] == "tenant-operator-allow-peers")
        .count();
    assert_eq!(agreed, 6, "tenants of one input are each other's peers");
    assert!(first.contains("value: \"yes\""), "what YAML 1.1 would read as true");
}

#[test]
fn settings_are_those_of_the_operator() {
    let tenant = TENANT
        .replace("}\n", ", network: {ingress: {gateway: Allow}}}\n")
        .replace("{name: acme, network: {ingress: {gateway: Allow}}}", "{name: acme}");
    let input = format!("{tenant}---{TIER}");
    let names = |arguments: &[&str]| -> Vec<String> {
        let text = succeeded(run(&[&["render", "-f", "-"], arguments].concat(), &input));
        documents(&text)
            .iter()
            .map(|document| document["metadata"]["name"].as_str().unwrap_or_default().to_string())
            .collect()
    };
    let gateway = "tenant-operator-allow-gateway".to_string();
    assert!(!names(&[]).contains(&gateway));
    assert!(names(&["--gateway-namespace=apisix"]).contains(&gateway));
}

#[test]
fn a_tenants_path_on_shared_hosts_is_as_the_platform_sets_it() {
    let tenant = "
apiVersion: tenant-operator.io/v1alpha1
kind: Tenant
metadata: {name: acme}
spec:
  tier: plan
  id: 3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11
  network: {ingress: {gateway: Allow}}
  workloads: [{name: web, image: 'web:1', ports: [{name: http, containerPort: 8080}]}]
  gateway: {identification: [Path], routes: [{path: {type: PathPrefix, value: /ai}, backend: {workload: web}}]}
";
    let path = |further: &[&str]| {
        let gateway = [
            "render",
            "-f",
            "-",
            "--gateway-controller=EnvoyGateway",
            "--gateway-name=platform",
            "--gateway-namespace=gateway-system",
            "--gateway-shared-hosts=api.example.com",
        ];
        let text = succeeded(run(&[&gateway, further].concat(), &format!("{tenant}---{TIER}")));
        let route = documents(&text)
            .into_iter()
            .find(|document| document["kind"] == "HTTPRoute");
        let route = route.expect("a route");
        let path = route
            .pointer("/spec/rules/0/matches/0/path/value")
            .and_then(Value::as_str);
        path.map(String::from)
    };
    assert_eq!(path(&[]).as_deref(), Some("/tenants/acme/ai"));
    assert_eq!(
        path(&["--gateway-path-template=/api/v1/tenants/{id}"]).as_deref(),
        Some("/api/v1/tenants/3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11/ai")
    );
}

#[test]
fn an_id_that_is_not_known_yet_is_said_to_be_so() {
    let output = render(&format!(
        "{}---{TIER}",
        TENANT.replace(", id: 3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11", "")
    ));
    let notes = String::from_utf8(output.stderr.clone()).expect("text");
    assert!(notes.contains("acme has no spec.id"), "{notes}");
    assert!(succeeded(output).contains("00000000-0000-0000-0000-000000000000"));
}

#[test]
fn json_is_read_as_json() {
    let json = |yaml: &str| serde_yaml::from_str::<Value>(yaml).expect("YAML");
    let mut tenant = json(TENANT);
    tenant["spec"]["workloads"] = json("[{name: web, image: web:1, env: [{name: SIGN, value: '%'}]}]");
    // Half a character each; YAML has no such escapes.
    let tenant = tenant.to_string().replace('%', r"\ud83c\udfe2");
    let tier = json(TIER).to_string();
    let expected = succeeded(render(&format!("{tier}\n{tenant}")));
    let has_sign = |document: &Value| document.to_string().contains('\u{1f3e2}');
    assert!(documents(&expected).iter().any(has_sign), "{expected}");
    for input in [
        format!("{tenant}{tier}"),
        format!("---\n{tenant}\n--- {tier}\n---\n"),
        format!("# A tier in YAML.\n---\n{TIER}---\n{tenant}"),
    ] {
        assert_eq!(succeeded(render(&input)), expected, "{input}");
    }
}

#[test]
fn what_cannot_be_rendered_is_refused_with_a_reason() {
    let with = |tenant: &str| format!("{tenant}---{TIER}");
    for (case, input, words) in [
        ("nothing", String::new(), vec!["no Tenant"]),
        ("only a tier", TIER.to_string(), vec!["no Tenant"]),
        ("no tier", TENANT.to_string(), vec!["acme", "spec.tier", "plan"]),
        (
            "another kind",
            with("apiVersion: v1\nkind: Secret\n"),
            vec!["v1 Secret", "no Tenant, TenantTier or DatabaseServer"],
        ),
        (
            "another version",
            with(&TENANT.replace("v1alpha1", "v9")),
            vec!["tenant-operator.io/v9 Tenant"],
        ),
        (
            "no kind",
            with("spec: {}\n"),
            vec!["no Tenant, TenantTier or DatabaseServer"],
        ),
        ("no YAML", "a: [".to_string(), vec!["-:"]),
        (
            "twice the same key",
            with(&TENANT.replace("tier: plan", "tier: plan, tier: other")),
            vec!["tier"],
        ),
        (
            "an unknown field",
            with(&TENANT.replace("tier: plan", "tier: plan, tierr: x")),
            vec!["unknown field \"spec.tierr\""],
        ),
        (
            "an unknown field deep inside",
            with(&TENANT.replace(
                "tier: plan",
                "tier: plan, workloads: [{name: a, image: b, env: [{name: X, valu: y}]}]",
            )),
            vec!["unknown field \"spec.workloads[0].env[0].valu\""],
        ),
        (
            "an unknown value",
            with(&TENANT.replace("tier: plan", "tier: plan, isolation: {model: None}")),
            vec!["None", "DedicatedNodes"],
        ),
        ("no tier named", with(&TENANT.replace("tier: plan, ", "")), vec!["tier"]),
    ] {
        let said = failed(render(&input));
        for word in words {
            assert!(said.contains(word), "{case}: {said} lacks {word:?}");
        }
    }
    let said = failed(run(&["render", "-f", "/nowhere/at/all.yaml"], ""));
    assert!(said.contains("cannot read /nowhere/at/all.yaml"), "{said}");
    assert!(failed(run(&["render"], "")).contains("--filename"));
}

#[test]
fn an_invalid_tenant_is_told_every_reason() {
    let tenant = TENANT.replace(
        "tier: plan",
        "tier: plan, quota: {pods: 11, cpu: 1}, owners: [{kind: User, name: 'system:x', role: Admin}], namespaces: [{name: A}]",
    );
    let said = failed(render(&format!("{tenant}---{TIER}")));
    for reason in [
        "spec.quota.pods: ",
        "spec.quota.cpu: ",
        "spec.owners[0].name: ",
        "spec.namespaces[0].name: ",
    ] {
        assert!(
            said.lines().any(|line| line.trim_start().starts_with(reason)),
            "{said} lacks {reason}"
        );
    }
}

#[test]
fn what_the_api_server_would_refuse_is_refused_with_its_words() {
    let broken =
        "tier: plan, workloads: [{name: web, image: a, replicas: -3, ports: [{name: -a, containerPort: 99999}]}]";
    let tier = TIER.replace("{quota: {pods: 10}}", "{maxNamespaces: 99}");
    let server = SERVER.replace("host: 10.9.0.5", "host: 'pg:5432'");
    let said = failed(render(&format!(
        "{}---{tier}---{server}",
        TENANT.replace("tier: plan", broken)
    )));
    let w = "spec.workloads[0]";
    for line in [
        "Tenant acme is invalid:".to_string(),
        format!("  {w}.replicas: Invalid value: -3: {w}.replicas in body should be greater than or equal to 0"),
        format!(
            "  {w}.ports[0].containerPort: Invalid value: 99999: {w}.ports[0].containerPort in body should be less than or equal to 65535"
        ),
        format!(
            "  {w}.ports[0].name: Invalid value: \"-a\": {w}.ports[0].name in body should match '^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$'"
        ),
        "TenantTier plan is invalid:".to_string(),
        "  spec.maxNamespaces: Invalid value: 99: spec.maxNamespaces in body should be less than or equal to 33"
            .to_string(),
        "DatabaseServer pg-1 is invalid:".to_string(),
        "  spec.host: Invalid value: \"pg:5432\": must be a name or an address: set the port in spec.port".to_string(),
    ] {
        assert!(
            said.lines()
                .any(|said| said.trim_start_matches("tenant-operator: ") == line),
            "{said} lacks {line}"
        );
    }
    let script = failed(run(&["database-script", "-f", "-"], &server));
    assert!(script.contains("spec.host: Invalid value"), "{script}");
}

#[test]
fn names_and_keys_that_kubernetes_refuses_later_are_refused() {
    for (spec, words) in [
        (
            "quota: {pods: 5, nvidia.com/gpu: 2}",
            "spec.quota.nvidia.com/gpu: bounds nothing, because Kubernetes does not count it: write requests.nvidia.com/gpu",
        ),
        (
            "quota: {hugepages-2Mi: 3Mi}",
            "spec.quota.hugepages-2Mi: must be a multiple of 2Mi",
        ),
        (
            "workloads: [{name: web, image: a, ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 8080}]}]",
            "spec.workloads[0].ports: Invalid value: has a number twice for a protocol",
        ),
        (
            "workloads: [{name: web, image: a, env: [{name: 'A=B', value: x}]}]",
            "spec.workloads[0].env[0].name: \"A=B\": a valid environment variable name",
        ),
        (
            "gateway: {authentication: {jwt: {issuer: i, jwks: {uri: 'https://i/k'}, rolesClaim: 'roles[0]'}}}",
            "spec.gateway.authentication.jwt.rolesClaim: Invalid value: \"roles[0]\": must be a claim such as roles, realm_access.roles or https://example.com/roles: letters, digits, _, :, / and -, and up to two dots that lead into nested claims",
        ),
    ] {
        let said = failed(render(&format!(
            "{}---{TIER}",
            TENANT.replace("tier: plan", &format!("tier: plan, {spec}"))
        )));
        assert!(said.contains(words), "{said} lacks {words}");
    }
}

#[test]
fn workloads_that_do_not_fit_the_quota_are_named() {
    let with = |replicas: u32| {
        let workloads = format!("tier: plan, workloads: [{{name: web, image: a, replicas: {replicas}}}]");
        let output = render(&format!("{}---{TIER}", TENANT.replace("tier: plan", &workloads)));
        let notes = String::from_utf8(output.stderr.clone()).expect("text");
        succeeded(output);
        notes
    };
    let notes = with(12);
    let words =
        "Tenant acme: the workloads need more than namespace acme's share of the quota: pods: 12 of 10 (web 12)";
    assert!(notes.contains(words), "{notes}");
    assert!(!with(10).contains("share of the quota"));
}

#[test]
fn a_tenant_too_large_for_a_client_side_apply_is_named() {
    let large = format!("tier: plan, configuration: {{text: {}}}", "x".repeat(262_000));
    let output = render(&format!("{}---{TIER}", TENANT.replace("tier: plan", &large)));
    let notes = String::from_utf8(output.stderr.clone()).expect("text");
    assert!(notes.contains("kubectl apply --server-side"), "{notes}");
    succeeded(output);
}

#[test]
fn a_tenant_that_names_anothers_service_account_is_refused() {
    let other = TENANT.replace("acme", "globex").replace("3f0c", "4f0c");
    let owner = "tier: plan, owners: [{kind: ServiceAccount, name: ci, namespace: globex, role: Admin}]";
    let said = failed(render(&format!(
        "{}---{other}---{TIER}",
        TENANT.replace("tier: plan", owner)
    )));
    assert!(
        said.contains("spec.owners[0].namespace") && said.contains("globex"),
        "{said}"
    );
}

#[test]
fn what_a_tenant_becomes_in_a_cluster_alone_is_named() {
    let tenant = TENANT.replace("tier: plan", "tier: plan, network: {egress: {apiServer: Allow}}");
    let output = render(&format!("{tenant}---{TIER}"));
    let notes = String::from_utf8(output.stderr.clone()).expect("text");
    assert!(notes.contains("API server"), "{notes}");
    succeeded(output);
}

#[test]
fn every_sample_and_fixture_renders() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let yaml = |folder: &str| -> Vec<PathBuf> {
        let files = std::fs::read_dir(root.join(folder))
            .expect(folder)
            .map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
            .collect()
    };
    for folders in [
        ["config/samples/tenants", "config/samples/tiers"],
        ["tests/fixtures/riscura", "tests/fixtures/agentic-apisix"],
    ] {
        let mut arguments = vec!["render".to_string()];
        for path in folders.iter().flat_map(|folder| yaml(folder)) {
            arguments.extend(["-f".to_string(), path.display().to_string()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert!(arguments.len() > 4);
        succeeded(run(&arguments, ""));
    }
}

/// `UPDATE=1` writes the file.
#[test]
fn the_apisix_example_is_what_is_rendered_for_apisix() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/agentic-apisix");
    let file = folder.join("apisix.yaml");
    let files = ["servers.yaml", "tiers.yaml", "tenants.yaml"].map(|name| folder.join(name).display().to_string());
    let mut arguments = vec!["render"];
    arguments.extend(files.iter().flat_map(|file| ["-f", file]));
    let header = std::fs::read_to_string(&file).expect("the file");
    let (header, _) = header.split_once("---\n").expect("a comment before the first object");
    // The comment names the flags.
    arguments.extend(header.split([' ', '\n']).filter(|word| word.starts_with("--")));
    let text = succeeded(run(&arguments, ""));
    let objects = text
        .split("---\n")
        .filter(|object| object.starts_with("apiVersion: apisix.apache.org/"));
    let expected: String = objects.map(|object| format!("---\n{object}")).collect();
    let expected = format!("{header}{expected}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &expected).expect("the file");
    }
    let kept = std::fs::read_to_string(&file).expect("the file");
    assert!(kept == expected, "{}: run with UPDATE=1", file.display());
    for kind in ["ApisixRoute", "ApisixUpstream", "ApisixConsumer", "ApisixPluginConfig"] {
        assert!(kept.contains(&format!("kind: {kind}\n")), "{kind}");
    }
}

#[test]
fn the_definitions_are_those_of_the_repository() {
    let printed = succeeded(run(&["crds"], ""));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crds");
    std::fs::create_dir_all(&folder).expect("a folder");
    succeeded(run(&["crds", "--output-dir", &folder.display().to_string()], ""));
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        let written = std::fs::read_to_string(folder.join(&name)).expect("a file");
        assert!(printed.contains(&written), "{name} is not what is printed");
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").join(&name);
        let kept = std::fs::read_to_string(kept).expect("the repository's");
        // Not printed: a definition has a thousand lines.
        assert!(written == kept, "{name}: run `make manifests`");
        names.push(name);
    }
    names.sort();
    let expected = ["databaseservers", "tenants", "tenanttiers", "tenantviews"]
        .map(|plural| format!("tenant-operator.io_{plural}.yaml"));
    assert_eq!(names, expected);
}

const SERVER: &str = "
apiVersion: tenant-operator.io/v1alpha1
kind: DatabaseServer
metadata: {name: pg-1}
spec:
  host: 10.9.0.5
  adminSecretRef: {name: pg-1-admin}
  database: tenants
  sharedTables: [{database: 'app\"; DROP TABLE x; --', schema: public, tables: ['*'], migrationRole: Migrations}]
";

fn with_database(model: &str) -> String {
    let tenant = TENANT.replace("{tier: plan,", &format!("{{tier: plan, database: {{model: {model}}},"));
    format!("{TIER}---{tenant}---{SERVER}")
}

/// The statements that stand as comments behind the objects.
fn statements(model: &str) -> Vec<String> {
    let text = succeeded(render(&with_database(model)));
    let (objects, comments) = text
        .split_once("# SQL for tenant acme on DatabaseServer pg-1")
        .expect("SQL");
    assert_eq!(documents(&text), documents(objects), "a cluster takes it as it is");
    comments.lines().skip(1).map(String::from).collect()
}

#[test]
fn sql_is_shown_with_identifiers_quoted_and_secrets_left_out() {
    let statements = statements("Schema");
    let position = |what: &str| {
        let found = statements.iter().position(|statement| statement.contains(what));
        found.unwrap_or_else(|| panic!("{what} in {statements:#?}"))
    };
    let (owner, login) = (position("CREATE ROLE \"t_"), position("_a\" NOLOGIN NOINHERIT"));
    assert!(owner < login);
    assert!(position("CREATE SCHEMA \"t_") > owner);
    position("_a\" PASSWORD '…';");
    position("SET search_path TO \"t_");
    assert!(statements.iter().all(|statement| !statement.contains("SCRAM")));
}

#[test]
fn a_database_of_its_own_is_shown_in_the_order_of_its_making() {
    let statements = statements("Database");
    let wanted = [
        "INSERT INTO tenant_operator.intent",
        "CREATE DATABASE \"new_<random>\" TEMPLATE template0 ALLOW_CONNECTIONS false",
        "RENAME TO \"t_",
        "FROM PUBLIC",
        "GRANT CONNECT ON DATABASE \"t_",
    ];
    let positions: Vec<Option<usize>> = wanted
        .iter()
        .map(|what| statements.iter().position(|statement| statement.contains(what)))
        .collect();
    assert!(
        positions.is_sorted() && positions[0].is_some(),
        "{positions:?} in {statements:#?}"
    );
}

#[test]
fn a_database_needs_a_server_in_the_input_for_its_sql_only() {
    let tenant = TENANT.replace("{tier: plan,", "{tier: plan, database: {},");
    let output = render(&format!("{TIER}---{tenant}"));
    let errors = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(
        errors.contains("the output has no SQL and no network policy for the database: there is no DatabaseServer"),
        "{errors}"
    );
    assert!(!succeeded(output).contains("# SQL"));
}

#[test]
fn the_script_for_a_superuser_quotes_what_it_is_told() {
    let script = succeeded(run(&["database-script", "-f", "-", "--admin", "the admin"], SERVER));
    for line in [
        "ALTER ROLE \"the admin\" CREATEROLE CREATEDB;",
        "REVOKE ALL ON DATABASE \"postgres\" FROM PUBLIC;",
        "\\connect \"app\"\"; DROP TABLE x; --\"",
        "GRANT CONNECT ON DATABASE \"app\"\"; DROP TABLE x; --\" TO \"the admin\" WITH GRANT OPTION;",
    ] {
        assert!(script.lines().any(|found| found == line), "{line} in {script}");
    }
    let refused = failed(run(&["database-script", "-f", "-"], TIER));
    assert!(refused.contains("no DatabaseServer in the input"), "{refused}");
}
