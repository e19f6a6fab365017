//! What a machine can check of the architecture: which crate may know which, what the hot path may
//! not depend on, metrics that nobody counts, and the house style where it is cheap to look.
#![cfg(test)]

use serde_json::Value;
use sluice_tests::{repository, run};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates each of them may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("sluice-contract", &[]),
    ("sluice-wire", &[]),
    ("sluice-detectors", &["contract"]),
    ("sluice-policy", &["contract"]),
    ("sluice-ebpf", &["contract"]),
    ("sluice-audit", &["contract", "policy"]),
    ("sluice-datapath", &["contract", "wire", "detectors", "policy", "ebpf"]),
    ("sluice", &["contract", "policy", "audit", "detectors", "ebpf"]),
    ("sluice-benches", &["contract", "wire", "detectors", "policy", "audit", "datapath"]),
    // Binaries only.
    ("sluice-tests", &[]),
];

/// The packages that the product stands on, and who uses them.
const FOUNDATIONS: &[(&str, &[&str])] = &[
    ("monoio", &["datapath/src"]),
    ("tokio_uring", &["mgmt/audit/src"]),
    ("rustls", &["datapath/src", "mgmt/src"]),
    ("hyperscan", &["detectors/src"]),
    ("simd_json", &["datapath/wire/src"]),
    ("memchr", &["detectors/src", "datapath/wire/src"]),
    ("sha2", &["mgmt/audit/src", "datapath/src"]),
    ("crossbeam", &["datapath/src", "mgmt/audit/src"]),
    ("mimalloc", &["datapath/src"]),
    ("criterion", &["benches/micro"]),
];

/// Reasons that have a number and that nothing is refused for yet.
const RESERVED: &[&str] = &["Draining", "NotReady"];

/// Lines from which a file holds a second job.
const LINES_MAX: usize = 600;

/// Files that are tables of data, whatever their length.
const TABLES: &[&str] = &["detectors/src/packs/"];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(cargo).args(arguments).arg("--offline").current_dir(repository())).ok()
}

#[test]
fn crates_know_only_whom_they_may() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let allowed: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<_> =
        packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, allowed.keys().copied().collect(), "crates and the list of edges differ");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            if names.contains(on) {
                let short = on.strip_prefix("sluice-").unwrap_or(on);
                assert!(allowed[name].contains(&short), "`{name}` may not depend on `{on}`");
            }
        }
    }
}

#[test]
fn the_hot_path_has_no_tokio_runtime_and_nobody_has_openssl() {
    let tree = |package: &str| {
        cargo(&[
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p} {f}",
        ])
    };
    for line in tree("sluice-datapath").lines().filter(|line| line.starts_with("tokio v")) {
        let features = line.split(' ').nth(2).unwrap_or_default();
        for feature in features.split(',') {
            assert!(
                !matches!(feature, "rt" | "net" | "time" | "rt-multi-thread" | "full"),
                "{line}"
            );
        }
    }
    let data_path = tree("sluice-datapath");
    for stranger in ["cedar-policy-symcc", "sluice v", "sluice-audit v", "tokio-uring v", "hyper v"]
    {
        assert!(!data_path.lines().any(|line| line.starts_with(stranger)), "{stranger}");
    }
    for package in ["sluice", "sluice-datapath", "sluice-tests", "sluice-benches"] {
        let stranger = tree(package);
        let openssl = stranger
            .lines()
            .find(|line| line.starts_with("openssl v") || line.starts_with("openssl-sys"));
        assert_eq!(openssl, None, "in {package}");
    }
}

/// Files that git knows or would take, with this ending.
fn sources(ending: &str) -> Vec<PathBuf> {
    let mut command = Command::new("git");
    command.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        &format!("*{ending}"),
    ]);
    let listed = run(command.current_dir(repository())).ok();
    let files: Vec<PathBuf> =
        listed.lines().map(PathBuf::from).filter(|path| repository().join(path).exists()).collect();
    assert!(!files.is_empty(), "no {ending} files; is this a git checkout?");
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

/// The part of a file before its tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn every_foundation_is_in_real_use() {
    let files = sources(".rs");
    for (package, places) in FOUNDATIONS {
        for place in *places {
            let used = files
                .iter()
                .filter(|path| path.starts_with(place))
                .any(|path| product(&read(path)).contains(&format!("{package}::")));
            assert!(used, "`{package}` is not used in {place}");
        }
    }
}

