//! Quoting: the server reads every name and text as it is, whatever it contains.

use crate::site::Site;
use tenant_operator::postgres::Identifier;
use tenant_operator::postgres::plan::Place;
use tenant_operator::postgres::sql::Literal;
use tenant_operator::sql;

const ALPHABET: &[char] = &[
    'a', 'Z', '_', '"', '\'', '\\', '%', '$', ';', '-', ' ', '\n', '\t', 'é', '🦀', '\u{1}', '\u{feff}', '0', 'E', '/',
    '*',
];

pub async fn survives_the_server(site: Site, _: Place) {
    let root = site.root().await;
    let mut random = fastrand::Rng::with_seed(7);
    for conforming in ["on", "off"] {
        root.batch_execute(&format!(
            "SET standard_conforming_strings = {conforming}; SET escape_string_warning = off"
        ))
        .await
        .expect("SET");
        for _ in 0..300 {
            let mut text: String = (0..random.usize(1..30))
                .map(|_| ALPHABET[random.usize(..ALPHABET.len())])
                .collect();
            while text.len() > 63 {
                text.pop();
            }
            let name = Identifier::new(text.as_str()).expect("a name");
            let query = sql![
                "SELECT t.",
                &name,
                " FROM (SELECT ",
                Literal(&text),
                "::text AS ",
                &name,
                ") t"
            ]
            .reveal();
            // The simple protocol, as statements are sent.
            let rows = root
                .simple_query(&query)
                .await
                .unwrap_or_else(|error| panic!("{query}: {error:?}"));
            let row = rows.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let row = row.expect("a row");
            assert_eq!(row.get(0), Some(text.as_str()), "{query}");
            assert_eq!(row.columns()[0].name(), text, "{query}");
        }
    }
}
