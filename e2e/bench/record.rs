//! The record of all runs, and a table's place in it.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// The place of the newest table in the record.
const HERE: &str = "<!-- newest first -->\n";
/// The number of tables of each kind of run in the record; git has the others.
const KEPT: usize = 2;

/// Puts the table into the record.
pub fn insert(file: &Path, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let (head, tail) = text
        .split_once(HERE)
        .with_context(|| format!("{} has no line {HERE}", file.display()))?;
    std::fs::write(
        file,
        format!("{head}{HERE}\n{}", newest(&format!("{table}{}", tail.trim_start()))),
    )?;
    Ok(())
}

/// The newest tables of each kind of run, of tables of which the newest comes first.
fn newest(tables: &str) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let sections = tables.split("## ").filter(|section| !section.trim().is_empty());
    let kept = sections.filter(|section| {
        let title = section.lines().next().unwrap_or_default();
        let (_, kind) = title.split_once(" tenants").unwrap_or_default();
        let count = counts.entry(kind).or_default();
        *count += 1;
        *count <= KEPT
    });
    let kept: Vec<String> = kept.map(|section| format!("## {}\n", section.trim_end())).collect();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn two_tables_of_each_kind_are_kept() {
        let table = |title: &str| format!("## {title}\n\n| a |\n");
        let titles = [
            "4: 80 tenants, each with a way in",
            "3: 100 tenants",
            "2: 50 tenants",
            "1: 200 tenants",
            "0: 1000 tenants, each with a way in",
        ];
        let all: Vec<String> = titles.map(table).to_vec();
        let mut left = all.clone();
        left.remove(3);
        assert_eq!(newest(&all.join("\n")), left.join("\n"));
    }
}
