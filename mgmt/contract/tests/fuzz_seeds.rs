//! Replays the committed seeds of the fuzz targets `record` and `frame`, with the pinned toolchain.
#![cfg(test)]

#[path = "../../../tests/fuzz/src/contract.rs"]
mod contract;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fuzz/seeds")
        .join(target);
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 0, "no seeds");
}

#[test]
fn records() {
    replay("record", contract::record);
}

#[test]
fn frames() {
    replay("frame", contract::frame);
}
