//! Texts of Cedar's extension types, read as Cedar's constructors read them: `datetime`, `duration`, `decimal`, `ip`.
//!
//! CEDAR: the accepted forms are those of cedar-policy-core 4.14.1; a test compares them on many texts.

use std::net::IpAddr;

use exportgate_contract::value::Ip;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Milliseconds since 1970 of `2026-11-05`, `2026-11-05T10:00:00Z`, `2026-11-05T10:00:00.250Z`, or with an offset such as
/// `+0100` in the place of `Z`; none for anything else.
pub fn parse_datetime(text: &str) -> Option<i64> {
    let mut rest = Digits(text);
    let year = rest.take(4)?;
    rest.skip("-")?;
    let month = rest.take(2)?;
    rest.skip("-")?;
    let day = rest.take(2)?;
    let midnight_ms = days_since_1970(year, month, day)?.checked_mul(DAY_MS)?;
    if rest.0.is_empty() {
        return Some(midnight_ms);
    }
    rest.skip("T")?;
    let hour = rest.take(2).filter(|hour| *hour < 24)?;
    rest.skip(":")?;
    let minute = rest.take(2).filter(|minute| *minute < 60)?;
    rest.skip(":")?;
    let second = rest.take(2).filter(|second| *second < 60)?;
    let ms = if rest.skip(".").is_some() { rest.take(3)? } else { 0 };
    let offset_ms = if rest.skip("Z").is_some() {
        0
    } else {
        let sign = if rest.skip("+").is_some() {
            1
        } else {
            rest.skip("-")?;
            -1
        };
        let hours = rest.take(2).filter(|hours| *hours < 24)?;
        let minutes = rest.take(2).filter(|minutes| *minutes < 60)?;
        sign * (hours * HOUR_MS + minutes * MINUTE_MS)
    };
    let local_ms = midnight_ms + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms;
    rest.0.is_empty().then_some(local_ms - offset_ms)
}

/// Milliseconds of `1d2h3m4s50ms`, any of the parts left out but not all, with `-` before it or not; none for anything
/// else, or when the number doesn't fit into 64 bits.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    let mut units: &[(&str, i64)] = &[("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let name = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let unit = rest.get(..name)?;
        rest = rest.get(name..)?;
        // The units come in this order, each at most once.
        let position = units.iter().position(|(name, _)| *name == unit)?;
        let (_, unit_ms) = units.get(position)?;
        units = units.get(position + 1..)?;
        // CEDAR: each part has to fit by itself, and so does their sum, from the smallest unit up. Since all parts have
        // one sign, the sum fits exactly when every partial sum does.
        let magnitude = i128::from(number) * i128::from(*unit_ms);
        let part_max = if *unit_ms == 1 && sign < 0 { i128::from(i64::MAX) + 1 } else { i128::from(i64::MAX) };
        if magnitude > part_max {
            return None;
        }
        total += sign * magnitude;
    }
    i64::try_from(total).ok()
}

/// Ten-thousandths of `12.34`: digits on both sides of the point, at most four after it, `-` before it or not; none for
/// anything else, or when the number doesn't fit into 64 bits.
pub fn parse_decimal(text: &str) -> Option<i64> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = magnitude.split_once('.')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
        return None;
    }
    let whole: i128 = whole.parse().ok().filter(|whole| *whole <= i128::from(i64::MAX))?;
    let fraction: i128 = format!("{fraction:0<4}").parse().ok()?;
    let value = whole.checked_mul(10_000)?;
    // CEDAR: the whole part has to fit before the fraction is added.
    i64::try_from(if negative { -value } else { value }).ok()?;
    let value = value + fraction;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// An address or range: `198.51.100.7`, `10.0.0.0/8`, `2001:db8::/32`; none for anything else, and none for an IPv4
/// address written within an IPv6 one.
pub fn parse_ip(text: &str) -> Option<Ip> {
    /// Bytes of the longest text: eight groups of four digits, their colons, and a prefix of three digits.
    const IP_BYTES_MAX: usize = 43;
    if text.len() > IP_BYTES_MAX || (text.matches(':').count() >= 2 && text.matches('.').count() >= 2) {
        return None;
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let (address, v6, bits) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => (u128::from(address.to_bits()), false, 32),
        IpAddr::V6(address) => (address.to_bits(), true, 128),
    };
    let prefix = match prefix {
        None => bits,
        Some(digits) => {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            digits.parse::<u8>().ok().filter(|prefix| plain && *prefix <= bits)?
        }
    };
    Some(Ip { address, prefix, v6 })
}

