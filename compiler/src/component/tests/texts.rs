//! Patterns and addresses.

use exportgate_contract::types::Type;
use exportgate_contract::value::{Ip, Value};

use super::frame::{Cell, Frame};
use super::guest::Guest;
use super::program::Builder;
use super::{Errs, Fails, Holds, PLAIN, ask, ask_all};
use crate::ir::{Expr, FactId, IpOperand, IpTest, PatternElement};

fn fact_id(expr: &Expr) -> FactId {
    let Expr::Fact(id, _) = expr else { panic!("expected a fact, found {expr:?}") };
    *id
}

/// A pattern, where `*` is a wildcard and `\` makes the next character literal.
fn pattern(text: &str) -> Vec<PatternElement> {
    let mut elements = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        elements.push(match c {
            '*' => PatternElement::Wildcard,
            '\\' => PatternElement::Char(chars.next().unwrap()),
            c => PatternElement::Char(c),
        });
    }
    elements
}

/// What Cedar says, by definition: some way to spread the text over the wildcards.
fn matches(pattern: &[PatternElement], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [PatternElement::Wildcard, rest @ ..] => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        [PatternElement::Char(c), rest @ ..] => text.first() == Some(c) && matches(rest, &text[1..]),
    }
}

#[test]
fn patterns_match_as_defined() {
    let texts = [
        "",
        "a",
        "b",
        "aa",
        "ab",
        "ba",
        "aab",
        "aba",
        "abab",
        "aabab",
        "abcabc",
        "a*b",
        "*",
        "a\\b",
        "äöü",
        "ä",
        "ö",
        "a𝄞b",
        "𝄞",
        "x@example.com",
        "x@example.com ",
        "@example.com",
        "x@example.comx@example.com",
        "\u{0}",
        "éa",
    ];
    let patterns = [
        "",
        "*",
        "**",
        "a",
        "a*",
        "*a",
        "*a*",
        "a*b",
        "a*a",
        "*ab",
        "ab*",
        "*ab*ab",
        "a*b*c",
        "*b*b*",
        "a\\*b",
        "\\*",
        "ä*",
        "*ü",
        "*ö*",
        "a*b",
        "𝄞*",
        "*𝄞*",
        "*@example.com",
        "*a*b*a*",
        "\u{0}*",
        "a\\\\b",
        "*é*",
    ];
    let mut b = Builder::default();
    let fact = fact_id(&b.fact(Type::String));
    let conditions = patterns.iter().zip(0..).map(|(text, policy)| (policy, Expr::Like(fact, pattern(text))));
    b.question(conditions.collect());
    let mut guest = Guest::new(b.program(), &PLAIN);
    for text in texts {
        let frame = Frame::new(guest.manifest(), 0, 0, &b.job_cells(&[Cell::value(text)]));
        let answer = guest.ask(&frame);
        let chars: Vec<char> = text.chars().collect();
        let expected = patterns.iter().zip(0..).filter(|(text, _)| matches(&pattern(text), &chars));
        let expected: Vec<u32> = expected.map(|(_, policy)| policy).collect();
        assert_eq!(answer, [[(expected, vec![])]], "{text:?}");
    }
}

#[test]
fn a_pattern_errs_as_reading_its_text_does() {
    let mut b = Builder::default();
    let fact = fact_id(&b.fact(Type::String));
    assert_eq!(ask(&b, &Expr::Like(fact, pattern("*")), &[Cell::Absent]), Errs);
    assert_eq!(ask(&b, &Expr::Like(fact, pattern("*")), &[Cell::value("")]), Holds);
}

fn v4(parts: [u8; 4], prefix: u8) -> Ip {
    Ip { address: u32::from_be_bytes(parts).into(), prefix, v6: false }
}

fn v6(address: u128, prefix: u8) -> Ip {
    Ip { address, prefix, v6: true }
}

const MAPPED: u128 = 0xFFFF_7F00_0001;

fn addresses() -> Vec<Ip> {
    vec![
        v4([127, 0, 0, 1], 32),
        v4([127, 0, 0, 0], 8),
        v4([127, 0, 0, 0], 7),
        v4([128, 0, 0, 1], 32),
        v4([10, 0, 0, 1], 24),
        v4([10, 0, 0, 2], 24),
        v4([10, 0, 0, 0], 8),
        v4([10, 0, 1, 0], 32),
        v4([0, 0, 0, 0], 0),
        v4([0, 0, 0, 0], 32),
        v4([255, 255, 255, 255], 32),
        v4([224, 0, 0, 0], 4),
        v4([224, 0, 0, 0], 3),
        v4([239, 255, 255, 255], 32),
        v6(1, 128),
        v6(1, 127),
        v6(0, 128),
        v6(0, 0),
        v6(MAPPED, 128),
        v6(MAPPED, 96),
        v6(0xFF00 << 112, 8),
        v6(0xFF00 << 112, 7),
        v6(0xFF02 << 112 | 1, 128),
        v6(0x2001_0DB8 << 96, 32),
        v6(0x2001_0DB8 << 96 | 7, 64),
        v6(0x2001_0DB8 << 96 | 1 << 64, 65),
        v6(0x2001_0DB8 << 96 | 1 << 63, 65),
        v6(0x2001_0DB8 << 96 | 1 << 63, 63),
        v6(u128::MAX, 128),
    ]
}

