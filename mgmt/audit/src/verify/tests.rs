use super::*;
use crate::segment;
use crate::storage::PlainStorage;
use crate::testing::{Hand, Place, Worker, hand};
use crate::writer::Command;
use std::fs;

/// A finished log of three segments and twenty-odd records.
fn log() -> Place {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16), Worker::new(1, 16)];
    let mut options = place.options();
    options.segment_bytes = 1500;
    let rings = workers.iter().map(Worker::ring).collect();
    let mut hand = Hand::open(PlainStorage, &options, rings).unwrap();
    hand.handle.send(Command::Names(vec!["echo".into(), "default".into()])).unwrap();
    for _ in 0..4 {
        for worker in &mut workers {
            let decision = worker.decide().unwrap();
            worker.answer(decision);
        }
        hand.turn();
    }
    workers[1].refuse(2);
    hand.finish().unwrap();
    place
}

fn paths(place: &Place) -> Vec<PathBuf> {
    segment::segments(&place.directory()).unwrap().into_iter().map(|(_, path)| path).collect()
}

/// Index, offset and segment of each record.
fn records(place: &Place) -> Vec<(PathBuf, u64, u64)> {
    let mut records = Vec::new();
    for path in paths(place) {
        let mut reader = segment::SegmentReader::new(File::open(&path).unwrap());
        let mut offset = 0;
        while let segment::Step::Record { record, .. } = reader.next().unwrap() {
            let end = offset + record.len() as u64 + 32;
            records.push((path.clone(), offset, end));
            offset = end;
        }
    }
    records
}

fn first(report: &Report) -> &Problem {
    report.problems.first().unwrap()
}

#[test]
fn a_whole_log_holds() {
    let place = log();
    let report = place.assert_holds();
    assert!(report.segments >= 3);
    assert_eq!((report.kinds.decisions, report.kinds.outcomes, report.unanswered), (8, 8, 0));
    assert_eq!(report.records, records(&place).len() as u64);
    assert!(report.to_string().ends_with("all holds"));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["kinds"]["decisions"], 8);
}

#[test]
fn every_flipped_byte_is_named() {
    let place = log();
    let records = records(&place);
    for (index, (path, from, to)) in records.iter().enumerate() {
        let whole = fs::read(path).unwrap();
        for at in *from..*to {
            let mut bytes = whole.clone();
            bytes[usize::try_from(at).unwrap()] ^= 1 << (at % 8);
            fs::write(path, &bytes).unwrap();
            let report = place.verify();
            assert!(!report.ok, "byte {at}");
            let named = report.problems.iter().find(|problem| {
                problem.record == Some(index as u64)
                    && problem.offset == Some(*from)
                    && problem.segment == Some(file_name(path))
            });
            assert!(named.is_some(), "byte {at} of record {index}: {report}");
            // The first problem may be of the log as a whole: its id stands in the first record.
            let of_log = index == 0 && first(&report).record.is_none();
            assert!(of_log || first(&report).record == Some(index as u64), "{report}");
        }
        fs::write(path, whole).unwrap();
    }
    place.assert_holds();
}

