//! One case a problem: what is written, and what is said.

use super::{Node, ROUTE, VLLM};

/// Each: the file, and every line that is said about it.
const CASES: &[(&str, &[&str])] = &[
    // Names and shapes.
    ("[node]\nwokers = 2\n", &["2:1: unknown key `wokers` in [node] (did you mean `workers`?)"]),
    ("[nodes]\n", &["1:2: unknown key `nodes` in the file (did you mean `node`?)"]),
    ("workers = 2\n", &["1:1: unknown key `workers` in the file (`workers` is a key of [node])"]),
    ("zzz = 2\n", &["1:1: unknown key `zzz` in the file"]),
    ("[node]\nworkers = \"2\"\n", &["2:11: `workers` must be a whole number, not string"]),
    ("[node]\nworkers = 0\n", &["2:11: `workers` must be 1 to 256 workers, not 0"]),
    ("[limits]\nbody_bytes = -1\n", &["2:14: `body_bytes` must be 1 to 67108864 bytes, not -1"]),
    (
        "[limits]\nbody_bytes = 99999999999999999999\n",
        &["2:14: `body_bytes` must be 1 to 67108864 bytes, not 99999999999999999999"],
    ),
    (
        "[limits]\nbody_bytes = 2097152\nin_flight_bytes = 1048576\n",
        &[
            "3:19: `in_flight_bytes` is less than `body_bytes`: a body at the limit could never be taken (in_flight_bytes = 33554432)",
        ],
    ),
    ("[node]\nstate = 1\n", &["2:9: `state` must be text, not integer"]),
    ("[node]\nstate = \"\"\n", &["2:9: `state` is empty: leave it out instead"]),
    ("node = 1\n", &["1:8: `node` must be a table, not integer"]),
    (
        "[listener]\naddress = \"127.0.0.1:1\"\n",
        &["1:1: `listener` must be [[listener]], not table (write [[listener]] with two brackets)"],
    ),
    ("route = [1]\n", &["1:10: `route` must be a list of tables, not integer"]),
    // Syntax: all errors of it, and what does not follow from it.
    (
        "[node]\nworkers = \n[limits]\nfoo = 1\n",
        &[
            "2:11: not TOML: string values must be quoted, expected literal string",
            "4:1: unknown key `foo` in [limits]",
        ],
    ),
    ("[node]\nworkers = 1\nworkers = 2\n", &["3:1: not TOML: duplicate key"]),
    // Listeners and management.
    (
        "[[listener]]\n",
        &["1:1: `address` is missing in [[listener]] (address = \"127.0.0.1:8080\")"],
    ),
    (
        "[[listener]]\naddress = \"localhost:80\"\n",
        &[
            "2:11: `localhost:80` is not an address (an IP address and a port, as in `127.0.0.1:8080`)",
        ],
    ),
    (
        "[[listener]]\naddress = \"127.0.0.1:1\"\n[[listener]]\naddress = \"127.0.0.1:1\"\n",
        &["4:11: listener `127.0.0.1:1` is already on line 2"],
    ),
    (
        "[[listener]]\naddress = \"127.0.0.1:8081\"\n",
        &["2:11: address of the management port `127.0.0.1:8081` is already on line 2"],
    ),
    (
        "[[listener]]\naddress = \"0.0.0.0:80\"\n",
        &[
            "2:11: 0.0.0.0:80 is not a loopback address, and there is no API key: anybody could call (sluice key new --name NAME --state state)",
        ],
    ),
    (
        "[admin]\naddress = \"0.0.0.0:81\"\n",
        &[
            "2:11: the management port 0.0.0.0:81 is not on loopback, and has no `tls` and no `token` (give both, or use a 127.0.0.1 address)",
        ],
    ),
    (
        "[admin]\naddress = \"0.0.0.0:81\"\ntoken = { env = \"SET\" }\n",
        &[
            "2:11: the management port 0.0.0.0:81 is not on loopback, and has no `tls` (give both, or use a 127.0.0.1 address)",
        ],
    ),
    (
        "[admin]\ntoken = \"0123456789abcdef\"\n",
        &[
            "2:9: `token` must not stand in the file itself (token = { env = \"NAME\" } or { file = \"PATH\" })",
        ],
    ),
    (
        "[admin]\ntoken = { env = \"VLLM_KEY\" }\n",
        &[
            "2:9: token in [admin] is shorter than 16 characters (make one with `head -c 24 /dev/urandom | base64`)",
        ],
    ),
    ("[admin]\ntoken = 1\n", &["2:9: `token` must be a table, not integer"]),
];

