use super::*;
use crate::testing::{Fault, FaultState, FaultStorage, Hand, Place, Worker, hand};
use std::rc::Rc;

#[test]
fn records_go_to_the_log_once_and_are_acknowledged() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16), Worker::new(1, 16)];
    let mut hand = hand(&place, &workers);
    let first = workers[0].decide().unwrap();
    workers[1].refuse(3);
    assert!(!workers[0].producer.is_durable(first));
    assert_eq!(hand.turn(), Next::Nap);
    assert!(workers[0].producer.is_durable(first) && workers[1].producer.is_durable(0));
    workers[0].answer(first);
    assert_eq!(hand.settle(), Next::Sleep);
    hand.finish().unwrap();
    let report = place.assert_holds();
    assert_eq!((report.kinds.decisions, report.kinds.outcomes, report.kinds.refusals), (1, 1, 1));
    assert_eq!((report.unanswered, report.unprotected, report.torn_tail_bytes), (0, 0, 0));
    assert_eq!(report.head, report.outside_head);
}

#[test]
fn every_record_is_shown_after_it_is_durable() {
    let place = Place::new();
    let mut workers = [Worker::new(0, 16)];
    let mut hand = hand(&place, &workers);
    hand.handle.send(Command::Names(vec!["echo".into(), "default".into()])).unwrap();
    workers[0].decide().unwrap();
    hand.settle();
    let kinds: Vec<u8> = hand.seen.lock().unwrap().iter().map(|record| record[4]).collect();
    assert_eq!(kinds, [3, 1], "names go before the records that use them");
}

/// Pushes records, lets one operation fail, and goes on until all is in the log.
fn with_fault(at: usize, fault: Fault, is_fatal: bool) -> bool {
    let place = Place::new();
    let mut options = place.options();
    options.segment_bytes = 2500;
    let mut workers = [Worker::new(0, 64), Worker::new(1, 64)];
    let state = Rc::new(FaultState::default());
    state.at.set(at);
    state.fault.set(Some(fault));
    state.is_fatal.set(is_fatal);
    let rings = |workers: &[Worker]| workers.iter().map(Worker::ring).collect::<Vec<_>>();
    let storage = || FaultStorage { shared: Rc::clone(&state) };
    let mut hand = None;
    for round in 0..6 {
        for worker in &mut workers {
            let decision = worker.decide().unwrap();
            worker.answer(decision);
        }
        if hand.is_none() {
            hand = Hand::open(storage(), &options, rings(&workers)).ok();
        }
        let Some(running) = &mut hand else {
            state.is_dead.set(false);
            state.fault.set(None);
            continue;
        };
        running.handle.send(Command::Names(vec![format!("name-{round}")])).ok();
        running.turn();
        if round == 2 {
            running.sign();
        }
        if state.is_dead.get() {
            // The process is gone; the next round starts it anew on the same rings.
            hand = None;
            state.is_dead.set(false);
            state.fault.set(None);
        }
    }
    // Whatever is left is written in order, even where the fault comes that late.
    let finished = loop {
        let mut running = match hand.take() {
            Some(running) => running,
            None => Hand::open(storage(), &options, rings(&workers)).unwrap(),
        };
        while running.turn() == Next::Retry && !state.is_dead.get() {}
        let finished = running.finish();
        if !state.is_dead.replace(false) {
            break finished;
        }
        state.fault.set(None);
    };
    finished.unwrap();
    for worker in &mut workers {
        assert!(worker.producer.is_durable(11), "at {at} {fault:?}");
    }
    let report = place.verify();
    assert!(report.ok, "at {at} {fault:?} fatal {is_fatal}: {report}");
    let whole: Vec<u64> = (0..12).collect();
    for (ring, sequences) in place.sequences() {
        assert_eq!(sequences, whole, "ring {ring:x} at {at} {fault:?}");
    }
    assert!(report.segments > 1);
    state.count.get() > at
}

#[test]
fn any_operation_may_fail() {
    for fault in [Fault::Fails, Fault::Half, Fault::Done] {
        let mut at = 0;
        while with_fault(at, fault, false) {
            at += 1;
        }
        assert!(at > 25, "{at} operations");
    }
}

#[test]
fn the_process_may_die_at_any_operation() {
    for fault in [Fault::Fails, Fault::Half, Fault::Done] {
        let mut at = 0;
        while with_fault(at, fault, true) {
            at += 1;
        }
        assert!(at > 25, "{at} operations");
    }
}
