use super::*;
use sluice_contract::class::Class;
use sluice_contract::decision::{ClassAction, Decision, Verdict};
use sluice_contract::facts::{self, Facts};
use sluice_contract::ids::NameId;
use sluice_contract::record::{
    DecisionFixed, DecisionRecord, End, OutcomeFixed, OutcomeRecord, RecordBuffer,
};

/// A decision that redacted a card, and its outcome.
fn request(sequence: u64) -> [Vec<u8>; 2] {
    let origin = |sequence| Origin { worker: 0, ring: 1, boot: 2, sequence, time_ns: 3 };
    let mut facts = Facts::default();
    facts.add(Class::PAYMENT_CARD, facts::Origin::User, 99);
    let mut decision = Decision { verdict: Verdict::Redact, ..Decision::default() };
    decision.classes.push(ClassAction { class: Class::PAYMENT_CARD, verdict: Verdict::Redact });
    let fixed = DecisionFixed {
        target: NameId::of("echo").0,
        trust: 1,
        verdict: Verdict::Redact as u8,
        ..DecisionFixed::ZERO
    };
    let mut buffer = RecordBuffer::default();
    let record = DecisionRecord { fixed, facts: &facts, decision: &decision, groups: &[] };
    record.encode(&origin(sequence), &mut buffer).unwrap();
    let decided = buffer.bytes().to_vec();
    let fixed = OutcomeFixed {
        response_received: [0; 32],
        response_released: [0; 32],
        decision: sequence,
        target: NameId::of("echo").0,
        cost_micros: 0,
        response_bytes: 2,
        prompt_tokens: 0,
        completion_tokens: 0,
        cached_tokens: 0,
        total_us: 400,
        decided_us: 250,
        audit_wait_us: 60,
        first_byte_us: 300,
        text_bytes: 0,
        texts: 0,
        fact_flags: 0,
        status: 200,
        upstream_status: 200,
        flags: 0,
        scores: [0; 16],
        end: End::Complete as u8,
        verdict: 0,
        decided: 0,
        attempts: 1,
        classes: 0,
        policies: 0,
        reason: 0,
        reserved: 0,
    };
    let nothing = (Facts::default(), Decision::default());
    let record = OutcomeRecord { fixed, facts: &nothing.0, decision: &nothing.1 };
    record.encode(&origin(sequence + 1), &mut buffer).unwrap();
    [decided, buffer.bytes().to_vec()]
}

fn wait<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
}

/// A terminal that keeps what it shows.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn shows(&self, text: &str) -> bool {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().contains(text)
    }

    fn wait_for(&self, text: &str) {
        while !self.shows(text) {
            std::thread::yield_now();
        }
    }
}

const LINE: &str = "redact payment_card×1 → echo (external) record 16 +0.3 ms";

#[test]
fn readers_get_a_line_for_each_request() {
    let (tail, mut observe) = start(None, Arc::default()).unwrap();
    tail.add_names(["echo".to_owned()]);
    let (mut text, mut json) = (tail.subscribe(false), tail.subscribe(true));
    for record in request(16) {
        observe(&record);
    }
    assert_eq!(wait(text.next()), Some(Read::Line(LINE.into())));
    let Some(Read::Line(row)) = wait(json.next()) else { panic!("a line was sent") };
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    assert_eq!((&row["target"], &row["status"]), (&"echo".into(), &200.into()));
}

#[test]
fn nothing_is_kept_where_nobody_reads() {
    let (tail, mut observe) = start(None, Arc::default()).unwrap();
    for sequence in 0..2 * QUEUE as u64 {
        for record in request(2 * sequence) {
            observe(&record);
        }
    }
    assert_eq!(tail.0.counts.tail_dropped.load(Ordering::Relaxed), 0);
    drop(tail.subscribe(false));
    assert_eq!(tail.0.readers.load(Ordering::Relaxed), 0);
}

#[test]
fn a_slow_reader_is_told_how_much_it_missed() {
    let (tail, mut observe) = start(None, Arc::default()).unwrap();
    let mut slow = tail.subscribe(false);
    let mut last = tail.subscribe(true);
    let requests = READER_LINES as u64 + 10;
    for number in 0..requests {
        for record in request(2 * number) {
            observe(&record);
        }
        // Read the other one along, so that the tail's thread is known to have come so far.
        wait(last.next()).unwrap();
    }
    let lost = wait(slow.next());
    assert!(matches!(lost, Some(Read::Lost(count)) if count >= 9), "{lost:?}");
    assert!(matches!(wait(slow.next()), Some(Read::Line(_))));
}

#[test]
fn the_terminal_shows_some_lines_and_counts_the_rest() {
    let screen = Screen::default();
    let (tail, mut observe) = start(Some(Box::new(screen.clone())), Arc::default()).unwrap();
    tail.add_names(["echo".to_owned()]);
    for sequence in 0..LINES_A_SECOND + 25 {
        for record in request(2 * sequence) {
            observe(&record);
        }
    }
    screen.wait_for("more");
    let shown = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
    assert_eq!(shown.matches("payment_card×1").count() as u64, LINES_A_SECOND);
    assert!(shown.contains("… 25 more"), "{shown}");
    for record in request(1000) {
        observe(&record);
    }
    screen.wait_for("record 1000");
}

#[test]
fn a_terminal_that_is_gone_is_given_up() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (tail, mut observe) = start(Some(Box::new(Gone)), Arc::default()).unwrap();
    for record in request(0) {
        observe(&record);
    }
    while tail.0.terminal_open.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
}
