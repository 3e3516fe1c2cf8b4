//! Finds rows that read alike, so that each kind of row is asked about once.
//!
//! Two rows are alike when everything that the questions read of them is equal: their columns, their tickets, their
//! parents. The customers themselves differ, and a policy may read one (`ticket.customer == customer`); that makes no
//! difference as long as nothing else that the questions read can be that customer. Where it could, the row stays by itself.

use ahash::RandomState;
use exportgate_contract::manifest::Axis;
use exportgate_contract::vocabulary::CUSTOMER;
use hashbrown::HashMap;

use crate::customers::{Column, ColumnData, NO_VALUE};
use crate::frame::cells::Cell;
use crate::frame::resolve::Resolver;
use crate::frame::sheet::{FactKind, InRight, Mention, Op, Sheet};
use crate::inputs::{Inputs, Source};
use crate::plan::{Plan, position};

/// Cells of the table that renumbers classes by direct lookup: 256 KiB, within a core's own cache.
const TABLE_CELLS_MAX: usize = 1 << 16;

/// The class of each row, and a row of each class. Used again and again.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    of_row: Vec<u32>,
    first: Vec<u32>,
    counts: Vec<u64>,
    found: bool,
    table: Vec<u32>,
    numbers: HashMap<(u32, u64), u32, RandomState>,
}

/// How far the customer itself matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// It doesn't: nothing else can be that customer, or nobody asks.
    None,
    /// Of rows that have a ticket, which may name that customer.
    Ticketed,
    /// Of every row.
    Every,
}

impl Classes {
    /// Forgets the classes: every row is asked about.
    pub(crate) fn clear(&mut self) {
        self.found = false;
    }

    /// The rows to ask about: one of each class; none when that is every row.
    pub(crate) fn representatives(&self) -> Option<&[u32]> {
        self.found.then_some(&self.first)
    }

    /// The class of each row; none when each row is its own.
    pub(crate) fn of_rows(&self) -> Option<&[u32]> {
        self.found.then_some(&self.of_row)
    }

    /// How many rows are of a class; 1 when each row is its own.
    pub(crate) fn count(&self, class: usize) -> u64 {
        if self.found { self.counts.get(class).copied().unwrap_or(0) } else { 1 }
    }