/// The same, of upstreams; the route to `vllm` is added.
const UPSTREAMS: &[(&str, &[&str])] = &[
    (
        "[[upstream]]\nname = \"vllm\"\n",
        &[
            "1:1: `trust` is missing in [[upstream]] (\"external\" where data leaves the building, else \"internal\")",
            "1:1: `url` is missing in [[upstream]] (url = \"http://HOST:PORT\")",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nkind = \"opnai\"\nurl = \"http://h\"\ntrust = \"inside\"\n",
        &[
            "3:8: `kind` cannot be `opnai` (did you mean `openai`?)",
            "5:9: `trust` cannot be `inside` (one of `internal`, `external`)",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nkind = \"echo\"\nurl = \"http://h\"\n",
        &["4:7: `url` means nothing for the built-in echo"],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"h:8000\"\ntrust = \"internal\"\n",
        &[
            "3:7: `h:8000` cannot be an upstream's url: it must start with http:// or https:// (http://h:8000)",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"https://h/v1\"\ntrust = \"internal\"\n",
        &[
            "3:7: `https://h/v1` cannot be an upstream's url: `/v1` is appended to it (leave it out: https://h)",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"https://u:secret@h\"\ntrust = \"internal\"\n",
        &[
            "3:7: `…` cannot be an upstream's url: it must hold no user or password (give the credential as `api_key`)",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://169.254.169.254\"\ntrust = \"internal\"\n",
        &[
            "3:7: `http://169.254.169.254` cannot be an upstream's url: its host is a link-local or metadata address (allow_link_local = true, if that is meant)",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\nca = \"ca.pem\"\n",
        &["5:6: `ca` means nothing beside an http url"],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\napi_key = \"sk-1\"\n",
        &[
            "5:11: `api_key` must not stand in the file itself (api_key = { env = \"NAME\" }, { file = \"PATH\" } or \"client\")",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\napi_key = {}\n",
        &[
            "5:11: `api_key` needs either `env` or `file` (api_key = { env = \"NAME\" } or { file = \"PATH\" })",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\napi_key = { env = \"UNSET\" }\n",
        &["5:19: environment variable `UNSET` is not set"],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\napi_key = { env = \"EMPTY\" }\n",
        &["5:19: environment variable `EMPTY` is not set"],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\napi_key = { env = \"SPACED\" }\n",
        &["5:19: api_key in environment variable `SPACED` holds characters that a header cannot"],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\napi_key = { fiel = \"x\" }\n",
        &[
            "5:11: `api_key` needs either `env` or `file` (api_key = { env = \"NAME\" } or { file = \"PATH\" })",
            "5:13: unknown key `fiel` in `api_key` and `token` (did you mean `file`?)",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\n[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\n",
        &["6:8: upstream `vllm` is already on line 2"],
    ),
    (
        "[[upstream]]\nname = \"vllm 1\"\nurl = \"http://h\"\ntrust = \"internal\"\n",
        &[
            "2:8: `vllm 1` is not a name: 1 to 64 letters, digits, `.`, `_` or `-`",
            "8:12: unknown upstream `vllm`",
        ],
    ),
    (
        "[[upstream]]\nname = \"vllm\"\nurl = \"http://h\"\ntrust = \"internal\"\nallow_link_local = 1\nconnections = 0\n",
        &[
            "5:20: `allow_link_local` must be true or false, not integer",
            "6:15: `connections` must be 1 to 65536 connections a worker, not 0",
        ],
    ),
];

/// The same, of routes; the upstream `vllm`, four lines, stands before.
const ROUTES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "there is no [[route]]: no request would go anywhere ([[route]] name = \"default\", models = [\"*\"], targets = [\"vllm\"])",
        ],
    ),
    (
        "[[route]]\n",
        &[
            "5:1: `name` is missing in [[route]] (Name, for policies, records and metrics.)",
            "5:1: `models` is missing in [[route]] (Models that it takes. What an earlier route takes already is refused.)",
            "5:1: `targets` is missing in [[route]] (Where its requests go, in the order in which they are tried.)",
        ],
    ),
    (
        "[[route]]\nname = \"r\"\nmodels = []\ntargets = []\n",
        &[
            "7:10: `models` is empty: the route takes nothing (models = [\"*\"])",
            "8:11: `targets` is empty: requests would go nowhere",
        ],
    ),
    (
        "[[route]]\nname = \"r\"\nmodels = [\"a*b\", \"\"]\ntargets = [\"vlm\"]\n",
        &[
            "7:11: `a*b` is not a model name, nor the start of one with a `*` at the end",
            "7:18: `` is not a model name, nor the start of one with a `*` at the end",
            "8:12: unknown upstream `vlm` (did you mean `vllm`?)",
        ],
    ),
    (
        "[[route]]\nname = \"r\"\nmodels = [\"*\"]\ntargets = [\"echo\", { upstream = \"openai\" }, { model = \"m\" }, 1, \"vllm\", \"vllm\"]\n",
        &[
            "8:12: unknown upstream `echo` (add [[upstream]] name = \"echo\", kind = \"echo\")",
            "8:33: unknown upstream `openai` (there is `vllm`)",
            "8:45: `upstream` is missing in `targets` (Name of the upstream.)",
            "8:62: `targets` must be names of upstreams or `{ upstream, model }`, not integer",
            "8:73: target `vllm` is already on line 8",
        ],
    ),
    (
        "[[route]]\nname = \"a\"\nmodels = [\"gpt-*\"]\ntargets = [\"vllm\"]\n[[route]]\nname = \"b\"\nmodels = [\"gpt-5\", \"o3\"]\ntargets = [\"vllm\"]\n",
        &[
            "11:11: route `b` never gets `gpt-5`: route `a` on line 6 takes `gpt-*` first (put the more specific route first)",
        ],
    ),
    (
        "[[route]]\nname = \"a\"\nmodels = [\"*\"]\ntargets = [\"vllm\"]\n[[route]]\nname = \"a\"\nmodels = [\"*\"]\ntargets = [\"vllm\"]\n",
        &[
            "10:8: route `a` is already on line 6",
            "11:11: route `a` never gets `*`: route `a` on line 6 takes `*` first (leave it out of one of them)",
        ],
    ),
    (
        "[[route]]\nname = \"a\"\nmodels = [\"m\", \"m\"]\ntargets = [\"vllm\"]\nenforcement = \"monitor\"\naudit = true\nfailure_mode = \"opened\"\nblock_as = \"403\"\n",
        &[
            "7:16: model `m` is already on line 7",
            "9:15: `enforcement` cannot be `monitor` (one of `enforce`, `observe`)",
            "10:9: `audit` must be text, not boolean",
            "11:16: `failure_mode` cannot be `opened` (did you mean `open`?)",
            "12:12: `block_as` cannot be `403` (one of `error`, `refusal`)",
        ],
    ),
    (
        "[[route]]\nname = \"a\"\nmodels = [\"m\"]\ntargets = [\"vllm\"]\npolicies = [\"privcy\", \"x y\", 1, \"nothing\"]\n",
        &[
            "9:13: unknown policy set `privcy` (did you mean `privacy`?)",
            "9:23: `x y` is not a name: 1 to 64 letters, digits, `.`, `_` or `-`",
            "9:30: `policies` must be a list of texts, not integer",
            "9:33: unknown policy set `nothing` (there is no `nothing.cedar` in the folder of [policy] dir)",
        ],
    ),
    (
        "[[route]]\nname = \"a\"\nmodels = \"*\"\ntargets = \"vllm\"\n",
        &[
            "7:10: `models` must be a list in [ ], not string",
            "8:11: `targets` must be a list in [ ], not string",
        ],
    ),
    (
        "[[route]]\nname = \"a\"\nmodels = [\"*\"]\ntargets = [\"vllm\"]\n[policy]\npreset = \"privat\"\n",
        &["10:10: `preset` cannot be `privat` (did you mean `privacy`?)"],
    ),
];

fn said(toml: &str) -> Vec<String> {
    let problems = Node::new(toml).problems().into_iter();
    problems.map(|line| line.replace("sluice.toml:", "").trim_start().to_owned()).collect()
}

#[test]
fn every_problem_is_told_with_its_line_and_a_way_out() {
    for (toml, expected) in CASES {
        assert_eq!(said(toml), *expected, "{toml}");
    }
    for (toml, expected) in UPSTREAMS {
        assert_eq!(said(&format!("{toml}{ROUTE}")), *expected, "{toml}");
    }
    for (toml, expected) in ROUTES {
        assert_eq!(said(&format!("{VLLM}{toml}")), *expected, "{toml}");
    }
}

#[test]
fn the_problems_of_all_parts_come_together() {
    let toml = format!(
        "[node]\nx = 1\n[limits]\njson_depth = 1\n{VLLM}url2 = \"\"\n{ROUTE}audit = \"no\"\n"
    );
    assert_eq!(said(&toml).len(), 4);
}
