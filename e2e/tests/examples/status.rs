//! The lines of each platform's description that its example shows, or is to show.

use std::fmt::Write;

pub enum State {
    /// A check of that number is in the platform's test.
    Passes,
    /// It passes in this file: where nothing else is at work, or without a cluster.
    PassesIn(&'static str),
    /// It passes in `e2e/disruptive/autoscaling.rs`, which `make test-all` alone runs.
    PassesInTestAll,
    /// What the product lacks for it.
    Missing(&'static str),
}

pub struct Line {
    pub platform: &'static str,
    pub number: u8,
    pub text: &'static str,
    pub state: State,
}

pub fn line(platform: &str, number: u8) -> Option<&'static Line> {
    LINES
        .iter()
        .find(|line| line.platform == platform && line.number == number)
}

const fn passes(platform: &'static str, number: u8, text: &'static str) -> Line {
    Line {
        platform,
        number,
        text,
        state: State::Passes,
    }
}

const fn missing(platform: &'static str, number: u8, text: &'static str, what: &'static str) -> Line {
    Line {
        platform,
        number,
        text,
        state: State::Missing(what),
    }
}

const AT_REST: &str = "e2e/disruptive/examples.rs";

pub const LINES: &[Line] = &[
    Line {
        platform: "hotdash",
        number: 1,
        text: "all customers are Ready in less than 30 s",
        state: State::PassesIn(AT_REST),
    },
    passes(
        "hotdash",
        2,
        "`SET app.current_tenant_id` of A, rows of B: none; unset: none; the platform's own view: all",
    ),
    passes(
        "hotdash",
        3,
        "a token of Acme, through the gateway and the shared API, writes a row with Acme's number; Globex sees none",
    ),
    passes(
        "hotdash",
        4,
        "a token of Acme at Globex's host: 403; none: 401; an operator at the admins' route: 403",
    ),
    passes(
        "hotdash",
        5,
        "100 requests in a minute pass, the next is 429 with Retry-After, Globex is still served",
    ),
    passes(
        "hotdash",
        6,
        "50 of 60 requests at once are answered, on one of three routes",
    ),
    missing(
        "hotdash",
        7,
        "300 sessions of the API need at most 200 connections",
        "a pooler",
    ),
    missing("hotdash", 8, "ticket 5,001 of the month is refused", "entitlements"),
    missing(
        "hotdash",
        9,
        "keys of a cache and of a vector index are the tenant's own",
        "CacheServer, vector search",
    ),
    missing(
        "hotdash",
        10,
        "an export as JSON has the customer's rows and no others",
        "exports",
    ),
    passes(
        "hotdash",
        11,
        "a deleted customer has no row in any shared table, no Secret, and its host answers no more",
    ),
    missing(
        "hotdash",
        12,
        "each viewed draft is an entry that nobody can change",
        "audit",
    ),
    missing(
        "hotdash",
        13,
        "a customer moves from its own server to the shared tables without a failed request",
        "migration between models",
    ),
    missing("hotdash", 14, "customer 51 is on the next server", "ranges of numbers"),
    missing(
        "hotdash",
        15,
        "an invoice has the line of the dedicated instance",
        "invoices",
    ),
    Line {
        platform: "riscura",
        number: 1,
        text: "the tenants of all four plans are Ready in less than 30 s",
        state: State::PassesIn(AT_REST),
    },
    passes(
        "riscura",
        2,
        "4 CPU, 8 GB, 100 GB; a pod with a GPU is refused in Starter and admitted in Custom",
    ),
    passes(
        "riscura",
        3,
        "request 101 of a minute is 429 in Starter and 501 in Professional; Custom has no limit",
    ),
    passes("riscura", 4, "request 101 at once is refused"),
    passes("riscura", 5, "the access matrix: five permissions, four roles"),
    passes(
        "riscura",
        6,
        "nine defaults of the plan; an own temperature keeps the others; 3.0 is invalid, and the message names the field",
    ),
    passes(
        "riscura",
        7,
        "a schema of its own: a neighbour's table is not to be read; the connection has TLS",
    ),
    passes("riscura", 8, "keys are renewed after 90 days"),
    missing(
        "riscura",
        9,
        "daily backups, encrypted by tenant, restored to a point in time",
        "backups",
    ),
    missing(
        "riscura",
        10,
        "rows older than 365 days go, unless there is a legal hold",
        "retention",
    ),
    missing("riscura", 11, "an invoice is exact to the cent", "invoices"),
    missing("riscura", 12, "query 10,001 of the month is refused", "entitlements"),
    missing(
        "riscura",
        13,
        "the platform's management API",
        "an API beside Kubernetes'",
    ),
    missing("riscura", 14, "a console of seven tabs", "a console"),
    missing("riscura", 15, "the six critical metrics", "objectives and alerts"),
    missing(
        "carebot",
        1,
        "the sum of the subtenants' quotas stays within the parent's",
        "quotas of families",
    ),
    passes(
        "carebot",
        2,
        "a subtenant's configuration is the tier's, the parent's and its own",
    ),
    passes("carebot", 3, "rows of B do not contain C's, and reverse"),
    missing(
        "carebot",
        4,
        "an agent of a subtenant sees its own calls only",
        "scopes of permissions",
    ),
    passes(
        "carebot",
        5,
        "the tenant by domain, and by X-Tenant-ID with a key; forged headers are dropped; X-User-ID comes from the token",
    ),
    passes(
        "carebot",
        6,
        "SIMT: one application and shared tables, through the gateway, B and C apart",
    ),
    passes("carebot", 7, "MIMT: A has an instance and a database of its own"),
    missing(
        "carebot",
        8,
        "critical data in an own database, templates shared",
        "several databases of a tenant",
    ),
    passes(
        "carebot",
        9,
        "SMB asks for customWorkflows: invalid, by the names of feature and plan; enabled features reach the application",
    ),
    missing("carebot", 10, "agent 11 and call 21 are refused", "entitlements"),
    Line {
        platform: "carebot",
        number: 11,
        text: "load brings three pods, and calm one",
        state: State::PassesInTestAll,
    },
    missing(
        "carebot",
        12,
        "the initial administrator may log in",
        "identity providers",
    ),
    missing("carebot", 13, "a provider's Secret is in A's pods only", "integrations"),
    missing("carebot", 14, "each success and failure is an entry", "audit"),
    passes(
        "carebot",
        15,
        "a suspended parent closes its subtenants, and one that is deleted names them first",
    ),
    passes(
        "agentic-apisix",
        1,
        "the seven figures of both quotas; three pods; `TENANT_ID`",
    ),
    passes("agentic-apisix", 2, "host, path, header, key and token: 200 each"),
    passes(
        "agentic-apisix",
        3,
        "no tenant or an unknown one 401, bad token 401, another tenant's 403, suspended 503",
    ),
    passes("agentic-apisix", 4, "a client's own X-Tenant headers do not arrive"),
    passes(
        "agentic-apisix",
        5,
        "request 1,001 of a minute is 429; C's limit is 500 a second and 50 at once",
    ),
    passes(
        "agentic-apisix",
        6,
        "requests go to all pods in turn; one that answers 503 is ejected, and clients see 200",
    ),
    missing(
        "agentic-apisix",
        7,
        "a body without its fields is 400",
        "checks of bodies",
    ),
    passes(
        "agentic-apisix",
        8,
        "shared tables, a shared application with own schemas, an own schema, an own database: each writes and reads its own rows and no others",
    ),
    missing("agentic-apisix", 9, "gateway to pod by TLS", "a mesh"),
    Line {
        platform: "agentic-apisix",
        number: 10,
        text: "rendered for APISIX it is `agentic-apisix/apisix.yaml`, which APISIX's definitions take",
        state: State::PassesIn("tests/render.rs"),
    },
    passes(
        "agentic-apisix",
        11,
        "a volume above 500Gi is refused, and storage beyond 1Ti",
    ),
    passes(
        "agentic-apisix",
        12,
        "429 in the client's language for A, the gateway's own for D",
    ),
    missing("agentic-apisix", 13, "a log stream of its own", "logs"),
    passes("agentic-apisix", 14, "an encryption key of its own"),
    passes(
        "agentic-apisix",
        15,
        "a planted binding: Isolated False and quarantined within a minute, back after the period",
    ),
    passes(
        "eyewearml",
        1,
        "record, UUID, credentials and configuration are there when the tenant is Ready",
    ),
    missing("eyewearml", 2, "import, train and verify run in this order", "jobs"),
    missing(
        "eyewearml",
        3,
        "proved isolated before the first request is served",
        "gates",
    ),
    passes("eyewearml", 4, "a brand inherits its retailer's locale and voice"),
    passes(
        "eyewearml",
        5,
        "catalogues in two schemas: reading the other's is refused",
    ),
    passes("eyewearml", 6, "Optica is alone on its server"),
    passes(
        "eyewearml",
        7,
        "a pod of one retailer reaches the shared models, and no other address of the cluster nor the other retailer's pod",
    ),
    missing("eyewearml", 8, "an AI service allowed by name", "egress by name"),
    missing("eyewearml", 9, "a shop's Secret in its own pods only", "integrations"),
    passes("eyewearml", 10, "a renewed key opens, and the former one still does"),
    missing("eyewearml", 11, "a cache of its own", "CacheServer"),
    missing(
        "eyewearml",
        12,
        "a slow application raises the tenant's alert",
        "objectives and alerts",
    ),
    missing(
        "eyewearml",
        13,
        "a retailer sees the sum of its brands",
        "metering of families",
    ),
    missing("eyewearml", 14, "an anonymous export", "exports"),
    missing(
        "eyewearml",
        15,
        "load brings three pods while the proof passes",
        "a run of `make test-all` in which the network's proof is seen meanwhile",
    ),
];

/// examples/STATUS.md.
pub fn document() -> String {
    let mut text = String::from(
        "# Status of the examples\n\nEach line is an assertion of `e2e/tests/examples`. The tests write this file (`UPDATE=1`), and fail if it says something else.\n",
    );
    let mut platform = "";
    for line in LINES {
        if line.platform != platform {
            platform = line.platform;
            let all = LINES.iter().filter(|line| line.platform == platform);
            let passing = all
                .clone()
                .filter(|line| !matches!(line.state, State::Missing(_)))
                .count();
            let _ = write!(
                text,
                "\n## {platform}: {passing} of {}\n\n| | assertion | status |\n|---|---|---|\n",
                all.count()
            );
        }
        let state = match line.state {
            State::Passes => "passes".to_owned(),
            State::PassesIn(file) => format!("passes, in `{file}`"),
            State::PassesInTestAll => "passes, in `e2e/disruptive/autoscaling.rs` (`make test-all`)".to_owned(),
            State::Missing(what) => format!("missing: {what}"),
        };
        let _ = writeln!(text, "| {} | {} | {state} |", line.number, line.text);
    }
    text
}