    /// How many bytes it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.of_row.capacity().saturating_add(self.first.capacity()).saturating_add(self.table.capacity());
        let wide = self.counts.capacity().saturating_add(self.numbers.capacity().saturating_mul(3));
        words.saturating_mul(4).saturating_add(wide.saturating_mul(8))
    }

    /// Finds the classes of all rows for what `sheet` reads. The steps of the job are resolved.
    pub(crate) fn find(&mut self, plan: &Plan, sheet: &Sheet, inputs: &Inputs<'_>, resolver: &Resolver<'_>) {
        self.found = false;
        let rows = inputs.rows();
        let reads = Reads { plan, sheet, inputs, resolver };
        if rows < 2 || inputs.single {
            return;
        }
        let identity = reads.identity();
        if identity == Identity::Every {
            return;
        }
        self.of_row.clear();
        self.of_row.resize(rows, 0);
        let mut classes = 1;
        for (_, column) in inputs.customers.attributes().filter(|(name, _)| reads.reads_column(name)) {
            classes = self.split_by_column(classes, column);
        }
        if reads.reads_parents() {
            let lists = inputs.customers.parent_lists();
            classes = self.split_by_codes(classes, &lists.rows, lists.values.len());
        }
        let tickets = inputs.customers.tickets();
        if reads.reads_tickets() {
            classes = self.split_by_codes(classes, &tickets.rows, tickets.values.len());
            if identity == Identity::Ticketed {
                let ticketed = self.of_row.iter_mut().zip(&tickets.rows).filter(|(_, code)| **code != NO_VALUE);
                for (class, _) in ticketed {
                    *class = classes;
                    classes = classes.saturating_add(1);
                }
            }
        }
        self.number(classes);
        // Nothing is gained when all are different.
        self.found = self.first.len() < rows;
    }

    /// Numbers the classes by their first rows, and counts them.
    fn number(&mut self, classes: u32) {
        self.table.clear();
        self.table.resize(position(classes), u32::MAX);
        self.first.clear();
        self.counts.clear();
        for (row, class) in (0_u32..).zip(&mut self.of_row) {
            let Some(number) = self.table.get_mut(position(*class)) else { continue };
            if *number == u32::MAX {
                *number = u32::try_from(self.first.len()).unwrap_or(u32::MAX);
                self.first.push(row);
                self.counts.push(0);
            }
            *class = *number;
            if let Some(count) = self.counts.get_mut(position(*class)) {
                *count += 1;
            }
        }
    }

    fn split_by_column(&mut self, classes: u32, column: &Column) -> u32 {
        match &column.data {
            ColumnData::Bools(cells) => {
                self.split_by_table(classes, 3, cells.iter().map(|cell| cell.map_or(2, usize::from)))
            }
            ColumnData::Longs(cells) | ColumnData::Datetimes(cells) => {
                let Some(first) = cells.first() else { return classes };
                if cells.iter().all(|cell| cell == first) {
                    return classes;
                }
                // Rows without a value are told from all others first, so that any number can stand for the value.
                let given = cells.iter().map(|cell| usize::from(cell.is_some()));
                let classes = self.split_by_table(classes, 2, given);
                self.split_by_number(classes, cells.iter().map(|cell| cell.map_or(0, i64::cast_unsigned)))
            }
            ColumnData::Values(dictionary) => self.split_by_codes(classes, &dictionary.rows, dictionary.values.len()),
        }
    }

    /// Splits by positions in a dictionary of so many values; nothing where it is empty.
    fn split_by_codes(&mut self, classes: u32, codes: &[u32], values: usize) -> u32 {
        let code = |code: &u32| if *code == NO_VALUE { values } else { position(*code) };
        let kinds = values.saturating_add(1);
        if position(classes).saturating_mul(kinds) <= TABLE_CELLS_MAX {
            return self.split_by_table(classes, kinds, codes.iter().map(code));
        }
        self.split_by_number(classes, codes.iter().map(|code| u64::from(*code)))
    }

    /// Splits by a number below `kinds` for each row.
    fn split_by_table(&mut self, classes: u32, kinds: usize, numbers: impl Iterator<Item = usize>) -> u32 {
        let cells = position(classes).saturating_mul(kinds);
        if cells > TABLE_CELLS_MAX {
            return self.split_by_number(classes, numbers.map(|number| u64::try_from(number).unwrap_or(u64::MAX)));
        }
        self.table.clear();
        self.table.resize(cells, u32::MAX);
        let mut next = 0_u32;
        let mut rest = classes;
        for (class, number) in self.of_row.iter_mut().zip(numbers) {
            let Some(known) = self.table.get_mut(position(*class) * kinds + number) else { continue };
            if *known == u32::MAX {
                *known = next;
                next += 1;
            }
            *class = *known;
            rest = 0;
        }
        // Without numbers nothing was split.
        next.max(rest)
    }

    fn split_by_number(&mut self, classes: u32, numbers: impl Iterator<Item = u64>) -> u32 {
        self.numbers.clear();
        let mut next = 0_u32;
        let mut rest = classes;
        for (class, number) in self.of_row.iter_mut().zip(numbers) {
            *class = *self.numbers.entry((*class, number)).or_insert_with(|| {
                next += 1;
                next - 1
            });
            rest = 0;
        }
        next.max(rest)
    }
}

/// What questions read of rows.
struct Reads<'r, 'a> {
    plan: &'r Plan,
    sheet: &'r Sheet,
    inputs: &'r Inputs<'a>,
    resolver: &'r Resolver<'a>,
}