/// A text that is read from its start.
struct Digits<'a>(&'a str);

impl Digits<'_> {
    /// Exactly `count` decimal digits.
    fn take(&mut self, count: usize) -> Option<i64> {
        let digits = self.0.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let rest = self.0.get(count..)?;
        let number = digits.parse().ok()?;
        self.0 = rest;
        Some(number)
    }

    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, carried back before its beginning; none for a date that
/// doesn't exist.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The text of an instant, `2026-11-05T10:00:00.000Z`; outside of the years 0 to 9999 the milliseconds since 1970.
pub fn print_datetime(ms: i64) -> String {
    let (days, time_ms) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    if !(0..=9_999).contains(&year) {
        return format!("{ms} ms since 1970");
    }
    let (hour, minute) = (time_ms / HOUR_MS, time_ms / MINUTE_MS % 60);
    let (second, ms) = (time_ms / SECOND_MS % 60, time_ms % SECOND_MS);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_are_read_in_the_forms_of_cedar() {
        assert_eq!(parse_datetime("1970-01-01"), Some(0));
        assert_eq!(parse_datetime("2026-11-05T10:00:00Z"), Some(1_793_872_800_000));
        assert_eq!(parse_datetime("2026-11-05T10:00:00.250Z"), Some(1_793_872_800_250));
        assert_eq!(parse_datetime("2026-11-05T11:00:00+0100"), Some(1_793_872_800_000));
        assert_eq!(parse_datetime("0000-03-01"), Some(-62_162_035_200_000));
        assert_eq!(parse_datetime("2024-02-29"), Some(1_709_164_800_000));
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-01-01T",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.1Z",
            "2026-01-01T00:00:00+2400",
            "2026-01-01T00:00:00+01:00",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00Zx",
            "+026-01-01",
            "٢٠٢٦-01-01",
        ] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
    }

    #[test]
    fn a_printed_datetime_reads_back() {
        for ms in [0, -1, 1_793_872_800_250, 951_782_400_000, -62_167_219_200_000, 253_402_300_799_999] {
            assert_eq!(parse_datetime(&print_datetime(ms)), Some(ms), "{ms}");
        }
    }

    #[test]
    fn durations_are_read_in_the_forms_of_cedar() {
        assert_eq!(parse_duration("1d2h3m4s50ms"), Some(93_784_050));
        assert_eq!(parse_duration("-90m"), Some(-5_400_000));
        assert_eq!(parse_duration("-9223372036854775808ms"), Some(i64::MIN));
        assert_eq!(parse_duration("0ms"), Some(0));
        for text in ["", "-", "5", "1h1d", "1h1h", "1.5h", "1 h", "1H", "9223372036854775808ms", "99999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_read_in_the_forms_of_cedar() {
        assert_eq!(parse_decimal("12.34"), Some(123_400));
        assert_eq!(parse_decimal("-0.5"), Some(-5_000));
        assert_eq!(parse_decimal("922337203685477.5807"), Some(i64::MAX));
        assert_eq!(parse_decimal("-922337203685477.5808"), Some(i64::MIN));
        for text in ["", "1", "1.", ".1", "1.23456", "+1.0", "1.0x", "922337203685477.5808", "1e3.0", "--1.0"] {
            assert_eq!(parse_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_in_the_forms_of_cedar() {
        assert_eq!(parse_ip("10.0.0.1"), Some(Ip { address: 0x0a00_0001, prefix: 32, v6: false }));
        assert_eq!(parse_ip("10.0.0.1/8"), Some(Ip { address: 0x0a00_0001, prefix: 8, v6: false }));
        assert_eq!(parse_ip("::1/128"), Some(Ip { address: 1, prefix: 128, v6: true }));
        for text in
            ["", "10.0.0", "10.0.0.1/33", "10.0.0.1/08", "10.0.0.1/", "::ffff:1.2.3.4", "::1/129", "10.0.0.1/+8"]
        {
            assert_eq!(parse_ip(text), None, "{text}");
        }
    }
}
