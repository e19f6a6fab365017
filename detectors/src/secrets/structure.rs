//! Credentials with a structure of their own: key blocks, web tokens, URLs, headers, options.

use super::place::unquoted_end;
use super::value;
use crate::checks::distinct;
use crate::finding::Layer;
use crate::identifiers::Hit;
use crate::packs::secrets::Structure;
use crate::text::Text;
use sluice_contract::class::Class;
use std::ops::Range;

/// Bytes of the longest key block.
const BLOCK_BYTES_MAX: usize = 64 << 10;

/// Bytes of the longest part of a web token.
const PART_BYTES_MAX: usize = 16 << 10;

/// Looks at what the literal at `at` begins.
pub(crate) fn structure(
    text: &Text<'_>,
    kind: Structure,
    at: Range<usize>,
    out: &mut impl FnMut(Hit),
) {
    let hit = match kind {
        Structure::Pem => pem(text, at),
        Structure::Putty => putty(text, at),
        Structure::Jwt => jwt(text, at.start),
        Structure::Url => url(text, at),
        Structure::Bearer => header(text, at, 12),
        Structure::Basic => basic(text, at),
        Structure::UserOption => user_option(text, at),
        Structure::PasswordOption => password_option(text, at),
        Structure::AccountKey => after(text, at, 40, 100, Class::SECRET_AZURE_STORAGE, is_base64),
        Structure::AzureSignature => azure_signature(text, at),
        Structure::AzureClient => azure_client(text, at),
        Structure::Telegram => telegram(text, at),
        Structure::Dsn => dsn(text, at),
        Structure::ServiceAccount => service_account(text, at),
        Structure::CryptHash => crypt(text, at),
    };
    if let Some(hit) = hit {
        out(hit);
    }
}

fn lexical(class: Class, confidence: u8, span: Range<usize>) -> Hit {
    Hit { class, confidence, layer: Layer::Lexical, span }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn is_url64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A PEM block of a private key, header and footer with it; also on one line with `\n` written
/// out, and also where its end is missing.
fn pem(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let label_end = text
        .run(at.end, 48, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let label = text.slice(at.end..label_end);
    if !text.starts_with(label_end, b"-----")
        || !label.windows(11).any(|part| part == b"PRIVATE KEY")
    {
        return None;
    }
    let body = label_end + 5;
    let rest = text.slice(body..body.saturating_add(BLOCK_BYTES_MAX));
    // Up to the next header at most: each byte is looked at for one block only.
    let next = memchr::memmem::find(rest, b"-----BEGIN ").unwrap_or(rest.len());
    let rest = rest.get(..next).unwrap_or(rest);
    let footer = memchr::memmem::find(rest, b"-----END ");
    let body_end = footer.map_or_else(
        || {
            text.run(body, next, |byte| {
                is_base64(byte) || matches!(byte, b'\n' | b'\r' | b' ' | b'\\' | b':' | b'-' | b',')
            })
        },
        |footer| body + footer,
    );
    let inside = text.slice(body..body_end);
    let filled = inside.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() >= 24
        && distinct(inside) >= 12
        && !inside.windows(3).any(|part| part == b"...");
    if !filled {
        return None;
    }
    let end = match footer {
        Some(_) => {
            let after = text.run(body_end + 9, 48, |byte| byte != b'-');
            text.run(after, 5, |byte| byte == b'-')
        }
        None => body_end,
    };
    Some(Hit::validated(Class::PRIVATE_KEY, 99, at.start..end))
}

fn putty(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let rest = text.slice(at.end..at.end.saturating_add(BLOCK_BYTES_MAX));
    let private = memchr::memmem::find(rest, b"Private-Lines:")? + at.end;
    let end = text.run(private, BLOCK_BYTES_MAX, |byte| {
        is_base64(byte) || matches!(byte, b'\n' | b'\r' | b':' | b'-' | b' ')
    });
    Some(lexical(Class::PRIVATE_KEY, 97, at.start..end))
}

/// `header.payload.signature` whose header is JSON with an algorithm.
fn jwt(text: &Text<'_>, start: usize) -> Option<Hit> {
    let before = text.before(start);
    if is_url64(before)
        && !text.is_seam(start)
        && !(before == b'n' && text.before(start - 1) == b'\\')
    {
        return None;
    }
    let header_end = text.run(start, PART_BYTES_MAX, is_url64);
    if text.byte(header_end) != b'.' {
        return None;
    }
    let payload_end = text.run(header_end + 1, PART_BYTES_MAX, is_url64);
    if payload_end - header_end < 3 || text.byte(payload_end) != b'.' {
        return None;
    }
    let mut header = [0_u8; 384];
    let header = decoded(text.slice(start..header_end), &mut header);
    let names_algorithm = memchr::memmem::find(header, b"\"alg\"").is_some()
        || memchr::memmem::find(header, b"\"enc\"").is_some()
        || memchr::memmem::find(header, b"\"typ\"").is_some();
    if !names_algorithm {
        return None;
    }
    let end = text.run(payload_end + 1, PART_BYTES_MAX, |byte| is_url64(byte) || byte == b'.');
    Some(Hit::validated(Class::JWT, 98, start..end))
}

/// Decodes as much URL-safe base64 as fits into `out`.
fn decoded<'a>(part: &[u8], out: &'a mut [u8]) -> &'a [u8] {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut slots = out.iter_mut();
    let mut length = 0;
    for byte in part {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            _ => 63,
        };
        bits = (bits << 6 | u32::from(six)) & 0xFF_FFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            let Some(slot) = slots.next() else { break };
            *slot = (bits >> count).to_le_bytes()[0];
            length += 1;
        }
    }
    out.get(..length).unwrap_or(&[])
}

