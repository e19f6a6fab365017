use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

fn pair(slots: u32) -> (OwnedFd, Producer, ConsumerSide) {
    let fd = Ring::create(slots, 42).unwrap();
    let (producer, torn) = Producer::attach(Ring::open(&fd).unwrap(), 1);
    assert_eq!(torn, 0);
    let consumer = ConsumerSide::attach(Ring::open(&fd).unwrap(), 0);
    (fd, producer, consumer)
}

fn push(producer: &mut Producer, byte: u8) -> Result<Wake, Full> {
    producer.reserve(1)?;
    producer.push(&[byte; 48], false)
}

#[test]
fn what_goes_in_comes_out_and_is_freed_when_durable() {
    let (_fd, mut producer, mut consumer) = pair(4);
    for byte in 0..4 {
        push(&mut producer, byte).map(|_| ()).unwrap();
    }
    assert_eq!(push(&mut producer, 9), Err(Full));
    let mut out = Vec::new();
    for byte in 0..4 {
        out.clear();
        assert_eq!(consumer.take(&mut out), Taken::Record);
        assert_eq!(out, [byte; 48]);
    }
    assert_eq!(consumer.take(&mut out), Taken::Nothing);
    assert_eq!(push(&mut producer, 9), Err(Full), "taken is not durable");
    assert_eq!(consumer.mark_durable(), Wake::No);
    assert!(producer.is_durable(3) && push(&mut producer, 9).is_ok());
}

#[test]
fn reserved_slots_are_not_given_away() {
    let (_fd, mut producer, _consumer) = pair(4);
    producer.reserve(2).unwrap();
    producer.reserve(2).unwrap();
    assert_eq!(producer.reserve(1), Err(Full));
    producer.push(&[1; 48], false).map(|_| ()).unwrap();
    producer.release(1);
    assert!(producer.reserve(1).is_ok());
}

#[test]
fn a_killed_producer_leaves_no_gap() {
    let (fd, mut producer, mut consumer) = pair(8);
    push(&mut producer, 1).map(|_| ()).unwrap();
    // Half-written at position 1.
    let ring = Ring::open(&fd).unwrap();
    ring.commit_word(1).store(2 | WRITING, Ordering::Release);
    drop(producer);
    let (mut producer, torn) = Producer::attach(Ring::open(&fd).unwrap(), 2);
    assert_eq!((torn, producer.next_sequence(), ring.half_written()), (1, 1, 1));
    push(&mut producer, 2).map(|_| ()).unwrap();
    let mut out = Vec::new();
    assert_eq!(consumer.take(&mut out), Taken::Record);
    assert_eq!(consumer.take(&mut out), Taken::Record);
    assert_eq!(out.get(48..), Some(&[2; 48][..]));
    assert_eq!(consumer.boot(), 2);
}

#[test]
fn a_killed_consumer_neither_loses_nor_repeats() {
    let (fd, mut producer, mut consumer) = pair(8);
    for byte in 0..3 {
        push(&mut producer, byte).map(|_| ()).unwrap();
    }
    let mut out = Vec::new();
    consumer.take(&mut out);
    consumer.take(&mut out);
    // Two were written to the log, none acknowledged; then it died.
    drop(consumer);
    let mut consumer = ConsumerSide::attach(Ring::open(&fd).unwrap(), 2);
    assert!(producer.is_durable(1) && !producer.is_durable(2));
    out.clear();
    assert_eq!(consumer.take(&mut out), Taken::Record);
    assert_eq!(out, [2; 48]);
}

#[test]
fn the_producer_distrusts_the_mark() {
    let (fd, mut producer, _consumer) = pair(4);
    push(&mut producer, 1).map(|_| ()).unwrap();
    let ring = Ring::open(&fd).unwrap();
    ring.word(AT_DURABLE).store(99, Ordering::Release);
    assert!(!producer.is_durable(0));
    ring.word(AT_DURABLE).store(1, Ordering::Release);
    assert!(producer.is_durable(0));
    ring.word(AT_DURABLE).store(0, Ordering::Release);
    assert!(producer.is_durable(0));
}

