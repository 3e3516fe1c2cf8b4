//! What came of a replay: incidents, honest work, and how many decisions it took.

/// A point of a curve: how many customers by then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Days since the incident began, with fractions.
    pub day: f64,
    /// Distinct customers up to that time.
    pub customers: u64,
}

/// The first denial of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// When, in days since the incident began, with fractions.
    pub day: f64,
    /// What determined it: ids of policies, or [`NO_PERMIT`], or [`LIMIT`].
    pub by: Vec<String>,
}

/// Stands for a denial that no forbid determined: no permit was satisfied.
pub const NO_PERMIT: &str = "no-permit";

/// Stands for a denial that no policy gave: a limit of the gate, or a failure.
pub const LIMIT: &str = "limit";

/// What came of one incident.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// Whom it befell.
    pub title: String,
    /// When, as people know it.
    pub year: String,
    /// In which manner it is played; empty when there is only one.
    pub manner: String,
    /// How long it lasted, in days.
    pub days: f64,
    /// Customers taken in reality.
    pub customers_taken: u64,
    /// Distinct customers of whom at least one field left, in whatever form.
    pub customers_let_out: u64,
    /// The first denial; none when everything was let out.
    pub stop: Option<Stop>,
    /// All that determined a denial, in the order in which it first did.
    pub stopped_by: Vec<String>,
    /// The customers taken over time, at the pace of the incident.
    pub taken: Vec<Point>,
    /// The customers let out over time.
    pub let_out: Vec<Point>,
    /// How many decisions it took.
    pub decisions: u64,
}

impl Incident {
    /// The day of the first denial, the first day of the incident being 1.
    pub fn day(&self) -> Option<u64> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days are few and not negative")]
        self.stop.as_ref().map(|stop| stop.day.max(0.0).floor() as u64).map(|day| day.saturating_add(1))
    }

    /// The day and what stopped it, for people.
    pub fn stopped_text(&self) -> String {
        match (&self.stop, self.day()) {
            (Some(stop), Some(day)) => format!("day {day}: {}", stop.by.join(", ")),
            _ => "not stopped".to_owned(),
        }
    }
}

/// What came of one kind of honest work.
#[derive(Clone, Debug)]
pub struct Honest {
    /// Its id.
    pub id: String,
    /// What it is.
    pub title: String,
    /// How many jobs were asked.
    pub asks: u64,
    /// How many of them weren't allowed.
    pub hindered: u64,
    /// What hindered them, in the order in which it first did.
    pub hindered_by: Vec<String>,
    /// How many decisions it took.
    pub decisions: u64,
}

/// Whom the log of an incident names for complaints of its victims.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The id of the incident.
    pub id: String,
    /// Whom it befell.
    pub title: String,
    /// Who did it.
    pub thief: String,
    /// How many customers they took.
    pub taken: u64,
    /// How many of them complain.
    pub complaints: u64,
    /// How many customers there are.
    pub of: u64,
    /// Who is named for the complaints.
    pub named: Vec<String>,
    /// What is said of the first of them.
    pub line: String,
    /// Who is named when as many customers complain whom nothing links.
    pub named_by_chance: Vec<String>,
    /// How many entries the log has.
    pub entries: u64,
}

/// What came of everything.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The incidents, sorted by file name.
    pub incidents: Vec<Incident>,
    /// Honest work.
    pub honest: Vec<Honest>,
    /// Whom the logs of incidents name.
    pub traced: Vec<Traced>,
    /// How many audit logs there are, each verified.
    pub logs: u64,
    /// How many entries they have.
    pub entries: u64,
    /// How long playing took, in seconds.
    pub seconds: f64,
}

impl Outcome {
    /// How many honest jobs were asked, and how many of them were hindered.
    pub fn honest_asks(&self) -> (u64, u64) {
        self.honest.iter().fold((0, 0), |(asks, hindered), honest| {
            (asks.saturating_add(honest.asks), hindered.saturating_add(honest.hindered))
        })
    }

    /// How many decisions it took.
    pub fn decisions(&self) -> u64 {
        let incidents = self.incidents.iter().map(|incident| incident.decisions);
        incidents.chain(self.honest.iter().map(|honest| honest.decisions)).fold(0, u64::saturating_add)
    }
}
