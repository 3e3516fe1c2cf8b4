//! Lowers the functions of Cedar's extensions: decimal, ipaddr, datetime, duration.

use cedar_policy_core::ast::{ExprKind, Literal, Name};
use exportgate_contract::types::Type;
use exportgate_contract::value::Value;

use crate::frontend::lower::tree::{Leaf, Tree};
use crate::frontend::lower::{LowerError, Lowering};
use crate::frontend::typed::TypedExpr;
use crate::frontend::values::construct;
use crate::ir::{Expr, IpTest};

/// Milliseconds of a second, a minute, an hour and a day.
const MS_PER_SECOND: i64 = 1_000;
const MS_PER_MINUTE: i64 = 60 * MS_PER_SECOND;
const MS_PER_HOUR: i64 = 60 * MS_PER_MINUTE;
const MS_PER_DAY: i64 = 24 * MS_PER_HOUR;

impl Lowering<'_> {
    /// A call of an extension function, by name. The constructors take literals only, in strict validation, and are
    /// evaluated here by Cedar's own code.
    pub(super) fn lower_extension(&mut self, name: &Name, arguments: &[TypedExpr]) -> Result<Tree, LowerError> {
        match (name.to_string().as_str(), arguments) {
            ("decimal" | "ip" | "datetime" | "duration", [text]) => self.lower_constructor(name, text),
            ("lessThan", [a, b]) => self.lower_order(a, b, Expr::Less),
            ("lessThanOrEqual", [a, b]) => self.lower_order(a, b, Expr::LessEqual),
            ("greaterThan", [a, b]) => self.lower_order(b, a, Expr::Less),
            ("greaterThanOrEqual", [a, b]) => self.lower_order(b, a, Expr::LessEqual),
            ("isIpv4", [of]) => self.lower_ip_test(IpTest::V4, of),
            ("isIpv6", [of]) => self.lower_ip_test(IpTest::V6, of),
            ("isLoopback", [of]) => self.lower_ip_test(IpTest::Loopback, of),
            ("isMulticast", [of]) => self.lower_ip_test(IpTest::Multicast, of),
            ("isInRange", [address, range]) => self.lower_in_range(address, range),
            ("offset", [instant, by]) => self.lower_offset(instant, by),
            ("durationSince", [instant, since]) => self.lower_duration_since(instant, since),
            ("toDate", [of]) => self.lower_unary(of, Expr::ToDate),
            ("toTime", [of]) => self.lower_unary(of, Expr::ToTime),
            ("toMilliseconds", [of]) => self.lower_unary(of, |of| Expr::Retype(of, Type::Long)),
            ("toSeconds", [of]) => self.lower_unary(of, |of| Expr::Quotient(of, MS_PER_SECOND)),
            ("toMinutes", [of]) => self.lower_unary(of, |of| Expr::Quotient(of, MS_PER_MINUTE)),
            ("toHours", [of]) => self.lower_unary(of, |of| Expr::Quotient(of, MS_PER_HOUR)),
            ("toDays", [of]) => self.lower_unary(of, |of| Expr::Quotient(of, MS_PER_DAY)),
            (name, _) => Err(LowerError::unsupported(
                format!("the function `{name}` isn't supported"),
                "supported are the functions of decimal, ipaddr, datetime and duration",
            )),
        }
    }

    /// `decimal("1.5")`, `ip("10.0.0.0/8")`, `datetime("2026-11-21")`, `duration("24h")`: a word, or for an address a
    /// constant symbol. Never errs: strict validation has tried it.
    fn lower_constructor(&mut self, name: &Name, text: &TypedExpr) -> Result<Tree, LowerError> {
        let ExprKind::Lit(Literal::String(text)) = text.expr_kind() else {
            return Err(LowerError::unsupported(
                format!("`{name}` of something else than a literal isn't supported"),
                "write the value as a literal, or declare the attribute with this type",
            ));
        };
        match construct(name, text) {
            Some(Value::Decimal(word)) => Ok(Expr::Word(word, Type::Decimal).into()),
            Some(Value::Datetime(word)) => Ok(Expr::Word(word, Type::Datetime).into()),
            Some(Value::Duration(word)) => Ok(Expr::Word(word, Type::Duration).into()),
            Some(value @ Value::Ip(_)) => self.lower_constant(value, Type::Ip),
            _ => Err(LowerError::internal("a literal that its constructor refuses")),
        }
    }

    /// Numbers by another number: `(to-date a)`, `(quotient a 1000)` and the like. Errs as `a` does; `toDate` also below the
    /// least instant.
    fn lower_unary(&mut self, of: &TypedExpr, make: fn(Box<Expr>) -> Expr) -> Result<Tree, LowerError> {
        let of = self.lower_value(of)?;
        Ok(make(Box::new(of)).into())
    }

    /// `a.offset(d)`: `(add:datetime a d)`. Errs as either does, and on overflow.
    fn lower_offset(&mut self, instant: &TypedExpr, by: &TypedExpr) -> Result<Tree, LowerError> {
        let instant = self.lower_value(instant)?;
        let by = self.lower_value(by)?;
        Ok(Expr::Add(Box::new(instant), Box::new(by), Type::Datetime).into())
    }

    /// `a.durationSince(b)`: `(subtract:duration a b)`. Errs as either does, and on overflow.
    fn lower_duration_since(&mut self, instant: &TypedExpr, since: &TypedExpr) -> Result<Tree, LowerError> {
        let instant = self.lower_value(instant)?;
        let since = self.lower_value(since)?;
        Ok(Expr::Subtract(Box::new(instant), Box::new(since), Type::Duration).into())
    }

    /// `a.isLoopback()` and the like: `(loopback f)` for each path that `a` may be. Errs as reading `a` does.
    fn lower_ip_test(&mut self, test: IpTest, of: &TypedExpr) -> Result<Tree, LowerError> {
        let of = self.lower(of)?;
        let tested = self.map(of, &mut |this, leaf: Leaf| Ok(Expr::Ip(test, this.ip_operand(leaf)?).into()))?;
        Ok(self.value(tested)?.into())
    }

    /// `a.isInRange(b)`: `(in-range f g)` for each path that `a` and `b` may be. Errs as reading either does.
    fn lower_in_range(&mut self, address: &TypedExpr, range: &TypedExpr) -> Result<Tree, LowerError> {
        let address = self.lower(address)?;
        let range = self.lower(range)?;
        let tested = self.pair(address, range, &mut |this, address, range| {
            Ok(Expr::IpInRange(this.ip_operand(address)?, this.ip_operand(range)?).into())
        })?;
        Ok(self.value(tested)?.into())
    }
}
