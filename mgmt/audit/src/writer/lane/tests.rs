use crate::testing::{Place, Worker, hand};
use crate::verify::ProblemKind;
use crate::writer::testing::Next;
use proptest::prelude::*;
use sluice_contract::record::{Notice, NoticeCode};
use sluice_contract::ring::ConsumerSide;
use std::sync::atomic::Ordering::Relaxed;

fn notices(seen: &[Vec<u8>]) -> Vec<(u32, u64, u64)> {
    let read = |record: &Vec<u8>| Notice::decode(record).ok();
    seen.iter().filter_map(read).map(|(_, n)| (n.code, n.position, n.value)).collect()
}

#[test]
fn what_is_no_record_is_passed_over_with_a_notice() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    let first = workers[0].decide().unwrap();
    workers[0].push_raw(b"nonsense");
    workers[0].push_raw(&[0; 48]);
    workers[0].answer(first);
    workers[0].push_raw(b"nonsense");
    running.settle();
    assert!(workers[0].producer.is_durable(4));
    assert_eq!(
        notices(&running.seen.lock().unwrap()),
        [(NoticeCode::Discarded as u32, 1, 2), (NoticeCode::Discarded as u32, 4, 1)]
    );
    assert_eq!(running.stats.discarded.load(Relaxed), 3);
    running.finish().unwrap();
    let report = place.assert_holds();
    assert_eq!((report.discarded, report.kinds.outcomes), (3, 1));
    // The next start goes on behind what was passed over.
    let mut running = hand(&place, &workers);
    workers[0].refuse(1);
    running.settle();
    running.finish().unwrap();
    place.assert_holds();
}

#[test]
fn records_of_another_place_are_passed_over() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16), Worker::new(1, 16)];
    let mut running = hand(&place, &workers);
    workers[1].decide().unwrap();
    running.settle();
    let foreign = running.seen.lock().unwrap().last().unwrap().clone();
    // Another worker's record; a notice, which only management writes; a record with a list longer
    // than itself; one with bytes behind it.
    let mut notice = foreign.clone();
    (notice[4], notice[12], notice[16]) = (6, 0, 0);
    workers[0].push_raw(&foreign);
    let mut own = foreign.clone();
    own[12] = 0;
    own[16..24].copy_from_slice(&workers[0].producer.ring().number().to_le_bytes());
    let at = |own: &[u8], sequence: u8| {
        let mut own = own.to_vec();
        own[32] = sequence;
        own
    };
    workers[0].push_raw(&at(&own, 9));
    let mut lists = at(&own, 2);
    lists[48 + 286] = 200;
    workers[0].push_raw(&lists);
    let mut long = at(&own, 3);
    long.extend_from_slice(&[0; 8]);
    workers[0].push_raw(&long);
    workers[0].push_raw(&at(&notice, 4));
    workers[0].push_raw(&at(&own, 5));
    running.settle();
    running.finish().unwrap();
    let report = place.assert_holds();
    assert_eq!((report.discarded, report.kinds.decisions), (5, 2));
}

#[test]
fn an_outcome_of_nothing_is_named_by_the_check() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].producer.reserve(1).unwrap();
    workers[0].answer(77);
    running.settle();
    running.finish().unwrap();
    let report = place.verify();
    assert_eq!(report.problems.first().unwrap().kind, ProblemKind::Outcome);
}

#[test]
fn half_written_slots_are_told_once() {
    let place = Place::new();
    let mut workers = vec![Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    // A worker dies within a slot: the commit word of position 1 says that it is being written.
    let map = sluice_contract::ring_map::SharedMap::open(&workers[0].fd).unwrap();
    let slot = map.length() - 15 * sluice_contract::limits::RING_SLOT_BYTES;
    map.atomic_u64(slot).unwrap().store(2 | sluice_contract::ring::WRITING, Relaxed);
    let worker = workers.remove(0).restart();
    workers.push(worker);
    workers[0].decide().unwrap();
    running.settle();
    assert_eq!(notices(&running.seen.lock().unwrap()), [(NoticeCode::HalfWritten as u32, 1, 1)]);
    assert_eq!(running.stats.half_written.load(Relaxed), 1);
    running.finish().unwrap();
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    assert_eq!(notices(&running.seen.lock().unwrap()), []);
    running.finish().unwrap();
    assert_eq!(place.assert_holds().half_written, 1);
}

#[test]
fn a_log_younger_than_its_rings_says_so() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    drop(running);
    // The operator moves the log away; management begins a new one on the same rings.
    let moved = place.folder.path().join("moved");
    std::fs::rename(place.directory(), &moved).unwrap();
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    running.finish().unwrap();
    assert_eq!(place.assert_holds().before_log, 1);
}

