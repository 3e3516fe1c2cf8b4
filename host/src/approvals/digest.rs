//! The digest of a job's content: what an approval is given for, and what a job id stands for.
//!
//! It is SHA-256 over the agent, the fields, the customers, the destination and the purpose, in an encoding of which two
//! contents never share one: each part says how long it is. Fields and customers are sorted by their bytes, since neither
//! order nor place means anything. Whoever changes any of the five asks for something else, and needs a new approval;
//! what else the job states (device, network, login) may change between the approval and the export.
//!
//! | what | bytes |
//! |---|---|
//! | content | text `exportgate job 1`, entity agent, list of texts fields, list of texts customers, optional destination, optional purpose |
//! | text | length in bytes (8 bytes, big-endian), UTF-8 |
//! | entity | text type, text id |
//! | list | count (8 bytes, big-endian), each member |
//! | optional | 0 when `env` hasn't the attribute, else 1 and the value |
//! | value | 1, Bool: 0 or 1 · 2, Long · 3, text · 4, entity · 5, list of its members as values, sorted by their bytes · 6, list of names and values, sorted by name · 7, decimal · 8, datetime · 9, duration · 10, address: 1 for IPv6 or 0, 16 bytes, prefix |
//!
//! Numbers are 8 bytes, big-endian, in two's complement: a decimal in ten-thousandths, a datetime and a duration in
//! milliseconds. `docs/approvals.md` has an example with its bytes.

use std::fmt;

use exportgate_contract::value::{EntityUid, Value};
use sha2::{Digest, Sha256};

use crate::hex::{hex, unhex};
use crate::job::Job;

/// What begins the bytes that are hashed: a digest for anything else begins otherwise.
const DOMAIN: &str = "exportgate job 1";

/// The attribute of `env` that says where the data goes.
const DESTINATION: &str = "destination";

/// The attribute of `env` that says what it is for.
const PURPOSE: &str = "purpose";

/// The digest of what a job asks for: agent, fields, customers, destination, purpose.
///
/// ```
/// use exportgate::JobDigest;
///
/// let text = "63f2b7ab1e6c3fba28d2a3da2d1bd1a2c9ed0c1d8bb8c0f1f2a67dc6bd4a2c11";
/// assert_eq!(JobDigest::parse(text).map(|digest| digest.to_string()).as_deref(), Some(text));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobDigest([u8; 32]);

impl JobDigest {
    /// The digest of a job's content.
    pub fn of(job: &Job) -> Self {
        let mut encoder = Encoder(Sha256::new());
        encoder.text(DOMAIN);
        encoder.entity(&job.agent);
        encoder.texts(job.fields.iter().map(|field| &**field).collect());
        encoder.texts(job.customers.ids().iter().map(|id| &**id).collect());
        encoder.optional(stated(&job.env, DESTINATION));
        encoder.optional(stated(&job.env, PURPOSE));
        Self(encoder.0.finalize().into())
    }

    /// The digest in these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest that `text` shows: 64 lower-case hexadecimal digits; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for JobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for JobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobDigest({self})")
    }
}

/// What `env` states under `name`.
pub(crate) fn stated<'a>(env: &'a Value, name: &str) -> Option<&'a Value> {
    match env {
        Value::Record(attributes) => attributes.get(name),
        _ => None,
    }
}

/// Where encoded bytes go: into the hash, or, for what must be sorted by its bytes, into a buffer first.
trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

struct Encoder<S>(S);