#[test]
fn every_counter_is_counted() {
    let text = read(Path::new("mgmt/contract/src/metrics.rs"));
    let table = text.split("counters! {").nth(1).unwrap().split("\n}").next().unwrap();
    let names: Vec<&str> = table
        .lines()
        .filter_map(|line| line.trim().split_once(" \"sluice_"))
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let data_path: String = sources(".rs")
        .iter()
        .filter(|path| path.starts_with("datapath/src"))
        .map(|path| product(&read(path)).to_owned())
        .collect();
    for name in names {
        assert!(data_path.contains(&format!("Counter::{name}")), "nobody counts `{name}`");
    }
    let reasons = read(Path::new("mgmt/contract/src/reason.rs"));
    let table = reasons.split("reasons! {").nth(1).unwrap().split("\n}").next().unwrap();
    for line in table.lines().filter(|line| line.contains('"')) {
        let name = line.split_whitespace().nth(1).unwrap();
        if RESERVED.contains(&name) {
            continue;
        }
        assert!(data_path.contains(&format!("Reason::{name}")), "nobody is refused for `{name}`");
    }
}

#[test]
fn every_limit_is_held_somewhere() {
    let limits = Path::new("mgmt/contract/src/limits.rs");
    let text = read(limits);
    let files: String = sources(".rs")
        .iter()
        .filter(|path| *path != limits)
        .map(|path| product(&read(path)).to_owned())
        .collect();
    let names = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    for name in names {
        assert!(files.contains(name), "`{name}` bounds nothing");
    }
}

#[test]
fn files_keep_to_the_style() {
    let mut faults = Vec::new();
    for path in sources(".rs") {
        let text = read(&path);
        let shown = path.display().to_string();
        let mut fault = |what: &str| faults.push(format!("{shown}: {what}"));
        let lines = text.lines().count();
        if lines > LINES_MAX && !TABLES.iter().any(|table| shown.starts_with(table)) {
            fault(&format!("{lines} lines"));
        }
        // The tests of a file are about that file.
        let is_tests = path.file_name().is_some_and(|name| name == "tests.rs");
        if !is_tests && !text.lines().take(3).any(|line| line.starts_with("//!")) {
            fault("no header that says what it is");
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if matches!(&*stem, "mod" | "utils" | "util" | "common" | "helpers" | "misc") {
            fault("a name that says nothing");
        }
        // The words themselves stand in this file only.
        if path.ends_with("tests/tests/edges.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let mut fault = |what: &str| faults.push(format!("{shown}:{}: {what}", number + 1));
            for word in ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX:", "HACK"] {
                if line.contains(word) {
                    fault(word);
                }
            }
            if line.contains("TODO") && !line.contains('#') {
                fault("a TODO without an issue");
            }
            if line.contains("#[allow(") || line.contains("#![allow(") {
                fault("`allow` where `expect` belongs");
            }
        }
        let has_unsafe =
            text.contains("unsafe {") || text.contains("unsafe impl") || text.contains("unsafe fn");
        if has_unsafe && !text.contains("// SAFETY:") && !text.contains("# Safety") {
            fault_of(&mut faults, &shown, "unsafe without its reason");
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn fault_of(faults: &mut Vec<String>, path: &str, what: &str) {
    faults.push(format!("{path}: {what}"));
}

#[test]
fn pure_crates_forbid_unsafe_code_and_touch_nothing() {
    for root in ["datapath/wire/src/lib.rs", "mgmt/policy/src/lib.rs"] {
        assert!(read(Path::new(root)).contains("#![forbid(unsafe_code)]"), "{root}");
    }
    let impure = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::time::Instant",
        "SystemTime",
        "tracing::",
    ];
    for path in sources(".rs") {
        let is_pure = ["datapath/wire/src", "mgmt/policy/src", "detectors/src"]
            .iter()
            .any(|root| path.starts_with(root));
        let is_test = path.components().any(|part| part.as_os_str() == "tests")
            || path.ends_with("tests.rs")
            || path.ends_with("fixture.rs");
        if is_pure && !is_test {
            let text = read(&path);
            let code: String = product(&text)
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            for what in impure {
                assert!(!code.contains(what), "{}: {what}", path.display());
            }
        }
    }
}