/// `scheme://user:password@host`: the user and the password.
fn url(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let scheme = text.run_back(at.start, 32, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-')
    });
    if scheme == at.start {
        return None;
    }
    let is_part = |byte: u8| {
        byte > b' ' && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\') && byte != 0x7F
    };
    let is_authority = |byte: u8| is_part(byte) && !matches!(byte, b'/' | b'?' | b'#');
    let stop = text.run(at.end, 256, is_authority);
    let authority = text.slice(at.end..stop);
    // A host follows the last `@` of the authority. A password may hold `/` or `#`, written
    // wrongly: then one follows shortly.
    let sign = authority.iter().rposition(|byte| *byte == b'@').or_else(|| {
        let colon = authority.iter().position(|byte| *byte == b':')?;
        let port = authority.get(colon + 1..)?;
        if !port.is_empty() && port.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let rest = text.slice(stop..text.run(stop, 48, is_part));
        rest.iter().position(|byte| *byte == b'@').map(|sign| authority.len() + sign)
    })?;
    let rest = text.slice(at.end..at.end + sign + 2);
    let user_info = rest.get(..sign)?;
    let host = rest.get(sign + 1)?;
    if !(host.is_ascii_alphanumeric() || matches!(host, b'[' | b'$' | b'{' | b'<' | b'%' | b'_')) {
        return None;
    }
    let span = at.end..at.end + sign;
    match user_info.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let password = user_info.get(colon + 1..)?;
            let real =
                password.len() >= 3 && !value::is_placeholder(password) && !is_generic(password);
            real.then(|| Hit::validated(Class::SECRET_CONNECTION_STRING, 92, span))
        }
        // `https://token@host`.
        None => (value::is_random(user_info) && user_info.len() >= 20)
            .then(|| lexical(Class::SECRET_CONNECTION_STRING, 80, span)),
    }
}

/// Passwords that documents use in every URL.
fn is_generic(password: &[u8]) -> bool {
    [&b"pass"[..], b"password", b"passwd", b"pwd", b"secret", b"user", b"pw"]
        .iter()
        .any(|word| password.eq_ignore_ascii_case(word))
}

