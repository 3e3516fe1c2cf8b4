//! The rules in Rego, compiled once, each request a prepared value: regorus's best case.

use std::fmt::Write as _;

use regorus::{CompiledPolicy, Engine, Value};

use crate::{Failure, Setup};

/// How each file begins.
const HEAD: &str = "package bench\nimport rego.v1\n";

/// regorus takes no file of more than a mebibyte.
const RULES_PER_FILE: usize = 4_000;

pub struct Peer {
    compiled: CompiledPolicy,
    inputs: Vec<Value>,
}

impl Peer {
    pub fn new(setup: &Setup) -> Result<Self, Failure> {
        let mut engine = Engine::new();
        let owners = "permits contains \"policy0\" if input.resource.owner == input.principal.id\n";
        engine.add_policy("owners.rego".to_owned(), format!("{HEAD}{owners}"))?;
        let mut place = 0;
        for (file, rules) in setup.rules.chunks(RULES_PER_FILE).enumerate() {
            let mut rego = HEAD.to_owned();
            for rule in rules {
                place += 1;
                writeln!(
                    rego,
                    "permits contains \"policy{place}\" if {{ \"{}\" in input.principal.roles; input.principal.level > {}; \
                     input.resource.open; input.context.hour < {} }}",
                    rule.role, rule.level, rule.hour
                )?;
            }
            engine.add_policy(format!("roles{file}.rego"), rego)?;
        }
        let compiled = engine.compile_with_entrypoint(&"data.bench.permits".into())?;
        let input = |asked: &crate::Asked| {
            let json = serde_json::json!({
                "principal": {"id": asked.principal, "roles": [asked.role], "level": asked.level},
                "resource": {"owner": asked.owner, "open": asked.open},
                "context": {"hour": asked.hour},
            });
            Value::from_json_str(&json.to_string())
        };
        Ok(Self { compiled, inputs: setup.requests.iter().map(input).collect::<Result<_, _>>()? })
    }

    pub fn ask(&self, request: usize) -> Result<Value, Failure> {
        let input = self.inputs.get(request).ok_or("no such request")?;
        Ok(self.compiled.eval_with_input(input.clone())?)
    }

    pub fn permits(&self, request: usize) -> Result<Vec<String>, Failure> {
        let found = self.ask(request)?;
        let ids = found.as_set()?.iter().map(|id| Ok(id.as_string()?.to_string()));
        let mut ids: Vec<String> = ids.collect::<Result<_, Failure>>()?;
        ids.sort();
        Ok(ids)
    }
}