impl Reads<'_, '_> {
    fn source(&self, step: usize) -> Source<'_> {
        match self.sheet.steps.get(step).map(|step| &step.op) {
            Some(Op::Input(input)) => self.inputs.source(*input),
            Some(Op::Symbol(_) | Op::Attribute { .. } | Op::Tag { .. } | Op::Unread) | None => Source::Absent,
        }
    }

    fn is_customer(&self, step: usize) -> bool {
        matches!(self.source(step), Source::Customers)
    }

    fn reads_column(&self, name: &str) -> bool {
        [Axis::Row, Axis::Cell].into_iter().flat_map(|axis| self.sheet.steps(axis)).any(|step| match &step.op {
            Op::Attribute { of, name: read } => **read == *name && self.is_customer(*of),
            Op::Input(_) | Op::Symbol(_) | Op::Tag { .. } | Op::Unread => false,
        })
    }

    fn reads_parents(&self) -> bool {
        let above = |kind: &FactKind| matches!(kind, FactKind::Above { of } if self.is_customer(*of));
        [&self.sheet.row, &self.sheet.cell].iter().any(|axis| {
            axis.groups.iter().any(|group| self.is_customer(group.left))
                || axis.facts.iter().any(|fact| above(&fact.kind))
        })
    }

    fn reads_tickets(&self) -> bool {
        self.sheet.row.steps.clone().any(|step| matches!(self.source(step), Source::Tickets))
    }

    /// Whether what a step says follows from the row's ticket alone.
    fn is_of_ticket(&self, mut step: usize) -> bool {
        // INVARIANT: a step is made of earlier ones.
        while let Some(Op::Attribute { of, .. }) = self.sheet.steps.get(step).map(|step| &step.op) {
            step = *of;
        }
        matches!(self.source(step), Source::Tickets)
    }

    /// How far it matters who a customer is.
    fn identity(&self) -> Identity {
        let (mut itself, mut of_ticket, mut elsewhere) = (false, false, self.plan.names_customers);
        for fact in self.sheet.row.facts.iter().chain(&self.sheet.cell.facts) {
            match fact.kind {
                FactKind::Value(step) if self.is_customer(step) => itself = true,
                FactKind::Value(step) => match fact.customers {
                    Mention::None => {}
                    Mention::Itself if self.is_of_ticket(step) => of_ticket = true,
                    Mention::Itself | Mention::Within => elsewhere = true,
                },
                // Who the customer is shows where a constant is one.
                FactKind::Above { of } if self.is_customer(of) && self.plan.names_customers => return Identity::Every,
                FactKind::State(_) | FactKind::HasTag { .. } | FactKind::Above { .. } => {}
            }
        }
        for fact in self.sheet.job.facts.iter().chain(&self.sheet.column.facts) {
            elsewhere |= fact.customers != Mention::None;
        }
        for group in self.sheet.row.groups.iter().chain(&self.sheet.cell.groups) {
            let left = self.is_customer(group.left);
            for fact in &group.facts {
                let asks_who = match fact.right {
                    InRight::Constant(_) => left && self.plan.names_customers,
                    InRight::Step(right) => self.is_customer(right) || (left && self.may_be_customers(right)),
                };
                if asks_who {
                    return Identity::Every;
                }
            }
        }
        match (itself, elsewhere, of_ticket) {
            (true, true, _) => Identity::Every,
            (true, false, true) => Identity::Ticketed,
            (true, false, false) | (false, ..) => Identity::None,
        }
    }

    /// Whether a step may say something of customers: what isn't of the job isn't resolved yet.
    fn may_be_customers(&self, step: usize) -> bool {
        if !self.sheet.job.steps.contains(&step) {
            return true;
        }
        match self.resolver.cell(step) {
            Cell::Value(datum) => {
                self.resolver.targets(datum, step).map_or(true, |targets| targets.names_type(CUSTOMER))
            }
            Cell::Absent | Cell::Err => false,
        }
    }
}
