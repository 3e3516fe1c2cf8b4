//! `exportgate inspect`: shows what a component says of itself, without running it.

use exportgate::Module;
use exportgate_contract::EVALUATE;
use exportgate_contract::manifest::{Axis, Effect, Manifest, Question};

use crate::args::Inspect;
use crate::failure::{Exit, Failure};
use crate::input::{self, MODULE_FILE_BYTES_MAX};
use crate::output::{self, count, size};

/// Runs the command.
pub fn run(args: &Inspect) -> Result<Exit, Failure> {
    let bytes = input::read(&args.component, MODULE_FILE_BYTES_MAX)?;
    let inspected =
        Module::inspect(&bytes).map_err(|error| Failure::file(&args.component, &error).help(error.help()))?;
    if args.json {
        let json =
            serde_json::to_string_pretty(&inspected.manifest).map_err(|error| Failure::output(error.to_string()))?;
        output::print(&json)?;
        return Ok(Exit::Done);
    }
    show(&inspected.manifest, &inspected.sha256, bytes.len())?;
    Ok(Exit::Done)
}

fn show(manifest: &Manifest, sha256: &str, bytes: usize) -> Result<(), Failure> {
    let mut facts = output::bare_table();
    let mut fact = |name: &str, value: String| output::row(&mut facts, [name.to_owned(), value]);
    fact("pack", format!("{} {}", manifest.name, manifest.version));
    fact("sha256", sha256.to_owned());
    fact("size", size(bytes));
    fact("contract", manifest.contract.to_string());
    fact("made by", manifest.producer.clone());
    fact("exports", EVALUATE.to_owned());
    fact("imports", "none".to_owned());
    fact("schema sha256", manifest.schema.sha256.clone());
    if let Some(catalogue) = &manifest.catalogue {
        fact("catalogue", format!("{} fields, sha256 {}", catalogue.fields.len(), catalogue.sha256));
    }
    fact("policies", by_effect(manifest));
    fact("questions", by_axis(manifest.questions.iter().map(|question| question.axis)));
    fact("facts", by_axis(manifest.facts.iter().map(|fact| fact.axis)));
    fact("symbols", count(manifest.symbols.len().try_into().unwrap_or(u64::MAX)));
    fact(
        "cost",
        format!("{} instructions a call and {} a point at most", count(manifest.cost.call), count(manifest.cost.point)),
    );
    for source in &manifest.sources {
        fact("source", format!("{} sha256 {}", source.path, source.sha256));
    }
    output::print_table(&facts)?;
    output::print("")?;
    output::print_table(&policies(manifest))?;
    output::print("")?;
    output::print_table(&questions(manifest))
}

fn by_effect(manifest: &Manifest) -> String {
    let permits = manifest.policies.iter().filter(|policy| policy.effect == Effect::Permit).count();
    let forbids = manifest.policies.len().saturating_sub(permits);
    format!("{} ({permits} permit, {forbids} forbid)", manifest.policies.len())
}

fn by_axis(axes: impl Iterator<Item = Axis> + Clone) -> String {
    let parts = [Axis::Job, Axis::Row, Axis::Column, Axis::Cell]
        .into_iter()
        .map(|axis| (axis, axes.clone().filter(|found| *found == axis).count()))
        .filter(|(_, found)| *found > 0)
        .map(|(axis, found)| format!("{found} {}", axis_name(axis)));
    format!("{} ({})", axes.clone().count(), parts.collect::<Vec<_>>().join(", "))
}

fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Job => "a job",
        Axis::Row => "a customer",
        Axis::Column => "a field",
        Axis::Cell => "a customer and field",
    }
}

fn policies(manifest: &Manifest) -> comfy_table::Table {
    let mut table = output::table(["policy", "effect", "annotations"]);
    for policy in &manifest.policies {
        let effect = match policy.effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        };
        let annotations = policy.annotations.iter().filter(|(key, _)| *key != "id");
        let annotations = annotations
            .map(|(key, value)| if value.is_empty() { format!("@{key}") } else { format!("@{key}({value:?})") });
        output::row(&mut table, [policy.id.clone(), effect.to_owned(), annotations.collect::<Vec<_>>().join(" ")]);
    }
    table
}

fn questions(manifest: &Manifest) -> comfy_table::Table {
    let mut table = output::table(["question", "principal", "resource", "asked once", "facts", "policies"]);
    output::align_right(&mut table, &[4, 5]);
    for Question { action, principal, resource, axis, facts, policies, .. } in &manifest.questions {
        output::row(
            &mut table,
            [
                action.to_string(),
                principal.to_string(),
                resource.to_string(),
                axis_name(*axis).to_owned(),
                facts.len().to_string(),
                policies.len().to_string(),
            ],
        );
    }
    table
}