#[test]
fn every_flipped_byte_of_a_head_or_key_is_found() {
    let place = log();
    let outside = place.heads().join(place.verify().log);
    for path in [place.directory().join("head"), outside, place.directory().join("log.vkey")] {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            // White space behind a key is none of it.
            if path.ends_with("log.vkey") && at + 1 == whole.len() {
                continue;
            }
            assert!(!place.verify().ok, "byte {at} of {}", path.display());
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_cut_at_every_byte_is_found() {
    let place = log();
    let last = paths(&place).pop().unwrap();
    let before = records(&place).iter().filter(|(path, ..)| *path != last).count();
    let whole = fs::read(&last).unwrap();
    let ends: Vec<u64> =
        records(&place).iter().filter(|(path, ..)| *path == last).map(|(.., to)| *to).collect();
    for length in 0..whole.len() {
        fs::write(&last, &whole[..length]).unwrap();
        let report = place.verify();
        let left = ends.iter().filter(|end| **end <= length as u64).count();
        let named =
            report.problems.iter().any(|problem| problem.record == Some((before + left) as u64));
        assert!(!report.ok && named, "{length}: {report}");
    }
    fs::remove_file(&last).unwrap();
    assert!(place.verify().problems.iter().any(|problem| problem.kind == ProblemKind::Cut));
    // A segment in the middle, the first one, all of them.
    fs::write(&last, &whole).unwrap();
    fs::remove_file(&paths(&place)[1]).unwrap();
    assert_eq!(first(&place.verify()).kind, ProblemKind::SegmentMissing);
    for path in paths(&place) {
        fs::remove_file(path).unwrap();
    }
    assert!(place.verify().problems.iter().any(|problem| problem.kind == ProblemKind::NoLog));
}

#[test]
fn a_sealed_segment_cut_or_grown_at_its_end_is_found() {
    let place = log();
    let path = paths(&place).remove(0);
    let whole = fs::read(&path).unwrap();
    let boundary = records(&place).iter().filter(|(of, ..)| *of == path).nth(1).unwrap().2;
    for bytes in [&whole[..usize::try_from(boundary).unwrap()], &[whole.as_slice(), &[0]].concat()]
    {
        fs::write(&path, bytes).unwrap();
        assert!(!place.verify().ok);
    }
}

#[test]
fn records_swapped_or_repeated_are_found() {
    let place = log();
    let records = records(&place);
    let (path, from, to) = records[4].clone();
    let (_, _, next_to) = records[5].clone();
    let whole = fs::read(&path).unwrap();
    let cut = |from: u64, to: u64| {
        whole[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()].to_vec()
    };
    let end = whole.len() as u64;
    let swapped = [cut(0, from), cut(to, next_to), cut(from, to), cut(next_to, end)].concat();
    let repeated = [cut(0, to), cut(from, to), cut(to, end)].concat();
    let removed = [cut(0, from), cut(to, end)].concat();
    for bytes in [swapped, repeated, removed] {
        fs::write(&path, bytes).unwrap();
        let report = place.verify();
        assert!(matches!(first(&report).record, Some(4 | 5)), "{report}");
    }
}

#[test]
fn a_missing_head_is_said() {
    let place = log();
    fs::remove_file(place.directory().join("head")).unwrap();
    let report = place.verify();
    assert_eq!(first(&report).kind, ProblemKind::HeadMissing);
    assert!(report.to_string().contains("the signed head `head` is missing"));
}

#[test]
fn another_key_is_refused() {
    let (place, other) = (log(), log());
    let key = fs::read_to_string(other.directory().join("log.vkey")).unwrap();
    let key: VerifierKey = key.parse().unwrap();
    let report = verify(&place.directory(), Some(&key), None).unwrap();
    assert_eq!(first(&report).kind, ProblemKind::HeadInvalid);
    let own = fs::read_to_string(place.directory().join("log.vkey")).unwrap().parse().unwrap();
    assert!(verify(&place.directory(), Some(&own), None).unwrap().ok);
    // The head and the key of another log in this folder.
    for name in ["head", "log.vkey"] {
        fs::copy(other.directory().join(name), place.directory().join(name)).unwrap();
    }
    assert!(!verify(&place.directory(), None, None).unwrap().ok);
}

#[test]
fn a_rolled_back_folder_is_found_by_the_head_outside() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    running.finish().unwrap();
    let saved: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(place.directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    running.finish().unwrap();
    place.assert_holds();
    for (path, bytes) in saved {
        fs::write(path, bytes).unwrap();
    }
    assert!(verify(&place.directory(), None, None).unwrap().ok, "a folder alone cannot show it");
    let report = place.verify();
    assert_eq!(first(&report).kind, ProblemKind::Cut);
    let file = place.heads().join(&report.log);
    assert!(!verify(&place.directory(), None, Some(&file)).unwrap().ok, "as a file, too");
}

#[test]
fn records_behind_the_head_are_counted_and_a_torn_tail_is_told() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    let report = place.assert_holds();
    assert_eq!((report.records, report.unprotected, report.unanswered), (2, 1, 1));
    let path = paths(&place).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 7);
    fs::write(&path, &bytes).unwrap();
    let report = place.assert_holds();
    assert_eq!((report.records, report.unprotected), (1, 0));
    assert!(report.torn_tail_bytes > 0);
}

#[test]
fn an_empty_or_foreign_folder_is_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let report = verify(folder.path(), None, None).unwrap();
    assert!(!report.ok && report.problems.iter().any(|p| p.kind == ProblemKind::NoLog));
    fs::write(folder.path().join("segment-0000000000000000.slog"), b"SLRCxxxx").unwrap();
    assert!(!verify(folder.path(), None, None).unwrap().ok);
    assert!(verify(&folder.path().join("none"), None, None).is_err());
}

proptest::proptest! {
    /// Whatever bytes a segment holds, the check ends without a panic and says no.
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = b"SLRC".to_vec();
        segment.extend_from_slice(&bytes);
        fs::write(folder.path().join("segment-0000000000000000.slog"), segment).unwrap();
        proptest::prop_assert!(!verify(folder.path(), None, None).unwrap().ok);
    }

    /// A record with any fields behind a valid frame and chain is judged without a panic.
    #[test]
    fn any_fields_are_judged(
        kind in 0u16..8, worker in proptest::prop_oneof![0u16..3, proptest::prelude::Just(u16::MAX)],
        words in proptest::collection::vec(
            proptest::prop_oneof![0u64..16, proptest::prelude::any::<u64>()], 4..60),
    ) {
        let place = Place::new();
        hand(&place, &[]).finish().unwrap();
        let path = paths(&place).pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let chain: [u8; 32] = bytes[bytes.len() - 32..].try_into().unwrap();
        let mut record = b"SLRC".to_vec();
        record.extend_from_slice(&kind.to_le_bytes());
        record.extend_from_slice(&1u16.to_le_bytes());
        let length = u32::try_from(16 + words.len() * 8).unwrap();
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&worker.to_le_bytes());
        record.extend_from_slice(&[0; 2]);
        for word in &words {
            record.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&record);
        bytes.extend_from_slice(&crate::chain::next(&chain, &record));
        fs::write(&path, bytes).unwrap();
        let report = place.verify();
        proptest::prop_assert!(report.problems.iter().all(|p| p.kind != ProblemKind::Chain));
    }
}
