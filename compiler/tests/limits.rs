//! The limits of a pack: what meets one exactly compiles, one more is refused by the limit's name.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use exportgate_compiler::data::DataSchema;
    use exportgate_compiler::{CompileErrorKind, CompileErrors, CompileOptions, Format, Pack, compile, ir, lower};
    use exportgate_contract::limits::FUNCTION_BYTES_MAX;
    use wasmparser::{Parser, Payload};

    const SCHEMA: &str = "entity User in [User] = { boss: User, s: String }; entity Doc;
        action view appliesTo { principal: User, resource: Doc, context: { n: Long } };";

    /// Members of a set literal in one policy: what its text may take of the limit on one policy.
    const MEMBERS: usize = 8_192;

    fn bare(policies: &str) -> Result<ir::Program, CompileErrors> {
        lower(&Pack::bare("limit", SCHEMA, policies))
    }

    fn check_refused<T>(answer: Result<T, CompileErrors>, name: &str) {
        let Err(errors) = answer else { panic!("`{name}` lets more pass than it says") };
        assert_eq!(errors.kind(), CompileErrorKind::Limit, "{errors}");
        assert!(errors.to_string().contains(&format!("`{name}`")), "expected `{name}`: {errors}");
    }

    /// Policies about sets of `members`, in the place of `{}` in `condition`.
    fn sets(members: impl Iterator<Item = String>, condition: &str) -> String {
        let members: Vec<String> = members.collect();
        let policy = |some: &[String]| {
            let set = condition.replacen("{}", &format!("[{}]", some.join(",")), 1);
            format!("permit (principal, action, resource) when {{ {set} }};\n")
        };
        members.chunks(MEMBERS).map(policy).collect()
    }

    #[test]
    fn facts() {
        let users = |count: usize| sets((0..count).map(|i| format!("User::\"{i}\"")), "principal in {}");
        assert_eq!(bare(&users(65_536)).unwrap().facts.len(), 65_536);
        check_refused(bare(&users(65_537)), "FACTS_MAX");
    }

    #[test]
    fn terms() {
        // A constant and its attribute are two terms and one fact; a longer path is one term more.
        let names = |last: &str| {
            let names = (0..65_535).map(|i| format!("User::\"{i}\".s")).chain([format!("User::\"last\".{last}")]);
            sets(names, "{}.isEmpty()")
        };
        assert_eq!(bare(&names("s")).unwrap().terms.len(), 131_072);
        check_refused(bare(&names("boss.s")), "TERMS_MAX");
    }

    #[test]
    fn symbols() {
        // The names of a record's fields are symbols, and no terms.
        let records = |count: usize| {
            let names: Vec<String> = (0..count).map(|i| format!("k{i}:0")).collect();
            let records = names.chunks(20_000).fold(String::new(), |mut policies, names| {
                let _ = writeln!(
                    policies,
                    "permit (principal, action, resource) when {{ [{{{}}}].isEmpty() }};",
                    names.join(",")
                );
                policies
            });
            bare(&records)
        };
        assert_eq!(records(200_000).unwrap().symbols.len(), 200_000);
        check_refused(records(200_001), "SYMBOLS_MAX");
    }

    #[test]
    fn policies() {
        let policies = |count: usize| "permit (principal, action, resource) when { context.n == 1 };\n".repeat(count);
        let pack = Pack::bare("limit", SCHEMA, &policies(20_000));
        let artifact = compile(&pack, &CompileOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(artifact.manifest.policies.len(), 20_000);
        check_refused(bare(&policies(20_001)), "POLICIES_MAX");
    }

    #[test]
    fn questions() {
        let schema = |principals: usize, resources: usize| {
            let names = |prefix: &str, count: usize| (0..count).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>();
            let (principals, resources) = (names("P", principals).join(", "), names("R", resources).join(", "));
            format!(
                "entity {principals}, {resources}; action view appliesTo {{ principal: [{principals}], resource: [{resources}] }};"
            )
        };
        let ask = |schema: String| lower(&Pack::bare("limit", &schema, "permit (principal, action, resource);"));
        assert_eq!(ask(schema(64, 64)).unwrap().questions.len(), 4_096);
        check_refused(ask(schema(17, 241)), "QUESTIONS_MAX");
    }

    #[test]
    fn policy_files() {
        let read = |count: usize| {
            let names: Vec<String> = (0..count).map(|i| format!("\"{i}.cedar\"")).collect();
            let pack = format!(
                "name = \"x\"\nversion = \"1.0.0\"\nvocabulary = \"none\"\nschema = \"s\"\npolicies = [{}]\n",
                names.join(", ")
            );
            let mut files = BTreeMap::from([("pack.toml".to_owned(), pack), ("s".to_owned(), SCHEMA.to_owned())]);
            files
                .extend((0..count).map(|i| (format!("{i}.cedar"), "permit (principal, action, resource);".to_owned())));
            Pack::from_files(&files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect())
        };
        let program = read(1_024).and_then(|pack| lower(&pack)).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(program.policies.len(), 1_024);
        check_refused(read(1_025), "POLICY_FILES_MAX");
    }

    /// A pack that decides exports, with this catalogue.
    fn export_pack(policies: &str, catalogue: &str) -> Result<Pack, CompileErrors> {
        let schema = "namespace Export {
            entity Agent; entity Job; entity Customer = { n: Long }; entity Field; entity FieldClass;
            action export appliesTo { principal: Agent, resource: Job, context: { env: { purpose: String } } };
            action include appliesTo { principal: Agent, resource: Customer };
            action reveal;
            action reveal_plain, reveal_partial, reveal_token in [reveal] appliesTo { principal: Agent, resource: Field };
        }";
        let pack = "name = \"x\"\nversion = \"1.0.0\"\nschema = \"s\"\npolicies = [\"p.cedar\"]\ncatalogue = \"fields.toml\"\n";
        let files = [("pack.toml", pack), ("s", schema), ("p.cedar", policies), ("fields.toml", catalogue)];
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect();
        Pack::from_files(&files)
    }

    #[test]
    fn catalogue_entries() {
        let read = |count: usize| {
            let mut fields: String = (0..count - 1).map(|i| format!("[fields.f{i}]\nclasses = []\n")).collect();
            fields.push_str("[classes.secret]\nin = [\"sensitive\"]\n");
            let policy = "@id(\"all\") permit (principal, action, resource);";
            export_pack(policy, &fields).and_then(|pack| lower(&pack))
        };
        read(65_536).unwrap_or_else(|errors| panic!("{errors}"));
        check_refused(read(65_537), "CATALOGUE_ENTRIES_MAX");
    }

    /// A condition in JSON, below `levels` negations.
    fn json_policies(levels: usize) -> String {
        let body = format!("{}{{\"Value\": true}}{}", "{\"!\": {\"arg\": ".repeat(levels), "}}".repeat(levels));
        format!(
            r#"{{"staticPolicies": {{"deep": {{"effect": "permit", "principal": {{"op": "All"}}, "action": {{"op": "All"}},
            "resource": {{"op": "All"}}, "conditions": [{{"kind": "when", "body": {body}}}]}}}}, "templates": {{}}, "templateLinks": []}}"#
        )
    }

    #[test]
    fn nesting_of_json() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let lower = |schema: (Format, &str), policies: (Format, &str), links: Option<&str>| {
            lower(&Pack::bare_formats("limit", schema, policies, links))
        };
        let (cedar, all) = ((Format::Cedar, SCHEMA), (Format::Cedar, "permit (principal, action, resource);"));
        // Five brackets stand around a condition, two at each negation, one in the innermost value.
        lower(cedar, (Format::Json, &json_policies(60)), None).unwrap_or_else(|errors| panic!("{errors}"));
        check_refused(lower(cedar, (Format::Json, &json_policies(61)), None), "JSON_NESTING_MAX");
        check_refused(lower(cedar, (Format::Json, &json_policies(100_000)), None), "JSON_NESTING_MAX");
        check_refused(lower(cedar, (Format::Json, &deep), None), "JSON_NESTING_MAX");
        check_refused(lower((Format::Json, &deep), all, None), "JSON_NESTING_MAX");
        check_refused(lower(cedar, all, Some(&deep)), "JSON_NESTING_MAX");
        let set = |levels: usize| {
            format!(
                "{}{{\"type\": \"Long\"}}{}",
                "{\"type\": \"Set\", \"element\": ".repeat(levels),
                "}".repeat(levels)
            )
        };
        let schema = |levels: usize| {
            format!(r#"{{"": {{"commonTypes": {{"T": {}}}, "entityTypes": {{}}, "actions": {{}}}}}}"#, set(levels))
        };
        check_refused(lower((Format::Json, &schema(33)), all, None), "VALUE_DEPTH_MAX");
        check_refused(lower((Format::Json, &schema(200)), all, None), "JSON_NESTING_MAX");

        let data = DataSchema::new(Format::Cedar, SCHEMA).unwrap_or_else(|errors| panic!("{errors}"));
        let entity = format!(r#"[{{"uid": {{"type": "Doc", "id": "d"}}, "attrs": {{"x": {deep}}}, "parents": []}}]"#);
        for text in [&deep, &entity] {
            let error = data.entities(text).expect_err("entities nest too deep").to_string();
            assert!(error.contains("`JSON_NESTING_MAX`"), "{error}");
        }
        let action = exportgate_contract::value::EntityUid::new("Action", "view");
        let error =
            data.context(&action, &format!("{{\"n\": {deep}}}")).expect_err("a context nests too deep").to_string();
        assert!(error.contains("`JSON_NESTING_MAX`"), "{error}");
    }

    #[test]
    fn literals_of_a_megabyte() {
        // One policy in Cedar's syntax is bounded; in JSON a literal of a megabyte is only a long one, and compiles.
        let literal = "x".repeat(1 << 20);
        let text = format!("permit (principal, action, resource) when {{ principal.s == \"{literal}\" }};");
        check_refused(bare(&text), "POLICY_BYTES_MAX");
        let json = json_policies(0).replace(
            "{\"Value\": true}",
            &format!(r#"{{"like": {{"left": {{".": {{"left": {{"Var": "principal"}}, "attr": "s"}}}}, "pattern": ["Wildcard", {{"Literal": "{literal}"}}]}}}}"#),
        );
        let pack = Pack::bare_formats("limit", (Format::Cedar, SCHEMA), (Format::Json, &json), None);
        compile(&pack, &CompileOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    }

    /// A policy that builds a set of so many sums at each point.
    fn sums(count: usize) -> String {
        let sums: Vec<String> = (0..count).map(|i| format!("context.n+{i}")).collect();
        format!("permit (principal, action, resource) when {{ [{}].contains(7) }};\n", sums.join(","))
    }

    /// Policies with literals of so many bytes.
    fn literals(each: impl Iterator<Item = usize>) -> String {
        let policy = |(number, bytes): (usize, usize)| {
            let literal = format!("{number:02}{}", "x".repeat(bytes));
            format!("permit (principal, action, resource) when {{ principal.s like \"{literal}*\" }};\n")
        };
        each.enumerate().map(policy).collect()
    }

    /// Policies with annotations of a quarter of a megabyte, which the manifest holds.
    fn notes(count: usize) -> String {
        format!("@note(\"{}\") permit (principal, action, resource);\n", "x".repeat(250_000)).repeat(count)
    }

    fn compiled(policies: &str) -> Result<Vec<u8>, CompileErrors> {
        let pack = Pack::bare("limit", SCHEMA, policies);
        compile(&pack, &CompileOptions::default()).map(|artifact| artifact.component)
    }

    #[test]
    fn code_of_a_policy() {
        let (mut fits, mut too_large) = (1_000, 20_000);
        while too_large - fits > 1 {
            let middle = usize::midpoint(fits, too_large);
            match compiled(&sums(middle)) {
                Ok(_) => fits = middle,
                Err(_) => too_large = middle,
            }
        }
        let mut largest = 0;
        for payload in Parser::new(0).parse_all(&compiled(&sums(fits)).unwrap()) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                largest = largest.max(body.range().len());
            }
        }
        // One sum takes less than 64 bytes, and so does the room that is left for a function's own end.
        assert!(largest <= FUNCTION_BYTES_MAX && largest + 128 > FUNCTION_BYTES_MAX, "{largest} with {fits} sums");
        check_refused(compiled(&sums(too_large)), "FUNCTION_BYTES_MAX");
    }

    #[test]
    fn code_of_a_policy_about_rows() {
        let sums = |count: usize| {
            let sums: Vec<String> = (0..count).map(|i| format!("resource.n+{i}")).collect();
            let policy = format!(
                "@id(\"all\") permit (principal, action, resource);
                 @id(\"sums\") permit (principal, action == Export::Action::\"include\", resource) when {{ [{}].contains(7) }};",
                sums.join(",")
            );
            let pack = export_pack(&policy, "[fields.f]\nclasses = []\n");
            pack.and_then(|pack| compile(&pack, &CompileOptions::default())).map(drop)
        };
        sums(1_000).unwrap_or_else(|errors| panic!("{errors}"));
        check_refused(sums(14_500), "FUNCTION_BYTES_MAX");
    }

    #[test]
    fn literals_of_all_policies() {
        const MOST: usize = 8 << 20;
        let taken = |last: usize| {
            let errors = compiled(&literals(std::iter::repeat_n(250_000, 33).chain([last]))).err()?;
            let text = errors.to_string();
            check_refused::<()>(Err(errors), "DATA_BYTES_MAX");
            let bytes = text.split("take ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
            Some(bytes.unwrap_or_else(|| panic!("{text}")))
        };
        let fits = 250_000 - (taken(250_000).unwrap() - MOST);
        assert_eq!((taken(fits), taken(fits + 8)), (None, Some(MOST + 8)));
    }

    #[test]
    fn manifests() {
        compiled(&notes(33)).unwrap_or_else(|errors| panic!("{errors}"));
        check_refused(compiled(&notes(34)), "MANIFEST_BYTES_MAX");
    }

    #[test]
    fn components() {
        let all = |sums_of_each: usize| {
            let parts = [literals(std::iter::repeat_n(250_000, 33)), notes(33), sums(sums_of_each)];
            compiled(&parts.concat())
        };
        all(100).unwrap_or_else(|errors| panic!("{errors}"));
        check_refused(all(9_000), "MODULE_BYTES_MAX");
    }
}