impl<S: Sink> Encoder<S> {
    fn length(&mut self, length: usize) {
        self.0.put(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.put(text.as_bytes());
    }

    fn entity(&mut self, uid: &EntityUid) {
        self.text(&uid.entity_type);
        self.text(&uid.id);
    }

    fn texts(&mut self, mut texts: Vec<&str>) {
        // Often they come sorted, and then this is one pass.
        if !texts.is_sorted() {
            texts.sort_unstable();
        }
        self.length(texts.len());
        texts.into_iter().for_each(|text| self.text(text));
    }

    fn optional(&mut self, value: Option<&Value>) {
        match value {
            None => self.0.put(&[0]),
            Some(value) => {
                self.0.put(&[1]);
                self.value(value);
            }
        }
    }

    fn number(&mut self, tag: u8, number: i64) {
        self.0.put(&[tag]);
        self.0.put(&number.to_be_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(truth) => self.0.put(&[1, u8::from(*truth)]),
            Value::Long(number) => self.number(2, *number),
            Value::String(text) => {
                self.0.put(&[3]);
                self.text(text);
            }
            Value::Entity(uid) => {
                self.0.put(&[4]);
                self.entity(uid);
            }
            Value::Set(members) => {
                let mut encoded: Vec<Vec<u8>> = members.iter().map(encoded).collect();
                encoded.sort_unstable();
                self.0.put(&[5]);
                self.length(encoded.len());
                encoded.iter().for_each(|member| self.0.put(member));
            }
            Value::Record(attributes) => {
                self.0.put(&[6]);
                self.length(attributes.len());
                for (name, value) in attributes.iter() {
                    self.text(name);
                    self.value(value);
                }
            }
            Value::Decimal(number) => self.number(7, *number),
            Value::Datetime(number) => self.number(8, *number),
            Value::Duration(number) => self.number(9, *number),
            Value::Ip(ip) => {
                self.0.put(&[10, u8::from(ip.v6)]);
                self.0.put(&ip.address.to_be_bytes());
                self.0.put(&[ip.prefix]);
            }
        }
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder(Vec::new());
    encoder.value(value);
    encoder.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use exportgate_contract::value::Ip;

    use super::*;
    use crate::{Approvals, Customers, Entities};

    fn uid(entity_type: &str, id: &str) -> EntityUid {
        EntityUid::new(format!("Export::{entity_type}"), id)
    }

    fn job(agent: &str, fields: &[&str], customers: &[&str], env: Value) -> Job {
        Job {
            id: "job-1".into(),
            agent: uid("Agent", agent),
            fields: fields.iter().map(|field| Arc::from(*field)).collect(),
            customers: Customers::new(customers.iter().copied()).unwrap(),
            env,
            approvals: Approvals::none(),
            entities: Arc::new(Entities::new([]).unwrap()),
            prepared_agent: None,
        }
    }

    fn env(destination: &str, purpose: &str) -> Value {
        Value::record([
            ("destination", uid("Destination", destination).into()),
            ("purpose", uid("Purpose", purpose).into()),
            ("managedDevice", Value::Bool(true)),
        ])
    }

    fn bytes(job: &Job) -> Vec<u8> {
        let mut encoder = Encoder(Vec::new());
        encoder.text(DOMAIN);
        encoder.entity(&job.agent);
        encoder.texts(job.fields.iter().map(|field| &**field).collect());
        encoder.texts(job.customers.ids().iter().map(|id| &**id).collect());
        encoder.optional(stated(&job.env, DESTINATION));
        encoder.optional(stated(&job.env, PURPOSE));
        encoder.0
    }

    #[test]
    fn order_and_other_facts_do_not_matter() {
        let one = job("ana", &["b", "a"], &["c-2", "c-1"], env("drive", "qa_review"));
        let elsewhere = Value::record([
            ("destination", uid("Destination", "drive").into()),
            ("purpose", uid("Purpose", "qa_review").into()),
            ("managedDevice", Value::Bool(false)),
        ]);
        let other = Job { id: "job-2".into(), ..job("ana", &["a", "b"], &["c-1", "c-2"], elsewhere) };
        assert_eq!(JobDigest::of(&one), JobDigest::of(&other));
    }

    #[test]
    fn whatever_is_asked_for_matters() {
        let all = [
            job("ana", &["a", "b"], &["c-1", "c-2"], env("drive", "qa_review")),
            job("bob", &["a", "b"], &["c-1", "c-2"], env("drive", "qa_review")),
            job("ana", &["a"], &["c-1", "c-2"], env("drive", "qa_review")),
            job("ana", &["a", "b"], &["c-1"], env("drive", "qa_review")),
            job("ana", &["a", "b"], &["c-1", "c-3"], env("drive", "qa_review")),
            job("ana", &["a"], &["b", "c-1", "c-2"], env("drive", "qa_review")),
            job("ana", &["ab"], &["c-1", "c-2"], env("drive", "qa_review")),
            job("ana", &["a", "b"], &["c-1", "c-2"], env("other", "qa_review")),
            job("ana", &["a", "b"], &["c-1", "c-2"], env("drive", "migration")),
            job("ana", &["a", "b"], &["c-1", "c-2"], Value::record::<&str>([])),
            job("ana", &["a", "b"], &["c-1", "c-2"], Value::record([("destination", Value::from("drive"))])),
            job("ana", &["a", "b"], &["c-1", "c-2"], Value::record([("purpose", Value::from("drive"))])),
        ];
        let digests: std::collections::BTreeSet<JobDigest> = all.iter().map(JobDigest::of).collect();
        assert_eq!(digests.len(), all.len());
    }

    /// Any program that encodes as the page says gets these digests.
    #[test]
    fn vectors() {
        let job_1 = job("ana", &["card"], &["c-1", "c-2"], env("drive", "qa_review"));
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0, 16][..],
            b"exportgate job 1",
            &[0, 0, 0, 0, 0, 0, 0, 13],
            b"Export::Agent",
            &[0, 0, 0, 0, 0, 0, 0, 3],
            b"ana",
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0, 0, 4],
            b"card",
            &[0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 0, 3],
            b"c-1",
            &[0, 0, 0, 0, 0, 0, 0, 3],
            b"c-2",
            &[1, 4, 0, 0, 0, 0, 0, 0, 0, 19],
            b"Export::Destination",
            &[0, 0, 0, 0, 0, 0, 0, 5],
            b"drive",
            &[1, 4, 0, 0, 0, 0, 0, 0, 0, 15],
            b"Export::Purpose",
            &[0, 0, 0, 0, 0, 0, 0, 9],
            b"qa_review",
        ]
        .concat();
        assert_eq!(bytes(&job_1), expected);
        assert_eq!(
            JobDigest::of(&job_1).to_string(),
            "6171063362c6f06f71f0ef6d1abc727a6d44914c9cef3849aff90f4f9e0a4214"
        );
        let values = Value::record([
            ("a", Value::set([Value::Long(-1), Value::Bool(true), Value::string("é")])),
            ("b", Value::Decimal(15_000)),
            ("c", Value::Datetime(1_793_872_800_000)),
            ("d", Value::Duration(-1)),
            ("e", Value::Ip(Ip { address: 0x0a00_0001, prefix: 24, v6: false })),
        ]);
        let job_2 = job("", &[], &[], Value::record([("destination", values)]));
        assert_eq!(
            JobDigest::of(&job_2).to_string(),
            "286cd9dc585c57a2d3ebfe96615ca4eed0921e9fdbf286b2e8d30f373320695e"
        );
    }

    #[test]
    fn digests_are_read_as_they_are_written() {
        let digest = JobDigest::of(&job("ana", &["card"], &["c-1"], env("drive", "qa_review")));
        assert_eq!(JobDigest::parse(&digest.to_string()), Some(digest));
        let text = digest.to_string();
        let short: String = text.chars().skip(1).collect();
        for wrong in [
            "",
            &short,
            &text.replace(|c: char| c.is_ascii_alphabetic(), "A"),
            &format!("{text}0"),
            &text.replace('7', "g"),
        ] {
            assert_eq!(JobDigest::parse(wrong), None, "{wrong}");
        }
    }
}
