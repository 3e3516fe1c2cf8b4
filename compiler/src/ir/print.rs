//! Prints the IR as text: stable, so that tests can compare it, and short enough to read.

use std::fmt::{self, Write as _};

use exportgate_contract::manifest::{Axis, Read, Term};
use exportgate_contract::types::Type;
use exportgate_contract::value::{Ip, Value};

use crate::ir::{Expr, IpOperand, IpTest, PatternElement, Program, Question};

/// The whole program: inputs, facts (with their terms written out), then each question with its conditions.
pub fn print_program(program: &Program) -> String {
    let mut out = String::new();
    for (i, fact) in program.facts.iter().enumerate() {
        let read = match &fact.read {
            Read::Value(term) => print_term(program, *term),
            Read::State(term) => format!("state({})", print_term(program, *term)),
            Read::In { left, right } => format!("in({}, {})", print_term(program, *left), print_term(program, *right)),
            Read::Above { of } => format!("above({})", print_term(program, *of)),
            Read::HasTag { of, key } => format!("hasTag({}, {})", print_term(program, *of), print_term(program, *key)),
        };
        let payload = if fact.payload { " payload" } else { "" };
        push(&mut out, format_args!("f{i} = {read}: {} {}{payload}\n", fact.ty, axis_name(fact.axis)));
    }
    for question in &program.questions {
        out.push_str(&print_question(program, question));
    }
    out
}

/// One question with its conditions.
pub fn print_question(program: &Program, question: &Question) -> String {
    let mut out = String::new();
    push(
        &mut out,
        format_args!("question {} principal {} resource {}\n", question.action, question.principal, question.resource),
    );
    for lookup in &question.lookups {
        for (symbol, policies) in &lookup.keys {
            let ids = policies.iter().map(|policy| {
                let policy = usize::try_from(policy.0).ok().and_then(|i| program.policies.get(i));
                policy.map_or("?", |policy| &policy.id)
            });
            let ids = ids.collect::<Vec<_>>().join(" ");
            push(&mut out, format_args!("  f{} {} finds {ids}\n", lookup.subject.0, print_symbol(program, symbol.0)));
        }
    }
    for (i, guard) in question.guards.iter().enumerate() {
        let (axis, test) = (axis_name(guard.axis), print_expr(program, &guard.test));
        push(&mut out, format_args!("  g{i} = {test}: {axis}\n"));
    }
    for (policy, condition) in &question.conditions {
        let id = usize::try_from(policy.0).ok().and_then(|i| program.policies.get(i)).map_or("?", |policy| &policy.id);
        push(&mut out, format_args!("  {id}: {}\n", print_expr(program, condition)));
    }
    out
}

/// One expression, in prefix form: `(and f0 (less f1 10))`. Constants are written out, facts by number.
pub fn print_expr(program: &Program, expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, program, expr);
    out
}

/// A term as a path: `resource.owner`, `resource.tag(context.k)`.
pub fn print_term(program: &Program, term: u32) -> String {
    let at = |term: u32| usize::try_from(term).ok();
    match at(term).and_then(|i| program.terms.get(i)) {
        None => "?".to_owned(),
        Some(Term::Input(input)) => {
            at(*input).and_then(|i| program.inputs.get(i)).map_or("?", |input| &input.name).to_owned()
        }
        Some(Term::Symbol(symbol)) => print_symbol(program, *symbol),
        // INVARIANT: a term names only terms before it, so this ends; a program that breaks it is cut short here.
        Some(Term::Attribute { of, .. } | Term::Tag { of, .. }) if *of >= term => "?".to_owned(),
        Some(Term::Tag { key, .. }) if *key >= term => "?".to_owned(),
        Some(Term::Attribute { of, name }) => {
            let of = print_term(program, *of);
            if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                format!("{of}.{name}")
            } else {
                format!("{of}[{name:?}]")
            }
        }
        Some(Term::Tag { of, key }) => format!("{}.tag({})", print_term(program, *of), print_term(program, *key)),
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = out.write_fmt(text);
}

fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Job => "job",
        Axis::Row => "row",
        Axis::Column => "column",
        Axis::Cell => "cell",
    }
}

fn print_symbol(program: &Program, symbol: u32) -> String {
    match usize::try_from(symbol).ok().and_then(|i| program.symbols.get(i)) {
        Some(Value::String(text)) => format!("{text:?}"),
        Some(Value::Entity(uid)) => uid.to_string(),
        Some(Value::Ip(ip)) => print_ip(*ip),
        Some(other) => format!("{other:?}"),
        None => "?".to_owned(),
    }
}

fn print_ip(ip: Ip) -> String {
    if ip.v6 {
        format!("ip({}/{})", std::net::Ipv6Addr::from(ip.address), ip.prefix)
    } else {
        // An IPv4 address lies in the low 32 bits.
        let low = u32::try_from(ip.address & u128::from(u32::MAX)).unwrap_or(0);
        format!("ip({}/{})", std::net::Ipv4Addr::from(low), ip.prefix)
    }
}

