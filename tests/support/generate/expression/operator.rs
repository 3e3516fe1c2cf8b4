//! Generated operators and methods.

use super::Writer;
use crate::generate::schema::Ty;
use crate::generate::{chance, pick, values};

impl Writer<'_> {
    /// An operator whose value is of type `ty`.
    pub(super) fn operator(&mut self, rng: &mut fastrand::Rng, ty: &Ty) -> String {
        match ty {
            Ty::Bool => self.boolean(rng),
            Ty::Long => self.long(rng),
            Ty::Datetime => match rng.u32(..3) {
                0 => self.method(rng, "toDate", &Ty::Datetime, &[]),
                _ => self.method(rng, "offset", &Ty::Datetime, &[Ty::Duration]),
            },
            Ty::Duration => match rng.u32(..2) {
                0 => self.method(rng, "toTime", &Ty::Datetime, &[]),
                _ => self.method(rng, "durationSince", &Ty::Datetime, &[Ty::Datetime]),
            },
            Ty::Set(of) => {
                self.note("set literal");
                let members: Vec<String> = (0..rng.usize(1..=3)).map(|_| self.write(rng, of)).collect();
                format!("[{}]", members.join(", "))
            }
            Ty::Record(attrs) => self.record(rng, attrs, false),
            Ty::String | Ty::Entity(_) | Ty::Action | Ty::Decimal | Ty::Ip => self.leaf(rng, ty),
        }
    }

    fn method(&mut self, rng: &mut fastrand::Rng, name: &'static str, of: &Ty, args: &[Ty]) -> String {
        self.note(name);
        let receiver = self.write(rng, of);
        let args: Vec<String> = args.iter().map(|arg| self.write(rng, arg)).collect();
        format!("({receiver}).{name}({})", args.join(", "))
    }

    fn infix(&mut self, rng: &mut fastrand::Rng, operator: &'static str, ty: &Ty) -> String {
        self.note(operator);
        format!("({} {operator} {})", self.write(rng, ty), self.write(rng, ty))
    }

    fn long(&mut self, rng: &mut fastrand::Rng) -> String {
        match rng.u32(..6) {
            0 | 1 => self.infix(rng, "+", &Ty::Long),
            2 => self.infix(rng, "-", &Ty::Long),
            3 => self.infix(rng, "*", &Ty::Long),
            4 => {
                self.note("negation");
                format!("(-({}))", self.write(rng, &Ty::Long))
            }
            _ => {
                let name = ["toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"][rng.usize(..5)];
                self.method(rng, name, &Ty::Duration, &[])
            }
        }
    }

    fn boolean(&mut self, rng: &mut fastrand::Rng) -> String {
        match rng.u32(..22) {
            0 | 1 => self.logic(rng, "&&"),
            2 | 3 => self.logic(rng, "||"),
            4 => {
                self.note("!");
                format!("(!({}))", self.write(rng, &Ty::Bool))
            }
            5..=8 => self.equality(rng),
            9 => {
                let (ty, construct) = [
                    (Ty::Long, "order of longs"),
                    (Ty::Datetime, "order of datetimes"),
                    (Ty::Duration, "order of durations"),
                ][rng.usize(..3)]
                .clone();
                self.note(construct);
                let operator = ["<", "<=", ">", ">="][rng.usize(..4)];
                self.infix(rng, operator, &ty)
            }
            10 => {
                let name = ["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"][rng.usize(..4)];
                self.method(rng, name, &Ty::Decimal, &[Ty::Decimal])
            }
            11 => match rng.u32(..6) {
                0 => self.method(rng, "isIpv4", &Ty::Ip, &[]),
                1 => self.method(rng, "isIpv6", &Ty::Ip, &[]),
                2 => self.method(rng, "isLoopback", &Ty::Ip, &[]),
                3 => self.method(rng, "isMulticast", &Ty::Ip, &[]),
                _ => self.method(rng, "isInRange", &Ty::Ip, &[Ty::Ip]),
            },
            12 => self.like(rng),
            13..=15 => self.sets(rng),
            16..=18 => self.in_hierarchy(rng),
            19 => self.is(rng),
            20 => self.about_action(rng),
            _ => self.presence(rng),
        }
    }

    fn logic(&mut self, rng: &mut fastrand::Rng, operator: &'static str) -> String {
        if chance(rng, 5) {
            // CEDAR: what stands behind `false &&` is never typed, let alone evaluated.
            self.note("dead code");
            self.note(operator);
            let decided = if operator == "&&" { "false" } else { "true" };
            return format!("({} {operator} ({decided} {operator} principal.nowhere))", self.write(rng, &Ty::Bool));
        }
        self.infix(rng, operator, &Ty::Bool)
    }

    fn equality(&mut self, rng: &mut fastrand::Rng) -> String {
        let operator = if rng.bool() { "==" } else { "!=" };
        if chance(rng, 4) {
            // CEDAR: two literals may have any types.
            self.note("equality of two literals");
            self.note(operator);
            let either = [Ty::Long, Ty::String, Ty::Bool];
            let (left, right) = (pick(rng, &either).clone(), pick(rng, &either).clone());
            return format!("({} {operator} {})", self.literal(rng, &left), self.literal(rng, &right));
        }
        let ty = self.some_ty(rng);
        self.note_equality(&ty);
        self.infix(rng, operator, &ty)
    }

    pub(super) fn note_equality(&mut self, ty: &Ty) {
        self.note(match ty {
            Ty::Bool => "equality of truth values",
            Ty::Long | Ty::Decimal | Ty::Datetime | Ty::Duration => "equality of numbers",
            Ty::String => "equality of strings",
            Ty::Entity(_) | Ty::Action => "equality of entities",
            Ty::Ip => "equality of addresses",
            Ty::Set(of) if of.is_composite() => "equality of sets of sets or records",
            Ty::Set(_) => "equality of sets",
            Ty::Record(_) => "equality of records",
        });
    }

    fn like(&mut self, rng: &mut fastrand::Rng) -> String {
        self.note("like");
        let pattern = values::pattern(rng);
        if pattern.contains("\\*") {
            self.note("like: escaped star");
        }
        if pattern.replace("\\*", "").contains('*') {
            self.note("like: wildcard");
        }
        if !pattern.is_ascii() {
            self.note("like: Unicode");
        }
        format!("(({}) like {pattern})", self.write(rng, &Ty::String))
    }

    fn sets(&mut self, rng: &mut fastrand::Rng) -> String {
        let of = self.some_member(rng);
        if of.is_composite() {
            self.note("operators of sets of sets or records");
        }
        let set = Ty::Set(Box::new(of.clone()));
        match rng.u32(..5) {
            0 | 1 => self.method(rng, "contains", &set, &[of]),
            2 => self.method(rng, "containsAll", &set, std::slice::from_ref(&set)),
            3 => self.method(rng, "containsAny", &set, std::slice::from_ref(&set)),
            _ => self.method(rng, "isEmpty", &set, &[]),
        }
    }

    fn in_hierarchy(&mut self, rng: &mut fastrand::Rng) -> String {
        let schema = self.schema();
        let entity = rng.usize(..schema.entities.len());
        let above: Vec<usize> =
            std::iter::once(entity).chain(schema.entities[entity].parents.iter().copied()).collect();
        let group = Ty::Entity(*pick(rng, &above));
        let left = self.write(rng, &Ty::Entity(entity));
        let right = self.group(rng, &group);
        format!("(({left}) in ({right}))")
    }

    /// The right side of an `in`: an entity or a set of them.
    fn group(&mut self, rng: &mut fastrand::Rng, of: &Ty) -> String {
        if rng.bool() {
            self.note("in");
            return self.write(rng, of);
        }
        let set = self.write(rng, &Ty::Set(Box::new(of.clone())));
        self.note(if set.starts_with('[') { "in a set literal" } else { "in a set" });
        set
    }

    fn is(&mut self, rng: &mut fastrand::Rng) -> String {
        let schema = self.schema();
        let entity = rng.usize(..schema.entities.len());
        let subject = self.write(rng, &Ty::Entity(entity));
        let ty = if chance(rng, 70) { entity } else { rng.usize(..schema.entities.len()) };
        if rng.bool() {
            self.note("is");
            return format!("(({subject}) is {})", schema.name(ty));
        }
        self.note("is in");
        let above: Vec<usize> =
            std::iter::once(entity).chain(schema.entities[entity].parents.iter().copied()).collect();
        let group = Ty::Entity(*pick(rng, &above));
        let group = self.write(rng, &group);
        format!("(({subject}) is {} in ({group}))", schema.name(ty))
    }

    /// The action, or an attribute that is one, in a group.
    fn about_action(&mut self, rng: &mut fastrand::Rng) -> String {
        self.note("action in");
        let left = if chance(rng, 70) { "action".to_owned() } else { self.leaf(rng, &Ty::Action) };
        let right = self.group(rng, &Ty::Action);
        format!("(({left}) in ({right}))")
    }

    /// Whether something is there.
    fn presence(&mut self, rng: &mut fastrand::Rng) -> String {
        match rng.u32(..6) {
            0 => {
                self.note("has of a record literal");
                let name = ["it", "other"][rng.usize(..2)];
                format!("({{it: {}}} has {name})", self.write(rng, &Ty::Long))
            }
            1 => {
                self.note("has of an undeclared attribute");
                let entity = rng.usize(..self.schema().entities.len());
                format!("(({}) has nowhere)", self.write(rng, &Ty::Entity(entity)))
            }
            _ if self.scope.optional.is_empty() => self.leaf(rng, &Ty::Bool),
            2 => {
                let (base, name, ty) = pick(rng, &self.scope.optional).clone();
                match self.extended_has(rng, &base, &name, &ty) {
                    Some((guard, _)) => format!("({guard})"),
                    None => format!("({})", self.has(rng, &base, &name)),
                }
            }
            _ => {
                let (base, name, _) = pick(rng, &self.scope.optional).clone();
                format!("({})", self.has(rng, &base, &name))
            }
        }
    }

    /// A type that something in the scope has, or any simple one.
    fn some_ty(&mut self, rng: &mut fastrand::Rng) -> Ty {
        if chance(rng, 80) {
            let ty = pick(rng, &self.scope.known).1.clone();
            return match ty {
                Ty::Set(of) if chance(rng, 40) => *of,
                ty => ty,
            };
        }
        [Ty::Bool, Ty::Long, Ty::String, Ty::Decimal, Ty::Datetime, Ty::Duration, Ty::Ip][rng.usize(..7)].clone()
    }

    /// A type that a set in the scope has members of, or any.
    fn some_member(&mut self, rng: &mut fastrand::Rng) -> Ty {
        let sets: Vec<&Ty> = self
            .scope
            .known
            .iter()
            .filter_map(|(_, ty)| if let Ty::Set(of) = ty { Some(&**of) } else { None })
            .collect();
        if !sets.is_empty() && chance(rng, 60) {
            return (*pick(rng, &sets)).clone();
        }
        self.some_ty(rng)
    }
}
