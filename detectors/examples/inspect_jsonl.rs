//! `inspect_jsonl inspect --jsonl`: the contract of `sluice inspect --jsonl` on this crate alone,
//! for the scoring tool. Arguments are taken and ignored.
//!
//! Lines `{"id", "text"}` (and `"origin"`) on standard input; for each `{"id", "findings",
//! "scores", "flags"}` on standard output, offsets in code points.

use serde_json::{Value, json};
use sluice_contract::facts::Origin;
use sluice_detectors::{Pack, Scanner, inspect_text};
use std::io::{BufRead, BufWriter, Write};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut scanner = Scanner::new(Arc::new(Pack::compile()?))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let row: Value = serde_json::from_str(&line?)?;
        let text = row.get("text").and_then(Value::as_str).unwrap_or("");
        let origin = row.get("origin").and_then(Value::as_str).and_then(Origin::by_name);
        let found = inspect_text(&mut scanner, text, origin.unwrap_or(Origin::User));
        let findings: Vec<_> = found
            .findings
            .iter()
            .map(|f| {
                let confidence = f64::from(f.confidence) / 100.0;
                json!({"class": f.class, "start": f.start, "end": f.end, "confidence": confidence})
            })
            .collect();
        let scores: serde_json::Map<_, _> = found
            .scores
            .iter()
            .map(|(name, hundredths)| ((*name).to_owned(), json!(f64::from(*hundredths) / 100.0)))
            .collect();
        let id = row.get("id").cloned().unwrap_or(Value::Null);
        let answer =
            json!({"id": id, "findings": findings, "scores": scores, "flags": found.flags});
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
