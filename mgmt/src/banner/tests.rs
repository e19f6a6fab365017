use super::*;
use crate::cli::options::RunOptions;
use crate::config;
use crate::identity::{Keys, NodeSecrets};
use crate::manage::vitals::tests::ready_view;
use crate::publish;

fn facts(change: impl FnOnce(&mut Facts)) -> Facts {
    let state = tempfile::tempdir().unwrap();
    let options = RunOptions { state: Some(state.path().to_path_buf()), ..RunOptions::default() };
    let config = config::load_in(&options, &|_| None).unwrap();
    let secrets = NodeSecrets::load(state.path(), 0).unwrap();
    let built = publish::build(&config, &Keys::default(), &secrets, b"patterns").unwrap();
    let view = ready_view();
    let ready = (view.data_path.unwrap(), view.applied.unwrap());
    let mut facts = Facts::gather(&config, &built, &["0.0.0.0:4000".parse().unwrap()], ready);
    facts.attachable.clear();
    facts.sync = Some(Duration::from_micros(1_250));
    change(&mut facts);
    facts
}

#[test]
fn a_first_start_can_be_pasted() {
    let text = facts(|_| {}).show(false);
    for part in [
        "Sluice is ready",
        "http://127.0.0.1:4000/v1\n",
        "curl -s http://127.0.0.1:4000/v1/chat/completions -H 'content-type: application/json' -d '{\"model\":\"echo\"",
        "4111 1111 1111 1111",
        "OpenAI(base_url=\"http://127.0.0.1:4000/v1\", api_key=\"any\")",
        "2 workers, io_uring (defer_taskrun), steered by hash",
        "3 of 3 caught",
        "sync toward external targets; fdatasync takes 1.2 ms here",
        "acted on",
        "redact",
        "financial",
        "recorded",
        "sluice tail",
        "sluice audit verify",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains('\x1b'), "no colours where nobody sees them");
    assert!(!text.contains("OBSERVING"));
}

#[test]
fn a_json_body_that_can_be_pasted_parses() {
    let text = facts(|_| {}).show(false);
    let body = text.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["messages"][0]["role"], "user");
}

#[test]
fn what_does_not_protect_is_said_loudly() {
    let loud = facts(|facts| {
        facts.snapshot.routes[0].enforcement = Enforcement::Observe;
        facts.snapshot.routes[0].failure_mode = FailureMode::Open;
        facts.snapshot.identity = Identity::Keys;
        facts.attachable.push(Attachable {
            name: "vLLM",
            place: "127.0.0.1:8000",
            found: true,
            hint: "[[upstream]]\nname = \"vllm\"".into(),
        });
    });
    let text = loud.show(true);
    assert!(text.contains("OBSERVING") && text.contains("forwards everything unchanged"));
    assert!(text.contains("cannot be recorded") && text.contains("\x1b[1;33m"));
    assert!(text.contains("authorization: Bearer KEY") && text.contains("sluice key new"));
    assert!(text.contains("vLLM is there (127.0.0.1:8000)") && text.contains("name = \"vllm\""));
}
