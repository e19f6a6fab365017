//! Structures in the ways they are written, and what only looks like one.
#![expect(clippy::string_slice, reason = "tests may panic")]

use super::*;
use crate::packs::secrets::STRUCTURES;

fn find(text: &str) -> Vec<(Class, &str)> {
    let whole = Text::new(text.as_bytes(), 0..text.len(), &[], "");
    let mut found = Vec::new();
    for (literal, caseless, kind) in STRUCTURES {
        let hay = if *caseless { text.to_ascii_lowercase() } else { text.to_owned() };
        let needle = if *caseless { literal.to_ascii_lowercase() } else { (*literal).to_owned() };
        for (at, _) in hay.match_indices(&needle) {
            structure(&whole, *kind, at..at + literal.len(), &mut |hit: Hit| {
                found.push((hit.class, &text[hit.span]));
            });
        }
    }
    found
}

#[test]
fn key_blocks_with_their_body() {
    let body = "MIIEowIBAAKCAQEAuY2x7Qk3Vt9LrPz0nWb8sDcF1gHjT5eXmNaRo4CiEvKqB6yU";
    for text in [
        format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"),
        format!(r"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}"),
        format!(
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{body}\n-----END PGP PRIVATE KEY BLOCK-----"
        ),
    ] {
        let found = find(&text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].0, Class::PRIVATE_KEY);
        assert!(found[0].1.contains(body) && text.trim_end_matches(r"\n").ends_with(found[0].1));
    }
    for text in [
        "-----BEGIN PUBLIC KEY-----\nabc",
        "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
    ] {
        assert_eq!(find(text), [], "{text}");
    }
}

#[test]
fn web_tokens_are_parsed() {
    // {"alg":"HS256","typ":"JWT"}.{"sub":"1"}.signature
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
    assert_eq!(find(&format!("t={token}, x")), [(Class::JWT, token)]);
    assert_eq!(find("eyJhIjoxfQ.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"), []);
    assert_eq!(find("eyJhbGciOiJIUzI1NiJ9 alone"), []);
}

#[test]
fn passwords_in_urls() {
    assert_eq!(
        find("postgres://app:s3cr3tPw@db.internal:5432/x"),
        [(Class::SECRET_CONNECTION_STRING, "app:s3cr3tPw")]
    );
    assert_eq!(
        find("redis://:Xk29sLq0@cache:6379"),
        [(Class::SECRET_CONNECTION_STRING, ":Xk29sLq0")]
    );
    assert_eq!(find("amqp://u:p/a#ss9@host/v"), [(Class::SECRET_CONNECTION_STRING, "u:p/a#ss9")]);
    for text in [
        "https://example.com/a@b",
        "http://host:8080/x@y",
        "https://user@host.com",
        "postgres://user:password@host",
        "mysql://${USER}:${PASS}@host",
        "https://example.com:443/@x",
    ] {
        assert_eq!(find(text), [], "{text}");
    }
}

#[test]
fn headers_and_options() {
    assert_eq!(
        find("Authorization: Basic YWRtaW46czNjcjN0IQ=="),
        [(Class::PASSWORD, "YWRtaW46czNjcjN0IQ==")]
    );
    assert_eq!(
        find("Authorization: Bearer 9f86d081884c7d659a2feaa0c55a"),
        [(Class::SECRET_GENERIC, "9f86d081884c7d659a2feaa0c55a")]
    );
    assert_eq!(find("curl -u admin:hunter22 https://x"), [(Class::PASSWORD, "hunter22")]);
    assert_eq!(find("mysql -h db -uroot -pS3cr3t99 app"), [(Class::PASSWORD, "S3cr3t99")]);
    assert_eq!(find("sshpass -p 'h0rse b4ttery' ssh"), [(Class::PASSWORD, "h0rse b4ttery")]);
    for text in [
        "basic understanding of it",
        "mkdir -p /tmp/x1",
        "ssh -p 2222 host",
        "a bearer of news",
        "python -u script:main",
    ] {
        assert_eq!(find(text), [], "{text}");
    }
}
