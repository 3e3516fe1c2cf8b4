//! The customers of a decision or commit, by the forms in which their fields leave.
//!
//! A job may have a million customers, an entry 65,535 bytes. So customers stand in entries of their own, right after the
//! decision or commit, which holds their number and a digest of them all. A receipt for a decision then shows no customer.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::bytes::{Reader, Writer, ascends};
use super::{CustomerHash, ENTRY_BYTES_MAX, ReadError, WriteError};

/// In which form a field leaves. A greater form reveals more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// It doesn't leave.
    #[default]
    Suppressed,
    /// As a keyed token.
    Token,
    /// In part.
    Partial,
    /// As it is.
    Plain,
}

impl Form {
    /// How it is named in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Token => "token",
            Self::Partial => "partial",
            Self::Plain => "plain",
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Suppressed => 0,
            Self::Token => 1,
            Self::Partial => 2,
            Self::Plain => 3,
        }
    }

    fn of_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Suppressed,
            1 => Self::Token,
            2 => Self::Partial,
            _ => Self::Plain,
        }
    }
}

/// How many customers follow an entry, in how many entries, and a digest of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowsSum {
    /// How many customers.
    pub customers: u64,
    /// In how many entries.
    pub parts: u32,
    /// Under the key of which epoch they are hashed.
    pub epoch: u32,
    /// SHA-256 of the runs of all these entries, as written, one after the other.
    #[serde(serialize_with = "super::hexadecimal")]
    pub sha256: [u8; 32],
}

/// Customers whose fields leave in the same forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The form of each field, in the order of the decision's fields.
    pub forms: Vec<Form>,
    /// The customers, sorted, each once.
    pub customers: Vec<CustomerHash>,
}

/// One entry of customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// The id of the job.
    pub job: String,
    /// Which of the entries it is, from 0.
    pub part: u32,
    /// How many fields each run tells the form of.
    pub fields: u16,
    /// The runs, sorted by their forms as written, each forms once.
    pub runs: Vec<Run>,
}

/// Bytes that the forms of so many fields take: two bits each.
fn forms_bytes(fields: usize) -> usize {
    fields.div_ceil(4)
}

fn pack(forms: &[Form]) -> Vec<u8> {
    forms.chunks(4).map(|four| four.iter().rev().fold(0, |byte, form| (byte << 2) | form.bits())).collect()
}

fn unpack(bytes: &[u8], fields: usize) -> Option<Vec<Form>> {
    let forms: Vec<Form> =
        bytes.iter().flat_map(|byte| [0, 2, 4, 6].map(|shift| Form::of_bits(byte >> shift))).take(fields).collect();
    // Bits beyond the last field are zero, or two texts would mean the same.
    (pack(&forms) == bytes).then_some(forms)
}

impl Rows {
    pub(super) fn write(&self, to: &mut Writer) {
        to.text("job", &self.job);
        to.u32(self.part);
        to.u16(self.fields);
        if self.runs.iter().any(|run| run.forms.len() != usize::from(self.fields)) {
            to.refuse(WriteError::List { what: "forms", found: self.runs.len() });
        }
        let packed: Vec<Vec<u8>> = self.runs.iter().map(|run| pack(&run.forms)).collect();
        if !ascends(&packed) || self.runs.iter().any(|run| run.customers.is_empty() || !ascends(&run.customers)) {
            to.refuse(WriteError::Order { what: "customers" });
        }
        if let Some(run) = self.runs.iter().find(|run| u16::try_from(run.customers.len()).is_err()) {
            to.refuse(WriteError::List { what: "customers", found: run.customers.len() });
        }
        to.bytes(&self.runs_bytes());
    }

