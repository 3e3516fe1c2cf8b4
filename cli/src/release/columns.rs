//! Which column of a file holds the customer, and which holds each field.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The columns that are read: all others stay where they are.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The column with the customer's id.
    pub customer: String,
    /// The column of each field, in the order of the job.
    pub fields: Vec<String>,
}

/// Where these columns stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The customer's.
    pub customer: usize,
    /// The fields', in the order of the job.
    pub fields: Vec<usize>,
}

impl Columns {
    /// The column of each of `fields`: the one that is named as the field, or that `named` (`FIELD=COLUMN`) gives it.
    ///
    /// # Errors
    ///
    /// What is wrong with `named`.
    pub fn new(customer: &str, fields: &[Arc<str>], named: &[String]) -> Result<Self, String> {
        let mut columns: BTreeMap<&str, &str> = BTreeMap::new();
        for text in named {
            let (field, column) = text
                .split_once('=')
                .ok_or_else(|| format!("`{text}` isn't a field and its column: write `FIELD=COLUMN`"))?;
            if !fields.iter().any(|known| **known == *field) {
                return Err(format!("`{field}` isn't a field of the job"));
            }
            if columns.insert(field, column).is_some() {
                return Err(format!("the field `{field}` is given two columns"));
            }
        }
        let column = |field: &Arc<str>| (*columns.get(&**field).unwrap_or(&&**field)).to_owned();
        Ok(Self { customer: customer.to_owned(), fields: fields.iter().map(column).collect() })
    }

    /// Where they stand among `headings`.
    ///
    /// # Errors
    ///
    /// Which column isn't there, or is there twice.
    pub fn find<H: AsRef<str>>(&self, headings: &[H]) -> Result<Places, String> {
        let find = |name: &str| {
            let mut found = headings.iter().enumerate().filter(|(_, heading)| heading.as_ref() == name);
            match (found.next(), found.next()) {
                (Some((place, _)), None) => Ok(place),
                (None, _) => Err(format!("it has no column `{name}`")),
                (Some(_), Some(_)) => Err(format!("it has the column `{name}` twice")),
            }
        };
        let customer = find(&self.customer)?;
        Ok(Places { customer, fields: self.fields.iter().map(|name| find(name)).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_by_no_other_way() {
        let fields: Vec<Arc<str>> = ["customer.email", "account.plan"].map(Arc::from).into();
        let columns = Columns::new("id", &fields, &["customer.email=mail".to_owned()]).unwrap();
        let places = columns.find(&["account.plan", "x", "mail", "id", "x"]).unwrap();
        assert_eq!(places, Places { customer: 3, fields: vec![2, 0] });
        assert_eq!(columns.find(&["mail", "id"]).unwrap_err(), "it has no column `account.plan`");
        assert_eq!(columns.find(&["Id", "mail"]).unwrap_err(), "it has no column `id`");
        let twice = columns.find(&["id", "mail", "mail", "account.plan"]).unwrap_err();
        assert_eq!(twice, "it has the column `mail` twice");
        let says = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|text| (*text).to_owned()).collect();
            Columns::new("id", &fields, &named).unwrap_err()
        };
        assert_eq!(says(&["mail"]), "`mail` isn't a field and its column: write `FIELD=COLUMN`");
        assert_eq!(says(&["email=mail"]), "`email` isn't a field of the job");
        let twice = says(&["account.plan=a", "account.plan=b"]);
        assert_eq!(twice, "the field `account.plan` is given two columns");
    }
}
