//! What is in the dependency graph, and what is not.

use std::process::Command;

/// What cargo says of a package and all it depends on, built alone: a name, a version and the features in brackets a line.
///
/// In a build of the whole workspace the benches ask for tokio's runtime, as a peer.
fn tree_of(package: &str) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--locked", "-e", "normal,features", "--prefix", "none", "--no-dedupe"]);
    cargo.args(["--format", "{p} [{f}]", "-p", package]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names are text")
}

/// The features of each time that `name` is in a tree.
fn features_of<'a>(name: &str, tree: &'a str) -> Vec<Vec<&'a str>> {
    let lines = tree.lines().filter_map(|line| line.strip_prefix(&format!("{name} v")));
    let features =
        lines.map(|line| line.rsplit_once('[').expect("the format has brackets").1.trim_end_matches(']'));
    features.map(|features| features.split(',').filter(|feature| !feature.is_empty()).collect()).collect()
}

#[test]
fn tokios_runtime_is_not_in_the_graph_of_this_crate_nor_of_the_examples() {
    for package in ["tarae-futures", "tarae-examples"] {
        let tree = tree_of(package);
        let tokio = features_of("tokio", &tree);
        assert!(!tokio.is_empty(), "its traits are there:\n{tree}");
        for feature in tokio.into_iter().flatten() {
            // hyper asks for the channels, which need no runtime; `default` is empty.
            assert!(
                matches!(feature, "default" | "sync"),
                "{package} has tokio's feature `{feature}`:\n{tree}"
            );
        }
        for runtime in ["async-io", "async-executor", "futures-executor", "smol"] {
            assert!(features_of(runtime, &tree).is_empty(), "{package} has {runtime}:\n{tree}");
        }
    }
}

/// The test above would see it.
#[test]
fn the_benches_have_tokios_runtime() {
    assert!(features_of("tokio", &tree_of("tarae-benches")).iter().flatten().any(|feature| *feature == "rt"));
}