#[test]
fn acknowledged_records_that_the_log_lost_are_named_by_the_check() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    running.sign();
    workers[0].decide().unwrap();
    running.settle();
    let path = crate::segment::segments(&place.directory()).unwrap().pop().unwrap().1;
    drop(running);
    // Somebody cuts the last record, which no head covers yet, while management is down.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    let mut running = hand(&place, &workers);
    assert!(running.torn_bytes > 0);
    workers[0].decide().unwrap();
    running.settle();
    running.finish().unwrap();
    let report = place.verify();
    assert_eq!(report.problems.first().unwrap().kind, ProblemKind::Lost, "{report}");
}

#[test]
fn a_mark_that_goes_back_repeats_nothing() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    workers[0].decide().unwrap();
    running.settle();
    drop(running);
    let map = sluice_contract::ring_map::SharedMap::open(&workers[0].fd).unwrap();
    map.atomic_u64(256).unwrap().store(0, Relaxed);
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    running.settle();
    running.finish().unwrap();
    place.assert_holds();
    assert_eq!(place.sequences().into_values().next().unwrap(), [0, 1, 2]);
}

#[test]
fn an_impossible_mark_is_refused() {
    let place = Place::new();
    let workers = [Worker::new(0, 16)];
    let map = sluice_contract::ring_map::SharedMap::open(&workers[0].fd).unwrap();
    map.atomic_u64(256).unwrap().store(u64::MAX, Relaxed);
    let rings = workers.iter().map(Worker::ring).collect();
    let opened = crate::testing::Hand::open(crate::storage::PlainStorage, &place.options(), rings);
    assert!(matches!(opened, Err(crate::error::AuditError::RingMark { worker: 0 })));
    drop(ConsumerSide::attach(workers[0].ring(), 0));
}

#[derive(Clone, Debug)]
enum Step {
    Decide(usize),
    Answer(usize),
    Refuse(usize),
    Raw(usize, Vec<u8>),
    Turn,
    Sign,
    RestartWorker(usize),
    RestartWriter,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..2).prop_map(Step::Decide),
        5 => (0usize..2).prop_map(Step::Answer),
        1 => (0usize..2).prop_map(Step::Refuse),
        1 => (0usize..2, proptest::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(worker, bytes)| Step::Raw(worker, bytes)),
        4 => Just(Step::Turn),
        1 => Just(Step::Sign),
        1 => (0usize..2).prop_map(Step::RestartWorker),
        1 => Just(Step::RestartWriter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whoever dies when, the log holds every record of every ring once, in order.
    #[test]
    fn no_gap_and_no_repeat(steps in proptest::collection::vec(step(), 1..80)) {
        let place = Place::new();
        let mut workers = vec![Worker::new(0, 16), Worker::new(1, 16)];
        let mut open: [Vec<u64>; 2] = [Vec::new(), Vec::new()];
        let mut running = Some(hand(&place, &workers));
        for step in steps {
            match step {
                Step::Decide(w) => open[w].extend(workers[w].decide().ok()),
                Step::Answer(w) => {
                    if let Some(decision) = open[w].pop() {
                        workers[w].answer(decision);
                    }
                }
                Step::Refuse(w) => {
                    if workers[w].producer.reserve(1).is_ok() {
                        workers[w].producer.release(1);
                        workers[w].refuse(1);
                    }
                }
                Step::Raw(w, bytes) => {
                    if workers[w].producer.reserve(1).is_ok() {
                        workers[w].producer.release(1);
                        workers[w].push_raw(&bytes);
                    }
                }
                Step::Turn => {
                    let next = running.as_mut().unwrap().turn();
                    prop_assert_ne!(next, Next::Retry);
                }
                Step::Sign => running.as_ref().unwrap().sign(),
                Step::RestartWorker(w) => {
                    let worker = workers.remove(w).restart();
                    workers.insert(w, worker);
                    open[w].clear();
                }
                Step::RestartWriter => {
                    drop(running.take());
                    running = Some(hand(&place, &workers));
                }
            }
        }
        let mut last = running.unwrap();
        last.settle();
        last.finish().unwrap();
        let report = place.verify();
        prop_assert!(report.ok, "{}", report);
        let logged: u64 = place.sequences().values().map(|list| list.len() as u64).sum();
        let pushed: u64 = workers.iter().map(|worker| worker.producer.next_sequence()).sum();
        prop_assert_eq!(logged + report.discarded, pushed);
    }
}