#[test]
fn the_consumer_distrusts_the_length() {
    let (fd, mut producer, mut consumer) = pair(4);
    push(&mut producer, 1).map(|_| ()).unwrap();
    let ring = Ring::open(&fd).unwrap();
    ring.word(ring.slot(0) + 8).store(u64::MAX, Ordering::Release);
    let mut out = Vec::new();
    assert_eq!(consumer.take(&mut out), Taken::Broken);
    assert_eq!(consumer.cursor(), 1);
}

#[test]
fn the_consumer_is_woken_only_when_it_sleeps() {
    let (_fd, mut producer, mut consumer) = pair(8);
    assert_eq!(push(&mut producer, 1), Ok(Wake::No));
    consumer.announce(Consumer::Asleep);
    assert!(consumer.has_more());
    assert_eq!(push(&mut producer, 1), Ok(Wake::Yes));
    assert_eq!(push(&mut producer, 1), Ok(Wake::No), "once");
    consumer.announce(Consumer::Napping);
    assert_eq!(push(&mut producer, 1), Ok(Wake::No));
    producer.reserve(1).unwrap();
    assert_eq!(producer.push(&[0; 48], true), Ok(Wake::Yes));
    assert!(consumer.is_awaited());
    let mut out = Vec::new();
    while consumer.take(&mut out) == Taken::Record {}
    assert_eq!(consumer.mark_durable(), Wake::Yes);
}

#[test]
fn other_memory_is_refused() {
    let fd = create_memory_file(8192).unwrap();
    assert!(matches!(Ring::open(&fd), Err(RingError::Layout)));
    assert!(matches!(Ring::create(3, 1), Err(RingError::Layout)));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Take,
    Mark,
    KillProducer,
    KillConsumer,
}

proptest! {
    /// Against a plain queue: every record comes out once, in order, whoever dies when.
    #[test]
    fn the_ring_is_a_queue(steps in proptest::collection::vec(prop_oneof![
        4 => Just(Step::Push), 4 => Just(Step::Take), 2 => Just(Step::Mark),
        1 => Just(Step::KillProducer), 1 => Just(Step::KillConsumer)], 0..200)) {
        let (fd, mut producer, mut consumer) = pair(8);
        let mut waiting = VecDeque::new();
        let mut logged: Vec<u64> = Vec::new();
        let mut durable = 0u64;
        let mut next = 0u64;
        for step in steps {
            match step {
                Step::Push => {
                    let fits = next - durable < 8;
                    prop_assert_eq!(producer.reserve(1).is_ok(), fits);
                    if fits {
                        prop_assert_eq!(producer.next_sequence(), next);
                        prop_assert!(producer.push(&next.to_le_bytes(), false).is_ok());
                        waiting.push_back(next);
                        next += 1;
                    }
                }
                Step::Take => {
                    let mut out = Vec::new();
                    if let Some(expected) = waiting.pop_front() {
                        prop_assert_eq!(consumer.take(&mut out), Taken::Record);
                        prop_assert_eq!(&out[..], &expected.to_le_bytes()[..]);
                        logged.push(expected);
                    } else {
                        prop_assert_eq!(consumer.take(&mut out), Taken::Nothing);
                    }
                }
                Step::Mark => {
                    prop_assert_eq!(consumer.mark_durable(), Wake::No);
                    durable = logged.len() as u64;
                    prop_assert_eq!(producer.refresh(), durable);
                }
                Step::KillProducer => {
                    producer = Producer::attach(Ring::open(&fd).unwrap(), 2).0;
                }
                Step::KillConsumer => {
                    consumer = ConsumerSide::attach(Ring::open(&fd).unwrap(), logged.len() as u64);
                    durable = logged.len() as u64;
                }
            }
        }
        let expected: Vec<u64> = (0..logged.len() as u64).collect();
        prop_assert_eq!(logged, expected);
    }
}
