use super::*;
use crate::class::Class;
use crate::decision::{ClassAction, Decision, Verdict};
use crate::facts::{Facts, Origin as TextOrigin, Score};
use crate::ids::NameId;
use proptest::prelude::*;

fn origin(sequence: u64) -> Origin {
    Origin { worker: 1, ring: 7, boot: 9, sequence, time_ns: 1_700_000_000_000_000_000 }
}

fn sample() -> (Facts, Decision) {
    let mut facts = Facts { text_bytes: 77, texts: 3, ..Facts::default() };
    facts.add(Class::PAYMENT_CARD, TextOrigin::User, 99);
    facts.scores.raise(Score::Injection, 12);
    let mut decision = Decision { verdict: Verdict::Redact, ..Decision::default() };
    decision.classes.push(ClassAction { class: Class::PAYMENT_CARD, verdict: Verdict::Redact });
    decision.add_policy(NameId::of("cards"));
    (facts, decision)
}

#[test]
fn a_decision_reads_back() {
    let (facts, decision) = sample();
    let fixed = DecisionFixed { route: 5, model: 6, ..DecisionFixed::ZERO };
    let mut buffer = RecordBuffer::default();
    let record = DecisionRecord { fixed, facts: &facts, decision: &decision, groups: &[1, 2] };
    record.encode(&origin(17), &mut buffer).unwrap();
    let view = DecisionView::decode(buffer.bytes()).unwrap();
    assert_eq!(view.header.id().to_string(), "0000000000000009-1-17");
    assert_eq!((view.fixed.route, view.fixed.model, view.fixed.text_bytes), (5, 6, 77));
    assert_eq!(view.classes.len(), 1);
    assert_eq!(view.classes[0].class, Class::PAYMENT_CARD.0);
    assert_eq!(view.classes[0].verdict, Verdict::Redact as u8);
    assert_eq!(view.policies, [NameId::of("cards").0]);
    assert_eq!(view.groups, [1, 2]);
    assert_eq!(buffer.bytes().len() % 8, 0);
}

#[test]
fn the_largest_decision_fits_a_slot() {
    let mut facts = Facts::default();
    for n in 0..crate::limits::FACT_CLASSES_MAX {
        facts.add(Class(u16::try_from(n).unwrap()), TextOrigin::User, 1);
    }
    let mut decision = Decision::default();
    for n in 0..crate::limits::RECORD_POLICIES_MAX {
        decision.add_policy(NameId(n as u64 + 1));
    }
    let groups = [3; crate::limits::PRINCIPAL_GROUPS_MAX];
    let mut buffer = RecordBuffer::default();
    let record = DecisionRecord {
        fixed: DecisionFixed::ZERO,
        facts: &facts,
        decision: &decision,
        groups: &groups,
    };
    record.encode(&origin(0), &mut buffer).unwrap();
    assert!(DecisionView::decode(buffer.bytes()).is_ok());
}

#[test]
fn an_outcome_reads_back() {
    let (facts, decision) = sample();
    let fixed = OutcomeFixed { decision: 17, status: 200, ..bytemuck::Zeroable::zeroed() };
    let mut buffer = RecordBuffer::default();
    OutcomeRecord { fixed, facts: &facts, decision: &decision }
        .encode(&origin(18), &mut buffer)
        .unwrap();
    let view = OutcomeView::decode(buffer.bytes()).unwrap();
    assert_eq!((view.fixed.decision, view.fixed.status), (17, 200));
    assert_eq!(view.classes.len(), 1);
    assert_eq!(DecisionView::decode(buffer.bytes()).unwrap_err(), RecordError::Kind(2));
}

#[test]
fn long_dictionaries_are_split() {
    let names: Vec<String> = (0..4000).map(|n| format!("{n:0>30}")).collect();
    let records = encode_dictionary(origin(0), names.iter().map(String::as_str)).unwrap();
    assert!(records.len() > 1);
    let mut read = Vec::new();
    for (n, record) in records.iter().enumerate() {
        let view = DictionaryView::decode(record).unwrap();
        assert_eq!(view.header.sequence, n as u64);
        read.extend(view.names.into_iter().map(|(id, name)| {
            assert_eq!(id, NameId::of(&name));
            name
        }));
    }
    assert_eq!(read, names);
}

#[test]
fn management_records_read_back() {
    let start = SegmentStart { log: [1; 16], chain: [2; 32], segment: 3, records_before: 4 };
    let record = encode_segment_start(&origin(0), &start).unwrap();
    assert_eq!(SegmentStart::decode(&record).unwrap().1, start);
    let notice = Notice { code: 4, worker: 0, ring: 7, position: 8, value: 9, hash: [0; 32] };
    assert_eq!(Notice::decode(&encode_notice(&origin(1), &notice).unwrap()).unwrap().1, notice);
    let counts = [RefusalCount { source: 1, count: 2, reason: 9, reserved: 0 }; 48];
    let mut buffer = RecordBuffer::default();
    encode_refusals(&origin(2), 5, &counts, &mut buffer).unwrap();
    assert_eq!(RefusalsView::decode(buffer.bytes()).unwrap().counts, counts);
}

proptest! {
    #[test]
    fn decoding_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        crate::record::tests::decode_all(&bytes);
    }

    #[test]
    fn decoding_mutated_records_never_panics(at in 0usize..2048, value in any::<u8>()) {
        let (facts, decision) = sample();
        let mut buffer = RecordBuffer::default();
        let record =
            DecisionRecord { fixed: DecisionFixed::ZERO, facts: &facts, decision: &decision, groups: &[] };
        record.encode(&origin(0), &mut buffer).unwrap();
        let mut bytes = buffer.bytes().to_vec();
        let length = bytes.len();
        bytes[at % length] = value;
        decode_all(&bytes);
    }
}

fn decode_all(bytes: &[u8]) {
    drop(DecisionView::decode(bytes));
    drop(OutcomeView::decode(bytes));
    drop(DictionaryView::decode(bytes));
    drop(RefusalsView::decode(bytes));
    SegmentStart::decode(bytes).ok();
    Notice::decode(bytes).ok();
    let mut rest = bytes;
    while let Ok((_, _, tail)) = split(rest) {
        rest = tail;
    }
}