/// CEDAR: the first and the last address of a range.
fn ends(ip: &Ip) -> (u128, u128) {
    let bits: u32 = if ip.v6 { 128 } else { 32 };
    let all = if ip.v6 { u128::MAX } else { u32::MAX.into() };
    let host = all.checked_shr(u32::from(ip.prefix)).unwrap_or(0);
    assert!(u32::from(ip.prefix) <= bits);
    (ip.address & (all ^ host), ip.address | host)
}

#[test]
fn ranges_lie_within_ranges_as_their_ends_do() {
    let mut b = Builder::default();
    let (x, y) = (fact_id(&b.fact(Type::Ip)), fact_id(&b.fact(Type::Ip)));
    let conditions = [
        Expr::IpInRange(IpOperand::Fact(x), IpOperand::Fact(y)),
        Expr::Ip(IpTest::V4, IpOperand::Fact(x)),
        Expr::Ip(IpTest::V6, IpOperand::Fact(x)),
        Expr::Ip(IpTest::Loopback, IpOperand::Fact(x)),
        Expr::Ip(IpTest::Multicast, IpOperand::Fact(x)),
    ];
    b.question((0..).zip(conditions).collect());
    let mut guest = Guest::new(b.program(), &PLAIN);
    for inner in addresses() {
        for outer in addresses() {
            let cells = [Cell::Value(Value::Ip(inner)), Cell::Value(Value::Ip(outer))];
            let answer = guest.ask(&Frame::new(guest.manifest(), 0, 0, &b.job_cells(&cells)));
            let (first, last) = ends(&inner);
            let (outer_first, outer_last) = ends(&outer);
            let within = inner.v6 == outer.v6 && outer_first <= first && last <= outer_last;
            let low = inner.address;
            let loopback =
                if inner.v6 { low == 1 && inner.prefix == 128 } else { low >> 24 == 127 && inner.prefix >= 8 };
            let multicast =
                if inner.v6 { low >> 120 == 255 && inner.prefix >= 8 } else { low >> 28 == 14 && inner.prefix >= 4 };
            let expected = [within, !inner.v6, inner.v6, loopback, multicast];
            let expected: Vec<u32> =
                (0..).zip(expected).filter(|(_, holds)| *holds).map(|(policy, _)| policy).collect();
            assert_eq!(answer, [[(expected, vec![])]], "{inner:?} in {outer:?}");
        }
    }
}

#[test]
fn constant_addresses_give_the_same_folded_or_not() {
    let b = Builder::default();
    let literal = IpOperand::Literal;
    let tests = [IpTest::V4, IpTest::V6, IpTest::Loopback, IpTest::Multicast];
    let conditions = addresses().into_iter().flat_map(|ip| tests.map(|test| Expr::Ip(test, literal(ip))));
    let answers = ask_all(&b, &conditions.collect::<Vec<_>>(), &[]);
    // 29 have a version; 2 and 1 are loopback, 2 and 3 multicast.
    assert_eq!(answers.iter().filter(|answer| **answer == Holds).count(), 29 + 3 + 5);
    let mut conditions = Vec::new();
    let mut expected = Vec::new();
    for inner in addresses() {
        for outer in addresses() {
            let (first, last) = ends(&inner);
            let (outer_first, outer_last) = ends(&outer);
            let within = inner.v6 == outer.v6 && outer_first <= first && last <= outer_last;
            conditions.push(Expr::IpInRange(literal(inner), literal(outer)));
            expected.push(if within { Holds } else { Fails });
        }
    }
    assert_eq!(ask_all(&b, &conditions, &[]), expected);
}

#[test]
fn equal_ranges_are_equal_by_their_address_too() {
    let mut b = Builder::default();
    let (x, y) = (b.fact(Type::Ip), b.fact(Type::Ip));
    let condition = super::equal(x, y);
    let cells = |other| [Cell::Value(Value::Ip(v4([10, 0, 0, 1], 24))), Cell::Value(Value::Ip(other))];
    assert_eq!(ask(&b, &condition, &cells(v4([10, 0, 0, 1], 24))), Holds);
    assert_eq!(ask(&b, &condition, &cells(v4([10, 0, 0, 2], 24))), Fails);
}