    /// The runs as written: what the digest is over.
    pub(crate) fn runs_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for run in &self.runs {
            bytes.extend(pack(&run.forms));
            // A run that doesn't fit isn't written: `write` refuses it.
            bytes.extend(u16::try_from(run.customers.len()).unwrap_or(u16::MAX).to_be_bytes());
            run.customers.iter().for_each(|customer| bytes.extend(customer.0));
        }
        bytes
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (job, part, fields) = (from.text("job")?, from.u32()?, from.u16()?);
        let forms_bytes = forms_bytes(usize::from(fields));
        let wrong = |problem| ReadError::Value { what: "list of customers", problem };
        let mut runs: Vec<Run> = Vec::new();
        let mut before: Option<&[u8]> = None;
        while !from.rest().is_empty() {
            let packed = from.take(forms_bytes)?;
            if before.is_some_and(|before| before >= packed) {
                return Err(wrong("its forms aren't sorted"));
            }
            before = Some(packed);
            let forms = unpack(packed, usize::from(fields)).ok_or_else(|| wrong("a form beyond the last field"))?;
            let count = usize::from(from.u16()?);
            if count == 0 {
                return Err(wrong("forms without a customer"));
            }
            let bytes = from.take(count.saturating_mul(CustomerHash::BYTES))?;
            let (hashes, _) = bytes.as_chunks::<{ CustomerHash::BYTES }>();
            let customers: Vec<CustomerHash> = hashes.iter().map(|hash| CustomerHash(*hash)).collect();
            if !ascends(&customers) {
                return Err(wrong("its customers aren't sorted, or one is there twice"));
            }
            runs.push(Run { forms, customers });
        }
        if runs.is_empty() {
            return Err(wrong("nobody is in it"));
        }
        Ok(Self { job, part, fields, runs })
    }

    /// How many customers it lists.
    pub fn customers(&self) -> u64 {
        self.runs.iter().map(|run| u64::try_from(run.customers.len()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
    }
}

/// Splits customers into entries: as few as their number allows. Returns what the decision or commit says of them, and the
/// entries that follow it.
///
/// `groups` holds for each combination of forms, one for each of `fields` fields, the customers that it applies to; they
/// are sorted here, and a customer twice in a group counts once.
///
/// # Errors
///
/// [`WriteError`] when the fields are too many, or the customers take more entries than can be counted.
pub fn split(
    job: &str,
    epoch: u32,
    fields: usize,
    groups: BTreeMap<Vec<Form>, Vec<CustomerHash>>,
) -> Result<(RowsSum, Vec<Rows>), WriteError> {
    let count = u16::try_from(fields).map_err(|_| WriteError::List { what: "fields", found: fields })?;
    let forms_bytes = forms_bytes(fields);
    // Head of the entry, length of the job's id, its bytes, part and fields.
    let head = 26usize.saturating_add(2).saturating_add(job.len()).saturating_add(4).saturating_add(2);
    let room = ENTRY_BYTES_MAX.saturating_sub(head);
    let one = forms_bytes.saturating_add(2).saturating_add(CustomerHash::BYTES);
    if room < one {
        return Err(WriteError::Entry { found: head.saturating_add(one) });
    }
    let mut sorted: Vec<(Vec<u8>, Vec<Form>, Vec<CustomerHash>)> =
        groups.into_iter().map(|(forms, customers)| (pack(&forms), forms, customers)).collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut parts: Vec<Rows> = Vec::new();
    let mut left = 0usize;
    for (_, forms, mut customers) in sorted {
        customers.sort_unstable();
        customers.dedup();
        let mut rest = customers.as_slice();
        while !rest.is_empty() {
            if left < one {
                let part = u32::try_from(parts.len()).map_err(|_| WriteError::Rows)?;
                parts.push(Rows { job: job.to_owned(), part, fields: count, runs: Vec::new() });
                left = room;
            }
            let fits = left.saturating_sub(forms_bytes).saturating_sub(2) / CustomerHash::BYTES;
            let (now, later) = rest.split_at(fits.min(rest.len()));
            if let Some(part) = parts.last_mut() {
                part.runs.push(Run { forms: forms.clone(), customers: now.to_vec() });
            }
            let taken = forms_bytes.saturating_add(2).saturating_add(now.len().saturating_mul(CustomerHash::BYTES));
            left = left.saturating_sub(taken);
            rest = later;
        }
    }
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part.runs_bytes()));
    let customers = parts.iter().map(Rows::customers).fold(0, u64::saturating_add);
    let count = u32::try_from(parts.len()).map_err(|_| WriteError::Rows)?;
    Ok((RowsSum { customers, parts: count, epoch, sha256: digest.finalize().into() }, parts))
}
