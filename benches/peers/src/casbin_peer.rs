//! The rules as casbin's rows under one matcher, roles by its own role manager.

use casbin::function_map::OperatorFunction;
use casbin::rhai::Dynamic;
use casbin::{CoreApi as _, DefaultModel, Enforcer, StringAdapter};

use crate::{Asked, Failure, Setup};

const MODEL: &str = "
[request_definition]
r = sub, level, owner, open, hour

[policy_definition]
p = role, level, hour

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = p.role == \"owner\" && r.owner == r.sub || g(r.sub, p.role) && more(r.level, p.level) && r.open == \"true\" && more(p.hour, r.hour)
";

pub struct Peer {
    enforcer: Enforcer,
    requests: Vec<Vec<String>>,
}

impl Peer {
    pub fn new(setup: &Setup) -> Result<Self, Failure> {
        let mut rows = vec!["p, owner, 0, 0".to_owned()];
        rows.extend(setup.rules.iter().map(|rule| format!("p, {}, {}, {}", rule.role, rule.level, rule.hour)));
        // Who has which role can't differ by request here, so agents of different roles are different agents.
        let mut roles: Vec<String> =
            setup.requests.iter().map(|asked| format!("g, {}, {}", asked.principal, asked.role)).collect();
        roles.sort();
        roles.dedup();
        rows.extend(roles);
        let mut enforcer = pollster::block_on(async {
            Enforcer::new(DefaultModel::from_str(MODEL).await?, StringAdapter::new(rows.join("\n"))).await
        })?;
        enforcer.add_function(
            "more",
            OperatorFunction::Arg2(|left: Dynamic, right: Dynamic| {
                let number = |value: Dynamic| value.into_string().ok().and_then(|text| text.parse::<i32>().ok());
                matches!((number(left), number(right)), (Some(left), Some(right)) if left > right).into()
            }),
        );
        Ok(Self { enforcer, requests: setup.requests.iter().map(request).collect() })
    }

    pub fn allows(&self, request: usize) -> Result<bool, Failure> {
        Ok(self.enforcer.enforce(self.requests.get(request).ok_or("no such request")?.clone())?)
    }
}

fn request(asked: &Asked) -> Vec<String> {
    vec![
        asked.principal.clone(),
        asked.level.to_string(),
        asked.owner.clone(),
        asked.open.to_string(),
        asked.hour.to_string(),
    ]
}