/// The token of a header, after its scheme.
fn header(text: &Text<'_>, at: Range<usize>, shortest: usize) -> Option<Hit> {
    if !text.is_boundary(at.start) {
        return None;
    }
    let start = text.run(at.end, 4, |byte| byte == b' ');
    let end =
        text.run(start, 4096, |byte| is_base64(byte) || matches!(byte, b'-' | b'_' | b'.' | b'~'));
    let end = text.run_back(end, 2, |byte| byte == b'.').max(start);
    let token = text.slice(start..end);
    (token.len() >= shortest && value::is_random(token) && !value::is_placeholder(token))
        .then(|| lexical(Class::SECRET_GENERIC, 88, start..end))
}

/// `Basic` and base64 that holds a colon.
fn basic(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    if !text.is_boundary(at.start) {
        return None;
    }
    let end = text.run(at.end, 512, is_base64);
    let token = text.slice(at.end..end);
    let mut plain = [0_u8; 384];
    let token_body =
        token.strip_suffix(b"==").or_else(|| token.strip_suffix(b"=")).unwrap_or(token);
    let plain = decoded(token_body, &mut plain);
    let printable = plain.iter().all(|byte| (b' '..=b'~').contains(byte));
    let colon = plain.iter().position(|byte| *byte == b':')?;
    let password = plain.get(colon + 1..)?;
    (token.len() >= 8 && printable && password.len() >= 3 && !value::is_placeholder(password))
        .then(|| Hit::validated(Class::PASSWORD, 92, at.end..end))
}

/// `curl -u user:password`.
fn user_option(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    // The command may stand some lines above.
    let command = text.slice(at.start.saturating_sub(300)..at.start);
    if !["curl", "wget", "http", "lftp", "smbclient", "rclone"]
        .iter()
        .any(|name| memchr::memmem::find(command, name.as_bytes()).is_some())
    {
        return None;
    }
    let quote = matches!(text.byte(at.end), b'"' | b'\'');
    let start = at.end + usize::from(quote);
    let end = if quote {
        let mark = text.byte(at.end);
        text.run(start, 160, |byte| byte != mark && byte != b'\n')
    } else {
        text.run(start, 160, |byte| byte > b' ' && !matches!(byte, b'"' | b'\''))
    };
    let pair = text.slice(start..end);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let password = pair.get(colon + 1..)?;
    (password.len() >= 3 && !value::is_placeholder(password) && !is_generic(password))
        .then(|| lexical(Class::PASSWORD, 88, start + colon + 1..end))
}

/// `mysql -psecret`, `sshpass -p secret`.
fn password_option(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let line = text.run_back(at.start, 160, |byte| !matches!(byte, b'\n' | b'|' | b';' | b'&'));
    let command = text.slice(line..at.start);
    let glued = ["mysql", "mysqldump", "mysqladmin", "mariadb"];
    let apart = [
        "sshpass",
        "docker login",
        "podman login",
        "redis-cli",
        "ldapsearch",
        "mongo",
        "ipmitool",
        "helm registry login",
        "7z",
    ];
    let has = |names: &[&str]| {
        names.iter().any(|name| memchr::memmem::find(command, name.as_bytes()).is_some())
    };
    let (start, known) = match text.byte(at.end) {
        b' ' => (at.end + 1, has(&apart)),
        _ => (at.end, has(&glued) || has(&["sshpass", "7z"])),
    };
    if !known {
        return None;
    }
    let quote = text.byte(start);
    let (start, end) = if matches!(quote, b'"' | b'\'') {
        (start + 1, text.run(start + 1, 128, |byte| byte != quote && byte != b'\n'))
    } else {
        (start, unquoted_end(text, start))
    };
    let password = text.slice(start..end);
    (password.len() >= 4
        && !value::is_placeholder(password)
        && password.first() != Some(&b'-')
        && value::is_mixed(password))
    .then(|| lexical(Class::PASSWORD, 85, start..end))
}

