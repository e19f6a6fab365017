use super::*;
use crate::storage::PlainStorage;
use crate::testing::{Fault, FaultState, FaultStorage, Hand, Place, Worker, hand};
use crate::writer::testing::{Next, unix_ns};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

fn open_again(place: &Place) -> Result<Opened, AuditError> {
    open(&PlainStorage, &place.options(), unix_ns())
}

fn last_segment(place: &Place) -> PathBuf {
    segment::segments(&place.directory()).unwrap().pop().unwrap().1
}

#[test]
fn a_new_log_is_private_and_signed_from_the_start() {
    let place = Place::new();
    drop(open_again(&place).unwrap());
    for (path, mode) in [(place.directory(), 0o700), (place.heads(), 0o700)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    for entry in fs::read_dir(place.directory()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    let report = place.assert_holds();
    assert_eq!((report.records, report.unprotected), (1, 0));
}

#[test]
fn two_writers_are_refused() {
    let place = Place::new();
    let first = open_again(&place).unwrap();
    assert!(matches!(open_again(&place), Err(AuditError::Locked(_))));
    drop(first);
    assert!(open_again(&place).is_ok());
}

/// A log with one signed group and one that no head covers, and the length of the signed part.
fn half_signed() -> (Place, [Worker; 1], usize) {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    running.sign();
    let signed = fs::metadata(last_segment(&place)).unwrap().len();
    workers[0].decide().unwrap();
    workers[0].decide().unwrap();
    // Not acknowledged: the writer died before it moved the mark.
    crate::testing::ready(running.writer.write_unacknowledged());
    drop(running);
    (place, workers, usize::try_from(signed).unwrap())
}

#[test]
fn a_tail_cut_at_any_byte_is_recovered_and_nothing_is_lost() {
    let (place, mut workers, signed) = half_signed();
    let path = last_segment(&place);
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > signed + 500);
    for length in (signed..=whole.len()).rev() {
        // Each cut is one of the log as it was when it was whole.
        let mut bytes = whole[..length].to_vec();
        if length % 3 == 0 && length < whole.len() {
            // Behind the cut something else may stand.
            bytes.extend_from_slice(&[0; 300]);
        }
        fs::write(&path, &bytes).unwrap();
        let mut running = hand(&place, &workers);
        running.settle();
        let sequences = place.sequences().into_values().next().unwrap();
        assert_eq!(sequences, [0, 1, 2], "cut at {length}");
        place.assert_holds();
        drop(running);
        // The ring is as it was: nothing of this was acknowledged.
        let map = sluice_contract::ring_map::SharedMap::open(&workers[0].fd).unwrap();
        map.atomic_u64(256).unwrap().store(1, std::sync::atomic::Ordering::SeqCst);
    }
    fs::write(&path, &whole).unwrap();
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    running.finish().unwrap();
    assert_eq!(place.sequences().into_values().next().unwrap(), [0, 1, 2, 3]);
    place.assert_holds();
}

#[test]
fn a_flipped_byte_behind_the_head_is_a_torn_tail_and_before_it_is_refused() {
    let (place, workers, signed) = half_signed();
    let path = last_segment(&place);
    let whole = fs::read(&path).unwrap();
    let segment_start_bytes = 48 + 64 + 32;
    for at in segment_start_bytes..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let opened = open_again(&place);
        if at < signed {
            assert!(matches!(opened, Err(AuditError::Damaged { record: 1, .. })), "byte {at}");
        } else {
            assert!(opened.unwrap().torn_bytes > 0, "byte {at}");
        }
    }
    drop(workers);
}

#[test]
fn a_log_that_was_cut_or_rolled_back_is_refused() {
    let (place, workers, signed) = half_signed();
    let path = last_segment(&place);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..144]).unwrap();
    assert!(matches!(open_again(&place), Err(AuditError::Cut { have: 1, signed: 2, .. })));
    // The head was rolled back too: the copy outside tells.
    let head = fs::read(place.directory().join("head")).unwrap();
    fs::write(&path, &whole).unwrap();
    let running = hand(&place, &workers);
    running.sign();
    drop(running);
    fs::write(place.directory().join("head"), head).unwrap();
    fs::write(&path, &whole[..signed]).unwrap();
    assert!(matches!(open_again(&place), Err(AuditError::Cut { have: 2, signed: 4, .. })));
    // All segments gone.
    fs::remove_file(&path).unwrap();
    assert!(matches!(open_again(&place), Err(AuditError::Cut { have: 0, .. })));
}

#[test]
fn a_log_without_head_or_of_another_key_is_refused() {
    let (place, workers, _) = half_signed();
    let outside = fs::read_dir(place.heads()).unwrap().next().unwrap().unwrap().path();
    let (inside, key) =
        (place.directory().join("head"), place.folder.path().join("keys/audit.key"));
    let head = fs::read(&inside).unwrap();
    fs::remove_file(&inside).unwrap();
    assert!(open_again(&place).is_ok(), "the copy outside vouches for it");
    fs::remove_file(&outside).unwrap();
    assert!(matches!(open_again(&place), Err(AuditError::HeadMissing(_))));
    fs::write(&inside, &head[1..]).unwrap();
    assert!(matches!(open_again(&place), Err(AuditError::Head(_))));
    fs::write(&inside, &head).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(matches!(open_again(&place), Err(AuditError::ForeignKey { .. })));
    drop(workers);
}

