//! Texts of datetimes, durations, decimals and addresses in job files, read by the host as Cedar's own constructors read them.

use cedar_policy::{Context, Entities, EntityUid, EvalResult, Expression, Request, eval_expression};
use exportgate::job_file::{parse_datetime, parse_decimal, parse_duration, parse_ip};

/// What Cedar makes of `source`, an expression over a constructor; none when the constructor refuses its text.
fn cedar(source: &str) -> Option<EvalResult> {
    let expression: Expression = source.parse().expect("the expression parses");
    let uid: EntityUid = "T::\"x\"".parse().expect("a uid");
    let request =
        Request::new(uid.clone(), uid.clone(), uid, Context::empty(), None).expect("a request without a schema");
    eval_expression(&request, &Entities::empty(), &expression).ok()
}

fn long(source: &str) -> Option<i64> {
    match cedar(source)? {
        EvalResult::Long(number) => Some(number),
        other => panic!("{source} is {other:?}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// Texts made of the parts that such texts have, right and wrong, from a fixed seed.
fn texts(parts: &[&str], longest: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..12_000).map(|_| (0..random.usize(0..=longest)).map(|_| parts[random.usize(..parts.len())]).collect()).collect()
}

#[test]
fn datetimes() {
    let mut all = texts(&["2024", "-", "02", "29", "T", "23", ":", "59", "Z", ".", "250", "+", "0130", "00", "1"], 16);
    for year in ["0000", "0001", "1600", "1900", "1969", "1970", "2000", "2023", "2024", "9999"] {
        for day in ["01-01", "02-28", "02-29", "02-30", "03-01", "04-31", "12-31", "13-01", "00-10"] {
            for time in [
                "",
                "T00:00:00Z",
                "T23:59:59.999Z",
                "T12:30:00+2359",
                "T00:00:00-0001",
                "T24:00:00Z",
                "T00:00:00.1Z",
                "T00:00Z",
            ] {
                all.push(format!("{year}-{day}{time}"));
            }
        }
    }
    for text in &all {
        let since = format!("datetime({}).durationSince(datetime(\"1970-01-01\")).toMilliseconds()", quoted(text));
        assert_eq!(parse_datetime(text), long(&since), "{text}");
    }
    let read = all.iter().filter(|text| parse_datetime(text).is_some()).count();
    assert!(read > 150, "only {read} texts are right");
}

#[test]
fn durations() {
    let mut all = texts(&["-", "1", "23", "d", "h", "m", "s", "ms", "0", "9223372036854775807", " "], 9);
    all.extend(
        [
            "-9223372036854775808ms",
            "9223372036854775808ms",
            "106751991167d",
            "106751991168d",
            "-106751991167d7h12m55s808ms",
            "106751991167d7h12m55s807ms",
            "106751991167d7h12m55s808ms",
            "-106751991167d7h12m55s809ms",
            "1d1d",
            "18446744073709551616ms",
        ]
        .map(str::to_owned),
    );
    for text in &all {
        assert_eq!(parse_duration(text), long(&format!("duration({}).toMilliseconds()", quoted(text))), "{text}");
    }
    let read = all.iter().filter(|text| parse_duration(text).is_some()).count();
    assert!(read > 100, "only {read} texts are right");
}

#[test]
fn decimals() {
    let mut all = texts(&["-", "1", "23", ".", "0", "4567", "922337203685477", "+", "٣"], 5);
    all.extend(
        [
            "922337203685477.5807",
            "922337203685477.5808",
            "-922337203685477.5808",
            "-922337203685477.5809",
            "922337203685478.0",
            "-0.0",
            "00.10",
        ]
        .map(str::to_owned),
    );
    for text in &all {
        let ours = parse_decimal(text);
        // Cedar gives no number back; the value is compared by writing it in full.
        let equals = |value: i64| {
            let sign = if value < 0 { "-" } else { "" };
            let magnitude = value.unsigned_abs();
            let same = format!("{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000);
            cedar(&format!("decimal({}) == decimal({})", quoted(text), quoted(&same)))
        };
        match ours {
            Some(value) => assert!(matches!(equals(value), Some(EvalResult::Bool(true))), "{text}"),
            None => assert!(cedar(&format!("decimal({0}) == decimal({0})", quoted(text))).is_none(), "{text}"),
        }
    }
    let read = all.iter().filter(|text| parse_decimal(text).is_some()).count();
    assert!(read > 100, "only {read} texts are right");
}

#[test]
fn addresses() {
    let mut all = texts(&["10", ".", "0", "255", "256", "/", "8", "32", "33", ":", "::", "ffff", "01", "128"], 10);
    all.extend(
        [
            "10.0.0.1",
            "10.0.0.1/8",
            "10.0.0.1/08",
            "::1/128",
            "::1/129",
            "::ffff:1.2.3.4",
            "1.2.3.4/",
            "1.2.3.4/0",
            "::/0",
            "2001:db8::/32",
            "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789/128",
            "10.0.0.1/+8",
            "1.2.3.4/256",
        ]
        .map(str::to_owned),
    );
    for text in &all {
        let address = match parse_ip(text) {
            Some(ip) if ip.v6 => format!("{}/{}", std::net::Ipv6Addr::from_bits(ip.address), ip.prefix),
            Some(ip) => format!("{}/{}", std::net::Ipv4Addr::from_bits(u32::try_from(ip.address).unwrap()), ip.prefix),
            None => {
                assert!(cedar(&format!("ip({0}) == ip({0})", quoted(text))).is_none(), "{text}");
                continue;
            }
        };
        let same = cedar(&format!("ip({}) == ip({})", quoted(text), quoted(&address)));
        assert!(matches!(same, Some(EvalResult::Bool(true))), "{text} {address} {same:?}");
    }
    let read = all.iter().filter(|text| parse_ip(text).is_some()).count();
    assert!(read > 10, "only {read} texts are right");
}