/// A value of one alphabet right after its name.
fn after(
    text: &Text<'_>,
    at: Range<usize>,
    shortest: usize,
    longest: usize,
    class: Class,
    is: fn(u8) -> bool,
) -> Option<Hit> {
    let end = text.run(at.end, longest, is);
    let value = text.slice(at.end..end);
    (value.len() >= shortest && distinct(value) >= 12 && !value::is_placeholder(value))
        .then(|| Hit::validated(class, 97, at.end..end))
}

/// `&sig=` of a shared access signature, percent-encoded base64 of 32 bytes.
fn azure_signature(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    if !matches!(text.before(at.start), b'&' | b'?' | b';') {
        return None;
    }
    let end = text.run(at.end, 120, |byte| is_base64(byte) || matches!(byte, b'%' | b'-' | b'_'));
    let value = text.slice(at.end..end);
    let around = text.slice(at.start.saturating_sub(300)..end.saturating_add(200));
    let azure = memchr::memmem::find(around, b"sv=").is_some()
        || memchr::memmem::find(around, b"se=").is_some();
    (value.len() >= 40 && azure && distinct(value) >= 12)
        .then(|| lexical(Class::SECRET_AZURE_STORAGE, 92, at.end..end))
}

/// A client secret of Entra ID: three characters, a digit, `Q~`, then 31 to 34.
fn azure_client(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let is = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let start = at.start.checked_sub(3)?;
    let end = text.run(at.end, 35, is);
    let whole = (31..=34).contains(&(end - at.end))
        && text
            .slice(start..at.start)
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'~' | b'.'));
    let alone = !is(text.before(start)) || text.before(start) == b'.';
    (whole && alone && distinct(text.slice(start..end)) >= 14)
        .then(|| lexical(Class::SECRET_AZURE_CLIENT, 95, start..end))
}

/// A bot's number, a colon, and 35 characters that begin with `AA`.
fn telegram(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let start = text.run_back(at.start, 17, |byte| byte.is_ascii_digit());
    let end = text.run(at.end, 40, is_url64);
    let digits = at.start - start;
    ((5..=16).contains(&digits) && end - at.end == 33 && distinct(text.slice(at.end..end)) >= 10)
        .then(|| lexical(Class::SECRET_TELEGRAM, 95, start..end))
}

/// `user:password@tcp(host)`: the user and the password.
fn dsn(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let start = text.run_back(at.start, 160, |byte| {
        byte > b' ' && !matches!(byte, b'"' | b'\'' | b'`' | b'=' | b'<' | b'>')
    });
    let pair = text.slice(start..at.start);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let password = pair.get(colon + 1..)?;
    (colon > 0 && password.len() >= 3 && !value::is_placeholder(password) && !is_generic(password))
        .then(|| Hit::validated(Class::SECRET_CONNECTION_STRING, 92, start..at.start))
}

/// The key id of a service account of Google's cloud, where the rest of its file is near.
fn service_account(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let around = text.slice(at.start.saturating_sub(600)..at.end.saturating_add(4000));
    memchr::memmem::find(around, b"service_account")?;
    let start = text.run(at.end, 6, |byte| matches!(byte, b'"' | b'\'' | b':' | b' ' | b'\\'));
    let end = text.run(start, 40, |byte| byte.is_ascii_hexdigit());
    (end - start == 40 && distinct(text.slice(start..end)) >= 8)
        .then(|| Hit::validated(Class::SECRET_GCP_SERVICE_ACCOUNT, 92, start..end))
}

/// `user:$2y$10$...`: a password hash that can be attacked offline.
fn crypt(text: &Text<'_>, at: Range<usize>) -> Option<Hit> {
    let start = at.start + 1;
    let end = text.run(start, 120, |byte| is_base64(byte) || matches!(byte, b'$' | b'.'));
    (end - start >= 34).then(|| lexical(Class::PASSWORD, 85, start..end))
}

#[cfg(test)]
mod tests;
