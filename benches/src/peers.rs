//! Engines that are built apart, in the workspace `benches/peers`, and timed there on request: cargo would unite what they
//! want of common crates with what the product is built with.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::compare::{CASBIN, Contender, REGORUS};

/// The program that times them.
pub struct Peers {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// What they answered.
pub struct PeerAnswers {
    /// For each request the ids of the policies that permit it, ascending.
    pub regorus: Vec<Vec<String>>,
    /// For each request whether it is allowed.
    pub casbin: Vec<bool>,
}

impl Peers {
    /// Builds the program.
    ///
    /// # Panics
    ///
    /// When cargo fails.
    pub fn build() {
        let status = cargo("build").status().unwrap();
        assert!(status.success(), "cargo couldn't build `benches/peers`");
    }

    /// Starts it with rules and requests, and returns what it answers to them.
    ///
    /// # Panics
    ///
    /// When it can't be started, or fails.
    pub fn start(setup: &Json) -> (Self, PeerAnswers) {
        let mut child = cargo("run").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut peers = Self { child, to, from };
        let answers = peers.ask(setup);
        let regorus = answers["regorus"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ids| ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect());
        let casbin = answers["casbin"].as_array().unwrap().iter().map(|allowed| allowed.as_bool().unwrap());
        let answers = PeerAnswers { regorus: regorus.collect(), casbin: casbin.collect() };
        (peers, answers)
    }

    fn ask(&mut self, what: &Json) -> Json {
        writeln!(self.to, "{what}").unwrap();
        self.to.flush().unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("`benches/peers` says `{line}`: {error}"))
    }

    /// The engines, each asked the first request.
    pub fn contenders(self) -> Vec<Contender> {
        let shared = Rc::new(RefCell::new(self));
        [REGORUS, CASBIN]
            .map(|engine| {
                let shared = shared.clone();
                Contender::timed(engine, move |iterations| {
                    let answer = shared.borrow_mut().ask(&json!({"engine": engine, "iterations": iterations}));
                    Duration::from_nanos(answer["nanoseconds"].as_u64().unwrap())
                })
            })
            .into()
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It ends by itself when its input does; it is killed because nobody waits for the sample that it may be taking.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cargo(verb: &str) -> Command {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/Cargo.toml");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([verb, "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
    command
}
