use super::*;
use crate::testing::{Place, Worker, hand};
use crate::writer::Command;

fn rows(place: &Place, principals: Option<HashMap<u64, String>>) -> Vec<Row> {
    list(&place.directory(), principals).unwrap().map(Result::unwrap).collect()
}

#[test]
fn decisions_and_outcomes_are_joined() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    let names = ["echo", "default", "cards"].map(str::to_owned).to_vec();
    running.handle.send(Command::Names(names)).unwrap();
    let first = workers[0].decide().unwrap();
    let second = workers[0].decide().unwrap();
    workers[0].refuse(1);
    workers[0].answer(second);
    running.settle();
    running.finish().unwrap();

    let found = rows(&place, None);
    assert_eq!(found.len(), 2);
    // In the order of completion; what got no outcome comes last.
    assert_eq!(found[0].record, format!("000000000000b007-0-{second}"));
    assert_eq!(found[1].record, format!("000000000000b007-0-{first}"));
    let line = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(line["time"], "2023-11-14T22:13:20.123456Z");
    assert_eq!(line["principal"], "0000000000000abc");
    assert_eq!(line["verdict"], "redact");
    assert_eq!(line["classes"]["payment_card"], 1);
    assert_eq!(line["model"], "echo");
    assert_eq!(line["target"], "echo");
    assert_eq!(line["status"], 200);
    assert_eq!(line["route"], "default");
    assert_eq!(line["policies"][0], "cards");
    assert_eq!(line["trust"], "external");
    assert_eq!(line["end"], "complete");
    assert_eq!(line["decided_us"], 300);
    assert_eq!(line["reason"], serde_json::Value::Null);
    let open = serde_json::to_value(&found[1]).unwrap();
    assert_eq!(open["status"], serde_json::Value::Null);
    assert_eq!(open["total_us"], serde_json::Value::Null);

    let named = rows(&place, Some(HashMap::from([(0xabc, "alice".to_owned())])));
    assert_eq!(named[0].principal, "alice");
}

#[test]
fn a_worker_that_died_leaves_requests_without_outcome() {
    let place = Place::new();
    let mut workers = vec![Worker::new(0, 16)];
    let mut running = hand(&place, &workers);
    workers[0].decide().unwrap();
    let worker = workers.remove(0).restart();
    workers.push(worker);
    let second = workers[0].decide().unwrap();
    workers[0].answer(second);
    running.settle();
    let mut joiner = Joiner::new(HashMap::new());
    joiner.add_names(["echo".to_owned()]);
    joiner.add_principals([(0xabc, "bob".to_owned())]);
    let seen = running.seen.lock().unwrap();
    let joined: Vec<Row> = seen.iter().filter_map(|record| joiner.push(record)).collect();
    assert_eq!(joined.len(), 1);
    assert_eq!(joined[0].record, "000000000000b008-0-1");
    assert_eq!((joined[0].model.as_str(), joined[0].principal.as_str()), ("echo", "bob"));
    let lost = joiner.take_unanswered().unwrap();
    assert_eq!((lost.record.as_str(), lost.status), ("000000000000b007-0-0", None));
    assert!(joiner.take_unanswered().is_none());
}

#[test]
fn open_decisions_are_bounded() {
    let mut worker = Worker::new(0, 32_768);
    let place = Place::new();
    let mut running = hand(&place, std::slice::from_ref(&worker));
    for _ in 0..16_000 {
        worker.decide().unwrap();
    }
    running.settle();
    let mut joiner = Joiner::new(HashMap::new());
    running.seen.lock().unwrap().iter().for_each(|record| {
        joiner.push(record);
    });
    let given_up = std::iter::from_fn(|| joiner.take_unanswered()).count();
    assert_eq!(given_up, 16_000 - sluice_contract::limits::RING_SLOTS as usize);
}

#[test]
fn a_damaged_segment_is_told_and_the_next_one_read() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut options = place.options();
    options.segment_bytes = 1;
    let rings = workers.iter().map(Worker::ring).collect();
    let mut running =
        crate::testing::Hand::open(crate::storage::PlainStorage, &options, rings).unwrap();
    for _ in 0..3 {
        let decision = workers[0].decide().unwrap();
        workers[0].answer(decision);
        running.settle();
    }
    let segments = segment::segments(&place.directory()).unwrap();
    assert!(segments.len() > 2);
    let path = &segments[1].1;
    let mut bytes = std::fs::read(path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let found: Vec<_> = list(&place.directory(), None).unwrap().collect();
    assert!(matches!(&found[0], Err(ListError::Damaged { offset: 0, .. })));
    assert_eq!(found.iter().filter(|row| row.is_ok()).count(), 2);
}
