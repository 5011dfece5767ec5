//! docs/parity.md names everything that is stable in `std::thread` and `std::sync`, and says the truth about it.
//!
//! Three sets of names are compared:
//!
//! | what | where | how it stays true |
//! |---|---|---|
//! | what std has | `std-1.95.txt` | compared with the compiler's own documentation, where that is installed |
//! | what the table says | `docs/parity.md` | compared with the list above: nothing missing, nothing invented |
//! | what tarae has | [`present`] | does not compile if one goes missing; compared with the rows that say yes |
//!
//! A new compiler: `rustup component add rust-docs`, then `TARAE_RENEW=1 cargo test -p tarae --test parity` writes the list
//! anew (rename it), and the tests say what the table lacks.

mod pages;
mod present;

/// Whose items are looked for. This line is the only place that says it: each module is either std's, or tarae's.
mod subject {
    pub(crate) use tarae::{sync, thread};
}

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The version that the list is about.
const VERSION: &str = "1.95";

/// Every stable item, as [`pages::items`] finds them.
const ITEMS: &str = include_str!("std-1.95.txt");

const TABLE: &str = include_str!("../../../../docs/parity.md");

/// A row of the table.
#[derive(Debug)]
struct Row<'a> {
    present: bool,
    note: &'a str,
}

/// The rows by their items: `` | `item` | yes or no | note | ``.
fn rows() -> BTreeMap<&'static str, Row<'static>> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [item, present, note] = cells[..] else { panic!("three cells: {line}") };
        let present = match present {
            "yes" => true,
            "no" => false,
            other => panic!("neither yes nor no, but {other}: {line}"),
        };
        let twice = rows.insert(item.trim_matches('`'), Row { present, note });
        assert!(twice.is_none(), "it has two rows: {line}");
    }
    rows
}

fn items() -> BTreeSet<&'static str> {
    ITEMS.lines().filter(|line| !line.starts_with('#')).collect()
}

fn difference<'a>(of: &BTreeSet<&'a str>, without: &BTreeSet<&'a str>) -> Vec<&'a str> {
    of.difference(without).copied().collect()
}

#[test]
fn the_table_has_a_row_for_every_item_and_no_other() {
    let (items, rows) = (items(), rows());
    let rows = rows.keys().copied().collect();
    assert_eq!(difference(&items, &rows), [""; 0], "the table lacks these items of std");
    assert_eq!(difference(&rows, &items), [""; 0], "std has no such items");
}

#[test]
fn the_rows_that_say_yes_are_those_that_compile() {
    let rows = rows();
    let yes = rows.iter().filter(|(_, row)| row.present).map(|(item, _)| *item).collect();
    let present = present::names();
    let present = present.iter().map(String::as_str).collect();
    assert_eq!(difference(&yes, &present), [""; 0], "the table says yes, and nothing shows it");
    assert_eq!(difference(&present, &yes), [""; 0], "it is there, and the table does not say so");
}

#[test]
fn a_row_that_says_no_says_why() {
    let silent: Vec<_> =
        rows().into_iter().filter(|(_, row)| !row.present && row.note.len() < "deprecated".len()).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

/// What the table calls std's own is std's own: the functions below would not compile otherwise.
#[test]
fn what_is_called_stds_own_is() {
    use subject::{sync, thread};
    let _: fn(sync::Arc<u8>) -> std::sync::Arc<u8> = |same| same;
    let _: fn(sync::Weak<u8>) -> std::sync::Weak<u8> = |same| same;
    let _: fn(sync::atomic::AtomicU8) -> std::sync::atomic::AtomicU8 = |same| same;
    let _: fn(sync::atomic::Ordering) -> std::sync::atomic::Ordering = |same| same;
    let _: fn(thread::AccessError) -> std::thread::AccessError = |same| same;
    let _: fn(thread::LocalKey<u8>) -> std::thread::LocalKey<u8> = |same| same;
    let _: fn(thread::Result<u8>) -> std::thread::Result<u8> = |same| same;
    let shown = [
        "sync::Arc",
        "sync::Weak",
        "sync::atomic",
        "thread::AccessError",
        "thread::LocalKey",
        "thread::Result",
        "thread::available_parallelism",
        "thread::panicking",
    ];
    let rows = rows();
    let called = rows.iter().filter(|(_, row)| row.note.starts_with("std's own")).map(|(item, _)| *item);
    assert_eq!(called.collect::<Vec<_>>(), shown);
}

#[test]
fn the_list_is_that_of_the_compilers_own_documentation() {
    let Some(pages) = pages::installed(VERSION) else {
        eprintln!("skipped: the documentation of Rust {VERSION} is not installed");
        return;
    };
    let found = pages::items(&pages);
    let list: Vec<_> = found.iter().map(String::as_str).collect();
    if std::env::var_os("TARAE_RENEW").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/std-1.95.txt");
        let head = "# Everything stable in std::thread and std::sync of Rust 1.95, from the compiler's own documentation.\n\
                    # Made by the test beside it, with TARAE_RENEW=1. What is not listed: see pages.rs.\n";
        std::fs::write(file, format!("{head}{}\n", list.join("\n"))).expect("the list can be written");
        return;
    }
    let (found, items) = (list.into_iter().collect(), items());
    assert_eq!(difference(&found, &items), [""; 0], "std has these, and the list does not");
    assert_eq!(difference(&items, &found), [""; 0], "the list has these, and std does not");
}
