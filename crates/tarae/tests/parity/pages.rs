//! What the pages that rustdoc made of std say: which items there are, and which of them are stable.
//!
//! Left out are what is unstable; the traits that the compiler answers for ([`AUTO`]: compared one by one in
//! tests/sync/traits.rs and tests/thread/traits.rs); and the members of what tarae does not have of its own but passes on
//! ([`WHOLE`]).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MODULES: [&str; 3] = ["thread", "sync", "sync::mpsc"];

/// `Send` and its kind, what only the compiler uses, and what is for Windows.
const AUTO: [&str; 10] = [
    "Send",
    "Sync",
    "UnwindSafe",
    "RefUnwindSafe",
    "Unpin",
    "StructuralPartialEq",
    "Drop",
    "AsHandle",
    "AsRawHandle",
    "IntoRawHandle",
];

/// They have as many members as all others together.
const WHOLE: [&str; 2] = ["sync::Arc", "sync::Weak"];

/// Where the pages of the compiler that compiles this are, if they are there and of this version.
pub(crate) fn installed(version: &str) -> Option<PathBuf> {
    let said = |argument: &[&str]| {
        let output = Command::new("rustc").args(argument).output().ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    if !said(&["--version"])?.starts_with(&format!("rustc {version}.")) {
        return None;
    }
    let pages = Path::new(&said(&["--print", "sysroot"])?).join("share/doc/rust/html/std");
    pages.join("thread/index.html").exists().then_some(pages)
}

/// The names of all items, as the table has them.
pub(crate) fn items(pages: &Path) -> BTreeSet<String> {
    let mut items = BTreeSet::new();
    for module in MODULES {
        let folder = pages.join(module.replace("::", "/"));
        for (kind, name) in entries(&folder) {
            let page = match kind.as_str() {
                "mod" => folder.join(&name).join("index.html"),
                kind => folder.join(format!("{kind}.{name}.html")),
            };
            let page =
                fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
            // What is said of the item itself stands before its description.
            let (head, _) = page.split_once("docblock").expect("every item is described");
            if is_unstable(head) {
                continue;
            }
            let path = format!("{module}::{name}");
            if !WHOLE.contains(&path.as_str()) && (kind == "struct" || kind == "enum") {
                members(&page, module, &name, &mut items);
            }
            items.insert(path);
        }
    }
    items
}

fn is_unstable(text: &str) -> bool {
    text.contains("stab unstable")
}

/// The kinds and names of what is in a module: `window.SIDEBAR_ITEMS = {"fn":["park","spawn"],"struct":[...]};`.
fn entries(folder: &Path) -> Vec<(String, String)> {
    let is_list = |name: &str| name.starts_with("sidebar-items") && name.ends_with(".js");
    let list = fs::read_dir(folder)
        .expect("a folder for each module")
        .map(|file| file.expect("it can be listed").path())
        .find(|file| file.file_name().and_then(|name| name.to_str()).is_some_and(is_list))
        .expect("a list of the items");
    let list = fs::read_to_string(list).expect("it can be read");
    let mut entries = Vec::new();
    for group in list.split("],") {
        let quoted: Vec<_> = group.split('"').skip(1).step_by(2).collect();
        let [kind, names @ ..] = &quoted[..] else { continue };
        entries.extend(names.iter().map(|name| (kind.to_string(), name.to_string())));
    }
    entries
}

/// Methods, variants and implemented traits of one type.
fn members(page: &str, module: &str, name: &str, items: &mut BTreeSet<String>) {
    // After this come the traits that every type has.
    let page = page.split("id=\"synthetic-implementations\"").next().expect("a first part");
    for section in page.split("<section id=\"").skip(1) {
        let (id, rest) = section.split_once('"').expect("the end of an attribute");
        // A remark on a member stands before the end of its summary.
        let remarks = rest.split("</summary>").next().expect("a first part");
        if is_unstable(remarks) {
            continue;
        }
        if let Some(member) = id.strip_prefix("method.").or_else(|| id.strip_prefix("variant.")) {
            if !rest.starts_with(" class=\"method trait-impl") {
                // The second of its name, for another type parameter, has a number.
                let member = member.split('-').next().expect("a first part");
                items.insert(format!("{module}::{name}::{member}"));
            }
        } else if let Some(implementation) = id.strip_prefix("impl-") {
            let decoded = decoded(implementation);
            let Some((implemented, target)) = decoded.split_once("-for-") else { continue };
            let (reference, bare) = match target.strip_prefix('&') {
                Some(bare) => ("&", bare),
                None => ("", target),
            };
            let is_left_out = implemented.starts_with('!') || AUTO.contains(&implemented);
            if bare.split('<').next() == Some(name) && !is_left_out {
                items.insert(format!("impl {implemented} for {reference}{module}::{name}"));
            }
        }
    }
}

/// Without the percent signs of an address.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        let (code, after) = after.split_at(2);
        decoded.push_str(before);
        decoded.push(u8::from_str_radix(code, 16).expect("two digits").into());
        rest = after;
    }
    decoded + rest
}