#[test]
fn what_was_being_written_is_removed() {
    let (place, ..) = half_signed();
    let new = place.directory().join("segment-0000000000000001.slog.new");
    fs::write(&new, b"half").unwrap();
    drop(open_again(&place).unwrap());
    assert!(!new.exists());
}

#[test]
fn names_are_known_again_and_repeated_in_each_segment() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    let names = |names: &[&str]| {
        crate::writer::Command::Names(names.iter().map(|name| (*name).to_owned()).collect())
    };
    running.handle.send(names(&["a", "b", "a"])).unwrap();
    running.settle();
    drop(running);
    let mut options = place.options();
    options.segment_bytes = 1;
    let rings = vec![workers[0].ring()];
    let mut running = Hand::open(PlainStorage, &options, rings).unwrap();
    running.handle.send(names(&["b", "c"])).unwrap();
    workers[0].decide().unwrap();
    running.settle();
    let records = running.seen.lock().unwrap().clone();
    let read = |record: &Vec<u8>| DictionaryView::decode(record).ok();
    let told: Vec<_> = records.iter().filter_map(read).flat_map(|view| view.names).collect();
    assert_eq!(told.len(), 1, "only `c` is new");
    assert_eq!(running.writer.log.state.names.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    running.finish().unwrap();
    let mut reader = SegmentReader::new(File::open(last_segment(&place)).unwrap());
    let mut names = Vec::new();
    while let Step::Record { record, .. } = reader.next().unwrap() {
        names.extend(DictionaryView::decode(record).map(|view| view.names).unwrap_or_default());
    }
    assert_eq!(names.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    place.assert_holds();
}

#[test]
fn a_quiet_ring_keeps_its_place_over_many_segments() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16), Worker::new(1, 16)];
    let mut options = place.options();
    options.segment_bytes = 1;
    let rings = |workers: &[Worker]| workers.iter().map(Worker::ring).collect::<Vec<_>>();
    let mut running = Hand::open(PlainStorage, &options, rings(&workers)).unwrap();
    workers[1].decide().unwrap();
    for _ in 0..5 {
        workers[0].refuse(1);
        running.settle();
    }
    drop(running);
    let opened = open_again(&place).unwrap();
    let ring = workers[1].producer.ring().number();
    assert_eq!(opened.positions.get(&ring).unwrap().next, 1);
    drop(opened);
    let mut running = Hand::open(PlainStorage, &options, rings(&workers)).unwrap();
    workers[1].decide().unwrap();
    running.settle();
    running.finish().unwrap();
    place.assert_holds();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// The machine loses power within some operation: the rings are gone, and of what was written
    /// and not synced any part is there, any part is garbage, and a name that was not synced may be
    /// the old one. What was acknowledged is in the log, and the log goes on.
    #[test]
    fn a_power_cut_loses_nothing_acknowledged(
        at in 0usize..40, fault in prop_oneof![
            Just(Fault::Fails), Just(Fault::Half), Just(Fault::Done)],
        kept in 0u64..=100, garbage in any::<bool>(), rename_lost in any::<bool>(),
        signs in 0u32..64,
    ) {
        let place = Place::new();
        let mut options = place.options();
        options.segment_bytes = 2500;
        let mut workers = [Worker::new(0, 64), Worker::new(1, 64)];
        let state = Rc::new(FaultState::default());
        state.at.set(at);
        state.fault.set(Some(fault));
        state.is_fatal.set(true);
        let rings = workers.iter().map(Worker::ring).collect();
        let storage = FaultStorage { shared: Rc::clone(&state) };
        let opened = Hand::open(storage, &options, rings);
        if let Ok(mut running) = opened {
            for round in 0..8 {
                for worker in &mut workers {
                    let decision = worker.decide().unwrap();
                    worker.answer(decision);
                }
                running.turn();
                if state.is_dead.get() {
                    break;
                }
                if signs & 1 << round != 0 {
                    running.sign();
                }
            }
        }
        let durable: Vec<u64> =
            workers.iter_mut().map(|worker| worker.producer.refresh()).collect();
        for (path, (written, synced)) in state.lengths.borrow().iter() {
            let Ok(mut bytes) = fs::read(path) else { continue };
            let length = usize::try_from(synced + (written - synced) * kept / 100).unwrap();
            bytes.truncate(length.max(usize::try_from(*synced).unwrap()));
            if garbage {
                let from = usize::try_from(*synced).unwrap().min(bytes.len());
                let middle = from + (bytes.len() - from) / 2;
                bytes[middle..].fill(0);
            }
            fs::write(path, bytes).unwrap();
        }
        if let Some((from, to)) = state.renamed.borrow_mut().take()
            && rename_lost && to.exists()
        {
            fs::rename(to, from).unwrap();
        }
        let numbers: Vec<u64> = workers.iter().map(|w| w.producer.ring().number()).collect();
        // New rings: the old ones were in memory.
        let mut fresh = [Worker::new(2, 64), Worker::new(3, 64)];
        let mut running = hand(&place, &[]);
        prop_assert_eq!(running.settle(), Next::Sleep);
        drop(running);
        fresh[0].number = 0;
        fresh[1].number = 1;
        let mut running = hand(&place, &fresh);
        fresh[1].decide().unwrap();
        running.settle();
        running.finish().unwrap();
        let report = place.verify();
        prop_assert!(report.ok, "{}", report);
        let sequences = place.sequences();
        for (number, durable) in numbers.iter().zip(durable) {
            let logged = sequences.get(number).map_or(0, |list| list.len() as u64);
            prop_assert!(logged >= durable, "{} acknowledged, {} there", durable, logged);
        }
    }
}
