//! The contract of `sluice inspect --jsonl`.

use super::*;
use serde_json::{Value, json};

fn answers(input: &str) -> (Vec<Value>, String, Summary) {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let summary =
        Inspector::new().unwrap().lines(&mut input.as_bytes(), &mut output, &mut errors).unwrap();
    let lines = String::from_utf8(output).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, String::from_utf8(errors).unwrap(), summary)
}

#[test]
fn a_line_is_answered_with_findings_scores_and_flags() {
    let (lines, errors, summary) =
        answers("{\"id\": 7, \"text\": \"my card is 4111111111111111, ok?\"}\n");
    assert_eq!((lines.len(), errors.as_str(), summary.answered), (1, "", 1));
    let answer = &lines[0];
    assert_eq!(answer["id"], 7);
    let finding = &answer["findings"][0];
    assert_eq!(finding["class"], "payment_card");
    assert_eq!((&finding["start"], &finding["end"]), (&json!(11), &json!(27)));
    let confidence = finding["confidence"].as_f64().unwrap();
    assert!((0.5..=1.0).contains(&confidence));
    assert!(
        answer["scores"]
            .as_object()
            .unwrap()
            .values()
            .all(|score| { (0.0..=1.0).contains(&score.as_f64().unwrap()) })
    );
    assert!(answer["scores"].get("injection").is_some() && answer["flags"].is_array());
}

#[test]
fn places_count_code_points() {
    let (lines, ..) = answers("{\"id\":\"é\",\"text\":\"🐀é \\ud83d 4111111111111111 x\"}\n");
    assert_eq!(lines[0]["id"], "é");
    let finding = &lines[0]["findings"][0];
    assert_eq!((&finding["start"], &finding["end"]), (&json!(5), &json!(21)));
}

#[test]
fn a_line_that_cannot_be_read_is_told_and_the_rest_goes_on() {
    let input = "{\"id\":1,\"text\":\"a\"}\nnot json\n\n{\"id\":2}\n{\"id\":3,\"text\":\"b\",\"origin\":\"mars\"}";
    let (lines, errors, summary) = answers(input);
    assert_eq!(lines.iter().map(|line| &line["id"]).collect::<Vec<_>>(), [&json!(1), &json!(3)]);
    assert!(
        errors.starts_with("line 2: ") && errors.contains("line 4: missing field `text`"),
        "{errors}"
    );
    assert_eq!(summary, Summary { answered: 2, unreadable: 2, unknown_origins: 1 });
}

#[test]
fn a_person_sees_findings_marked() {
    let mut out = Vec::new();
    let text = "card 4111111111111111\u{200b}\x1b[31m";
    Inspector::new().unwrap().show(Origin::User, text, &mut out, false).unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert!(shown.contains("[4111111111111111]") && shown.contains("payment_card"), "{shown}");
    assert!(shown.contains("\\u{200b}") && shown.contains("\\u{1b}") && !shown.contains('\x1b'));
}
