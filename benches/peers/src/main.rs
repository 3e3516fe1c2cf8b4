//! Times regorus and casbin for `exportgate-benches`: one JSON object a line in, one a line out.
//!
//! The first line holds rules and requests, and is answered with what each engine says to each request, so that whoever asks
//! can compare before anything is timed. Each line after it names an engine and a number of iterations, and is answered with
//! the nanoseconds that so many evaluations of the first request took.

mod casbin_peer;
mod regorus_peer;

use std::io::{BufRead as _, Write as _};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// The rules in the order of the Cedar policies, the rule of owners first, and what is asked.
#[derive(Deserialize)]
pub struct Setup {
    /// `policy1` and on: whoever has the role, of more than this level, at an open document before the hour.
    pub rules: Vec<Rule>,
    /// What is asked.
    pub requests: Vec<Asked>,
}

/// A rule for a role.
#[derive(Deserialize)]
pub struct Rule {
    pub role: String,
    pub level: i32,
    pub hour: i32,
}

/// A request.
#[derive(Clone, Deserialize)]
pub struct Asked {
    pub principal: String,
    pub role: String,
    pub level: i32,
    pub owner: String,
    pub open: bool,
    pub hour: i32,
}

#[derive(Serialize)]
struct Answers {
    /// For each request the ids of the policies that permit it, ascending.
    regorus: Vec<Vec<String>>,
    /// For each request whether it is allowed; casbin names no policies.
    casbin: Vec<bool>,
}

#[derive(Deserialize)]
struct Order {
    engine: String,
    iterations: u64,
}

#[derive(Serialize)]
struct Timed {
    nanoseconds: u64,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut lines = std::io::stdin().lock().lines();
    let setup: Setup = serde_json::from_str(&lines.next().ok_or("no setup")??)?;
    let regorus = regorus_peer::Peer::new(&setup)?;
    let casbin = casbin_peer::Peer::new(&setup)?;
    let answers = Answers {
        regorus: (0..setup.requests.len()).map(|request| regorus.permits(request)).collect::<Result<_, _>>()?,
        casbin: (0..setup.requests.len()).map(|request| casbin.allows(request)).collect::<Result<_, _>>()?,
    };
    say(&answers)?;
    for line in lines {
        let order: Order = serde_json::from_str(&line?)?;
        let begin = Instant::now();
        for _ in 0..order.iterations {
            match order.engine.as_str() {
                "regorus" => drop(std::hint::black_box(regorus.ask(0)?)),
                "casbin" => drop(std::hint::black_box(casbin.allows(0)?)),
                other => return Err(format!("no engine `{other}`").into()),
            }
        }
        say(&Timed { nanoseconds: u64::try_from(begin.elapsed().as_nanos())? })?;
    }
    Ok(())
}

fn say(what: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
