//! One request as a line of text. Pure.

use sluice_audit::list::Row;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// `redact payment_card×1 → echo (external) record 17 +0.3 ms`, and what else is out of the
/// ordinary.
pub fn line(row: &Row) -> String {
    let mut line = String::with_capacity(96);
    if row.decided != row.verdict {
        line.push_str("would ");
    }
    line.push_str(row.decided);
    push_classes(&mut line, &row.classes);
    let target = row.target.as_deref().unwrap_or("nowhere");
    // Writing to a string cannot fail.
    write!(line, " → {target} ({}) record {}", row.trust, short(&row.record)).ok();
    match (row.decided_us, row.audit_wait_us) {
        (Some(decided), Some(waited)) => {
            let added = decided.saturating_add(waited);
            write!(line, " +{}.{} ms", added / 1000, added % 1000 / 100).ok();
        }
        _ => line.push_str(" unanswered"),
    }
    if let Some(status) = row.status.filter(|status| !matches!(status, 0 | 200..=299)) {
        write!(line, " status {status}").ok();
    }
    match row.end {
        None | Some("complete" | "blocked") => {}
        Some(end) => write!(line, " {end}").ok().unwrap_or_default(),
    }
    let found = row.response_classes.as_ref().filter(|classes| !classes.is_empty());
    if let Some(classes) = found {
        write!(line, "; answer {}", row.response_verdict.unwrap_or("allow")).ok();
        push_classes(&mut line, classes);
    }
    line
}

fn push_classes(line: &mut String, classes: &BTreeMap<String, u32>) {
    for (class, count) in classes {
        write!(line, " {class}×{count}").ok();
    }
}

/// The record's id without the boot, which changes with a start only; without the worker too where
/// it is the first.
fn short(record: &str) -> &str {
    let rest = record.split_once('-').map_or(record, |(_, rest)| rest);
    rest.strip_prefix("0-").unwrap_or(rest)
}

/// The line with its verdict in colour, for a terminal.
pub fn paint(line: &str) -> String {
    let end = match line.strip_prefix("would ") {
        Some(rest) => line.len() - rest.len() + rest.find(' ').unwrap_or(rest.len()),
        None => line.find(' ').unwrap_or(line.len()),
    };
    let (verdict, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let colour = match verdict.rsplit(' ').next().unwrap_or_default() {
        "allow" => "32",
        "alert" => "33",
        "mask" | "redact" | "pseudonymize" => "36",
        "block" | "require_approval" => "31",
        _ => return line.to_owned(),
    };
    format!("\x1b[{colour}m{verdict}\x1b[0m{rest}")
}

/// A number with its thousands apart: `1,234`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_234, "1,234"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn ids_are_short() {
        assert_eq!(short("00000000000000ab-0-17"), "17");
        assert_eq!(short("00000000000000ab-3-17"), "3-17");
    }

    #[test]
    fn the_verdict_is_painted() {
        assert_eq!(paint("allow → echo"), "\x1b[32mallow\x1b[0m → echo");
        assert_eq!(paint("would block x×1"), "\x1b[31mwould block\x1b[0m x×1");
        assert_eq!(paint("3 lines lost"), "3 lines lost");
        assert_eq!(paint("would"), "would");
    }
}
