//! When a key expires: a span from now (`30d`, `12h`) or a moment (RFC 3339, or a date).
//!
//! Calendar arithmetic is that of the proleptic Gregorian calendar, in UTC; no time zones.

/// Longest span, so that arithmetic cannot overflow: a hundred years.
const SPAN_SECONDS_MAX: u64 = 100 * 366 * 86_400;

/// The text is neither a span nor a moment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is neither a span (`30d`, `12h`, `90m`) nor a moment (`2027-01-31`, `2027-01-31T12:00:00Z`)"
)]
pub struct BadExpiry(pub String);

/// Seconds since 1970 of `text`, at `now`.
pub fn parse(text: &str, now: u64) -> Result<u64, BadExpiry> {
    span(text)
        .and_then(|seconds| now.checked_add(seconds))
        .or_else(|| moment(text))
        .ok_or_else(|| BadExpiry(text.to_owned()))
}

fn span(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let seconds = digits(number)?.checked_mul(seconds)?;
    (1..=SPAN_SECONDS_MAX).contains(&seconds).then_some(seconds)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `YYYY-MM-DD`, or that with `Thh:mm:ss`, a fraction, and `Z` or an offset.
fn moment(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = fixed(parts.next()?, 4, 1970, 9999)?;
    let month = fixed(parts.next()?, 2, 1, 12)?;
    let day = fixed(parts.next()?, 2, 1, days_in(year, month))?;
    if parts.next().is_some() {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400;
    let (of_day, east) = time.map_or(Some((0, 0)), time_of_day)?;
    u64::try_from(i64::try_from(seconds + of_day).ok()? - east).ok()
}

/// Seconds into the day, and seconds that the clock is east of UTC.
fn time_of_day(time: &str) -> Option<(u64, i64)> {
    let (clock, east) = if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        (clock, 0)
    } else {
        let (clock, offset) = time.split_at_checked(time.rfind(['+', '-'])?)?;
        let (sign, offset) = match offset.strip_prefix('-') {
            Some(offset) => (-1, offset),
            None => (1, offset.strip_prefix('+')?),
        };
        let (hours, minutes) = offset.split_once(':')?;
        let (hours, minutes) = (fixed(hours, 2, 0, 23)?, fixed(minutes, 2, 0, 59)?);
        (clock, sign * i64::try_from(hours * 3_600 + minutes * 60).ok()?)
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    digits(fraction).filter(|_| !fraction.is_empty())?;
    let mut parts = clock.split(':');
    let hour = fixed(parts.next()?, 2, 0, 23)?;
    let minute = fixed(parts.next()?, 2, 0, 59)?;
    // A leap second is taken as the second after it.
    let second = fixed(parts.next()?, 2, 0, 60)?;
    parts.next().is_none().then_some((hour * 3_600 + minute * 60 + second, east))
}

fn fixed(text: &str, length: usize, least: u64, most: u64) -> Option<u64> {
    digits(text).filter(|number| text.len() == length && (least..=most).contains(number))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before_year(year: u64) -> u64 {
    let past = year - 1;
    year * 365 + past / 4 - past / 100 + past / 400
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    days_before_year(year) - days_before_year(1970) + months + day - 1
}

/// `seconds` since 1970 as RFC 3339, UTC.
pub fn rfc3339(seconds: u64) -> String {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970 + days / 366;
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    days -= days_since_1970(year, 1, 1);
    let mut month = 1;
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_and_moments_are_read() {
        let cases = [
            ("30d", Some(1_000 + 30 * 86_400)),
            ("12h", Some(1_000 + 12 * 3_600)),
            ("90m", Some(1_000 + 90 * 60)),
            ("1w", Some(1_000 + 7 * 86_400)),
            ("5s", Some(1_005)),
            ("1970-01-02", Some(86_400)),
            ("2027-01-31T12:00:00Z", Some(1_801_396_800)),
            ("2027-01-31t12:00:00.25z", Some(1_801_396_800)),
            ("2027-01-31 13:30:00+01:30", Some(1_801_396_800)),
            ("2027-01-31T07:00:00-05:00", Some(1_801_396_800)),
            ("2024-02-29", Some(1_709_164_800)),
            ("2023-02-29", None),
            ("2027-13-01", None),
            ("2027-1-1", None),
            ("2027-01-31T12:00:00", None),
            ("2027-01-31T24:00:00Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("0d", None),
            ("-1d", None),
            ("+1d", None),
            ("d", None),
            ("", None),
            ("é", None),
            ("99999999999999999999d", None),
            ("999999999d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, 1_000).ok(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn moments_read_back(seconds in 0_u64..253_402_300_799) {
            prop_assert_eq!(parse(&rfc3339(seconds), 0), Ok(seconds));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC{0,24}") {
            // No span fits behind the end of time.
            prop_assert_eq!(parse(&text, u64::MAX).ok(), moment(&text));
        }
    }
}
