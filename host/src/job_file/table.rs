//! Reading customers from a table: columns `id`, `ticket`, `in` and attributes, cells as texts.

use std::sync::Arc;

use exportgate_contract::types::Type;
use exportgate_contract::value::Value;
use exportgate_contract::vocabulary::CUSTOMER;

use super::entities::Rows;
use super::typed::{Reader, quote};

/// What a column of a table holds.
enum Kind {
    Id,
    Ticket,
    In,
    Attribute { name: Arc<str>, ty: Type, required: bool },
}

impl Reader<'_> {
    /// The customers of a table.
    pub(super) fn table(&mut self, header: &[String], rows: &[Vec<String>]) -> Option<Rows> {
        let kinds = self.header(header)?;
        let mut customers = Rows::new(self.schema().entities.get(CUSTOMER));
        for (number, cells) in (1..).zip(rows) {
            self.at(number, |reader| reader.row(&kinds, cells, &mut customers));
        }
        Some(customers)
    }

    fn header(&mut self, header: &[String]) -> Option<Vec<Kind>> {
        let schema = self.schema();
        let declared = schema.entities.get(CUSTOMER);
        let mut kinds = Vec::with_capacity(header.len());
        let mut complete = true;
        for (place, name) in header.iter().enumerate() {
            if header.iter().take(place).any(|earlier| earlier == name) {
                self.complain(format!("column {} stands twice in the header", quote(name)));
                complete = false;
            }
            let attribute = declared.and_then(|declared| declared.attributes.get_key_value(name.as_str()));
            match (name.as_str(), attribute) {
                ("id", _) => kinds.push(Kind::Id),
                ("ticket", _) => kinds.push(Kind::Ticket),
                ("in", _) => kinds.push(Kind::In),
                (_, Some((name, attribute))) if !attribute.ty.is_composite() => kinds.push(Kind::Attribute {
                    name: name.clone(),
                    ty: attribute.ty.clone(),
                    required: attribute.required,
                }),
                (_, Some((name, attribute))) => {
                    self.complain(format!("column `{name}`: a `{}` can't stand in a table", attribute.ty));
                    complete = false;
                }
                (_, None) => {
                    self.complain(format!("column {}: the schema declares no such attribute", quote(name)));
                    complete = false;
                }
            }
        }
        if !header.iter().any(|name| name == "id") {
            self.complain("the header names no column `id`".to_owned());
            complete = false;
        }
        for (name, _) in declared.iter().flat_map(|declared| &declared.attributes).filter(|(_, a)| a.required) {
            if !header.iter().any(|column| **column == **name) {
                self.complain(format!("the header names no column `{name}`, which every customer must have"));
                complete = false;
            }
        }
        complete.then_some(kinds)
    }

    fn row(&mut self, kinds: &[Kind], cells: &[String], customers: &mut Rows) -> Option<()> {
        if cells.len() != kinds.len() {
            self.complain(format!("expected {} cells, found {}", kinds.len(), cells.len()));
            return None;
        }
        let (mut id, mut ticket, mut parents) = (None, None, Vec::new());
        let mut values: Vec<(Arc<str>, Value)> = Vec::with_capacity(kinds.len());
        for (kind, cell) in kinds.iter().zip(cells) {
            match kind {
                Kind::Id => id = Some(self.within("id", |reader| reader.check_id(cell))?),
                Kind::Ticket if cell.is_empty() => {}
                Kind::Ticket => ticket = Some(self.within("ticket", |reader| reader.check_id(cell))?),
                Kind::In => {
                    for name in cell.split_whitespace() {
                        parents.push(self.within("in", |reader| {
                            let parent = reader.entity_name(name)?;
                            reader.check_parent(CUSTOMER, parent)
                        })?);
                    }
                }
                Kind::Attribute { name, required: true, ty } if cell.is_empty() && *ty != Type::String => {
                    self.within(name, |reader| reader.complain(format!("is missing: a `{ty}`")));
                    return None;
                }
                Kind::Attribute { required: false, .. } if cell.is_empty() => {}
                Kind::Attribute { name, ty, .. } => {
                    values.push((name.clone(), self.within(name, |reader| reader.cell(ty, cell))?));
                }
            }
        }
        customers.ids.push(id?);
        customers.tickets.push(ticket);
        customers.parents.push(parents);
        for (name, (_, column)) in &mut customers.columns {
            let place = values.iter().position(|(given, _)| given == name);
            column.push(place.map(|place| values.swap_remove(place).1));
        }
        Some(())
    }
}