fn print_operand(operand: &IpOperand) -> String {
    match operand {
        IpOperand::Fact(fact) => format!("f{}", fact.0),
        IpOperand::Literal(ip) => print_ip(*ip),
    }
}

fn write_list<'a>(out: &mut String, program: &Program, head: &str, exprs: impl IntoIterator<Item = &'a Expr>) {
    push(out, format_args!("({head}"));
    for expr in exprs {
        out.push(' ');
        write_expr(out, program, expr);
    }
    out.push(')');
}

fn write_expr(out: &mut String, program: &Program, expr: &Expr) {
    match expr {
        Expr::Bool(value) => push(out, format_args!("{value}")),
        Expr::Word(word, Type::Long) => push(out, format_args!("{word}")),
        Expr::Word(word, ty) => push(out, format_args!("{word}:{ty}")),
        Expr::Symbol(symbol, _) => out.push_str(&print_symbol(program, symbol.0)),
        Expr::Fact(fact, _) => push(out, format_args!("f{}", fact.0)),
        Expr::Has(fact) => push(out, format_args!("(has f{})", fact.0)),
        Expr::Among(fact, symbol) => {
            push(out, format_args!("(among f{} {})", fact.0, print_symbol(program, symbol.0)));
        }
        Expr::Guard(guard) => push(out, format_args!("g{}", guard.0)),
        Expr::Not(of) => write_list(out, program, "not", [&**of]),
        Expr::And(left, right) => write_list(out, program, "and", [&**left, &**right]),
        Expr::Or(left, right) => write_list(out, program, "or", [&**left, &**right]),
        Expr::If(test, then, or) => write_list(out, program, "if", [&**test, &**then, &**or]),
        Expr::Check(checked, then) => write_list(out, program, "check", [&**checked, &**then]),
        Expr::Equal(left, right) => write_list(out, program, "equal", [&**left, &**right]),
        Expr::Less(left, right) => write_list(out, program, "less", [&**left, &**right]),
        Expr::LessEqual(left, right) => write_list(out, program, "less-equal", [&**left, &**right]),
        Expr::Add(left, right, ty) => write_list(out, program, &typed("add", ty), [&**left, &**right]),
        Expr::Subtract(left, right, ty) => write_list(out, program, &typed("subtract", ty), [&**left, &**right]),
        Expr::Multiply(left, right) => write_list(out, program, "multiply", [&**left, &**right]),
        Expr::Negate(of) => write_list(out, program, "negate", [&**of]),
        Expr::Quotient(of, by) => {
            write_list(out, program, "quotient", [&**of]);
            out.truncate(out.len().saturating_sub(1));
            push(out, format_args!(" {by})"));
        }
        Expr::ToDate(of) => write_list(out, program, "to-date", [&**of]),
        Expr::ToTime(of) => write_list(out, program, "to-time", [&**of]),
        Expr::Retype(of, ty) => write_list(out, program, &format!("retype:{ty}"), [&**of]),
        Expr::Set(members, _) => write_list(out, program, "set", members),
        Expr::Record(fields) => {
            out.push_str("(record");
            for (name, _, field) in fields {
                push(out, format_args!(" {name:?}="));
                write_expr(out, program, field);
            }
            out.push(')');
        }
        Expr::IsEmpty(of) => write_list(out, program, "is-empty", [&**of]),
        Expr::Contains(set, member) => write_list(out, program, "contains", [&**set, &**member]),
        Expr::ContainsAll(set, other) => write_list(out, program, "contains-all", [&**set, &**other]),
        Expr::ContainsAny(set, other) => write_list(out, program, "contains-any", [&**set, &**other]),
        Expr::Like(fact, pattern) => {
            push(out, format_args!("(like f{} {:?})", fact.0, print_pattern(pattern)));
        }
        Expr::Ip(test, operand) => {
            let test = match test {
                IpTest::V4 => "ipv4",
                IpTest::V6 => "ipv6",
                IpTest::Loopback => "loopback",
                IpTest::Multicast => "multicast",
            };
            push(out, format_args!("({test} {})", print_operand(operand)));
        }
        Expr::IpInRange(address, range) => {
            push(out, format_args!("(in-range {} {})", print_operand(address), print_operand(range)));
        }
    }
}

fn typed(name: &str, ty: &Type) -> String {
    if *ty == Type::Long { name.to_owned() } else { format!("{name}:{ty}") }
}

/// A pattern in Cedar's writing: a wildcard is `*`, a star is `\*`.
fn print_pattern(pattern: &[PatternElement]) -> String {
    let mut out = String::new();
    for element in pattern {
        match element {
            PatternElement::Char('*') => out.push_str("\\*"),
            PatternElement::Char(c) => out.push(*c),
            PatternElement::Wildcard => out.push('*'),
        }
    }
    out
}
