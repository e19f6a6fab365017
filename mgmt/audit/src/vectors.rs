//! The test vectors of `docs/audit-format.md`: made by the writer's code, written in the document,
//! and checked as any log is.

use crate::chain::GENESIS;
use crate::group::{Group, Tail};
use crate::head::{Head, LogId};
use crate::log::{KnownNames, LogState, segment_start};
use crate::note::NoteSigner;
use crate::verify::verify;
use ed25519_dalek::SigningKey;
use sluice_contract::class::Class;
use sluice_contract::decision::{ClassAction, Decision, Verdict};
use sluice_contract::facts::{Facts, Origin as TextOrigin};
use sluice_contract::ids::NameId;
use sluice_contract::record::{
    DecisionFixed, DecisionRecord, Origin, OutcomeFixed, OutcomeRecord, RecordBuffer, split,
};
use std::fmt::Write as _;
use std::path::PathBuf;

const TIME_NS: u64 = 1_700_000_000_000_000_000;
const BOOT: u64 = 0x1111_1111_1111_1111;

fn group() -> Group {
    let mut names = KnownNames::default();
    names.add("echo".to_owned());
    let state = LogState {
        directory: PathBuf::new(),
        id: LogId(std::array::from_fn(|n| u8::try_from(n).unwrap())),
        boot: BOOT,
        segment: 0,
        started_ns: TIME_NS,
        tail: Tail { length: 0, records: 0, chain: GENESIS, sequence: 0 },
        names,
    };
    let mut group = segment_start(&state, 0, &[], TIME_NS).unwrap();
    let origin = |sequence| Origin {
        worker: 0,
        ring: 0x2222_2222_2222_2222,
        boot: 0x3333_3333_3333_3333,
        sequence,
        time_ns: TIME_NS + sequence,
    };
    let mut facts = Facts { text_bytes: 40, texts: 1, ..Facts::default() };
    facts.add(Class::PAYMENT_CARD, TextOrigin::User, 99);
    let action = ClassAction { class: Class::PAYMENT_CARD, verdict: Verdict::Redact };
    let mut decision = Decision { verdict: Verdict::Redact, ..Decision::default() };
    decision.classes.push(action);
    decision.add_policy(NameId::of("cards"));
    let fixed = DecisionFixed {
        principal: 0xabc,
        model: NameId::of("echo").0,
        target: NameId::of("echo").0,
        verdict: Verdict::Redact as u8,
        trust: 1,
        ..DecisionFixed::ZERO
    };
    let mut buffer = RecordBuffer::default();
    let mut push = |buffer: &RecordBuffer| {
        let start = group.bytes.len();
        group.bytes.extend_from_slice(buffer.bytes());
        group.seal(start, TIME_NS);
    };
    DecisionRecord { fixed, facts: &facts, decision: &decision, groups: &[] }
        .encode(&origin(0), &mut buffer)
        .unwrap();
    push(&buffer);
    let fixed = OutcomeFixed {
        target: NameId::of("echo").0,
        status: 200,
        total_us: 900,
        ..bytemuck::Zeroable::zeroed()
    };
    OutcomeRecord { fixed, facts: &Facts::default(), decision: &Decision::default() }
        .encode(&origin(1), &mut buffer)
        .unwrap();
    push(&buffer);
    group
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The section of the document.
fn section() -> (String, Group, [String; 2]) {
    let group = group();
    let log = LogId(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let signer = NoteSigner::new(log.origin(), SigningKey::from_bytes(&[0x42; 32]));
    let head = Head { records: group.tail.records, chain: group.tail.chain };
    let note = signer.sign(&head.text(&log, 1_700_000_001));
    let key = format!("{}\n", signer.verifier_key());
    let mut text = String::new();
    let mut rest = group.bytes.as_slice();
    let mut index = 0;
    while let Ok((header, record, tail)) = split(rest) {
        let (hash, tail) = tail.split_at(32);
        writeln!(text, "Record {index}: kind {}, {} bytes.\n\n```text", header.kind, record.len())
            .unwrap();
        for line in record.chunks(48) {
            writeln!(text, "{}", hex(line)).unwrap();
        }
        writeln!(text, "```\n\nH({index}) = `{}`\n", hex(hash)).unwrap();
        rest = tail;
        index += 1;
    }
    write!(text, "`log.vkey`:\n\n```text\n{key}```\n\n`head`:\n\n```text\n{note}```\n").unwrap();
    (text, group, [key, note])
}

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit-format.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_document_has_the_vectors_of_this_build() {
    let (section, ..) = section();
    assert!(document().ends_with(&section), "the document should end with:\n{section}");
}

#[test]
fn the_documents_log_holds() {
    let (_, group, [key, head]) = section();
    let folder = tempfile::tempdir().unwrap();
    let name = "segment-0000000000000000.slog";
    for (name, bytes) in
        [(name, group.bytes.as_slice()), ("log.vkey", key.as_bytes()), ("head", head.as_bytes())]
    {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let report = verify(folder.path(), None, None).unwrap();
    assert!(report.ok && report.records == 4, "{report}");
}

/// Every offset that the document gives for the lists and ties, against the layout.
#[test]
fn the_documents_offsets_are_those_of_the_layout() {
    use std::mem::offset_of;
    let document = document();
    for (offset, field) in [
        (offset_of!(DecisionFixed, request_sent), "32 | commitment to the request body as sent"),
        (offset_of!(DecisionFixed, principal), "8 | principal"),
        (offset_of!(DecisionFixed, route), "8 | route"),
        (offset_of!(DecisionFixed, target), "8 | target"),
        (offset_of!(DecisionFixed, flags), "4 | flags |"),
        (offset_of!(DecisionFixed, verdict), "1 | verdict carried out"),
        (offset_of!(DecisionFixed, endpoint), "1 | endpoint"),
        (offset_of!(DecisionFixed, groups), "1 | *g*"),
        (offset_of!(OutcomeFixed, decision), "8 | sequence of the decision"),
        (offset_of!(OutcomeFixed, total_us), "4 | first byte of the request to last"),
        (offset_of!(OutcomeFixed, status), "2 | status sent"),
        (offset_of!(OutcomeFixed, end), "1 | end: 0 complete"),
        (offset_of!(OutcomeFixed, classes), "1 | *c*: entries of the class list"),
        (offset_of!(OutcomeFixed, reason), "1 | reason"),
    ] {
        let row = format!("| {offset} | {field}");
        assert!(document.contains(&row), "{row}");
    }
}
