//! Lowers the case files in `lower/` and compares the IR, and compiles those in `errors/` and compares what is reported.
//!
//! A case is sections that begin with `--- NAME`: `schema` and `policies` (or any files of a pack, by path), then `expected`.
//! With `BLESS=1` the last is rewritten; the diff is to be reviewed.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use exportgate_compiler::{CompileErrorKind, CompileErrors, Format, Pack, ir, lower};

    const SCHEMA: &str = "entity User in [User] = { boss: User, s: String }; entity Doc;
        action view appliesTo { principal: User, resource: Doc, context: { n: Long } };";

    fn check_dir(dir: &str, answer: impl Fn(&BTreeMap<String, Vec<u8>>) -> String) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(dir);
        let mut cases = 0;
        let mut wrong = Vec::new();
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let (input, expected) = text.split_once("--- expected\n").expect("a case has an expected section");
            let mut files = BTreeMap::new();
            for section in input.split("--- ").skip(1) {
                let (name, body) = section.split_once('\n').unwrap();
                files.insert(name.to_owned(), body.as_bytes().to_vec());
            }
            let found = answer(&files);
            cases += 1;
            if found != expected {
                if std::env::var_os("BLESS").is_some() {
                    fs::write(&path, format!("{input}--- expected\n{found}")).unwrap();
                } else {
                    wrong.push(format!("{}:\nexpected\n{expected}\nfound\n{found}", path.display()));
                }
            }
        }
        assert!(cases > 0, "no cases in {}", dir.display());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Pack, CompileErrors> {
        match (files.get("schema"), files.get("policies")) {
            (Some(schema), Some(policies)) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                Ok(Pack::bare("case", &text(schema), &text(policies)))
            }
            _ => Pack::from_files(files),
        }
    }

    fn check_limit(name: &str, schema: &str, policies: &str) {
        let errors = lower(&Pack::bare("limit", schema, policies)).expect_err("the pack exceeds a limit");
        assert_eq!(errors.kind(), CompileErrorKind::Limit, "{errors}");
        assert!(errors.to_string().contains(name), "expected `{name}`: {errors}");
    }

    fn permit(condition: &str) -> String {
        format!("permit (principal, action, resource) when {{ {condition} }};")
    }

    /// An expression that may stand for `leaves` different entities.
    fn choice(leaves: usize) -> String {
        (1..leaves)
            .fold("principal".to_owned(), |rest, n| format!("(if context.n == {n} then {rest} else principal.boss)"))
    }

    #[test]
    fn conditions_lower_to_the_ir_expected() {
        check_dir("lower", |files| {
            let program =
                pack(files).and_then(|pack| lower(&pack)).unwrap_or_else(|errors| panic!("{}", errors.render()));
            ir::verify::verify(&program).unwrap();
            ir::print::print_program(&program)
        });
    }

    #[test]
    fn faults_are_reported_with_place_and_help() {
        check_dir("errors", |files| match pack(files).and_then(|pack| lower(&pack)) {
            Ok(_) => panic!("a case of an error compiles"),
            Err(errors) => errors.render(),
        });
    }

    #[test]
    fn inputs_without_bound_meet_a_named_limit() {
        let permit_all = "permit (principal, action, resource);";
        check_limit("NESTING_MAX", SCHEMA, &permit(&format!("{}true{}", "(".repeat(100_000), ")".repeat(100_000))));
        check_limit("NESTING_MAX", SCHEMA, &permit(&format!("{}true", "if true then true else ".repeat(10_000))));
        check_limit(
            "NESTING_MAX",
            &format!("type T = {}Long{};", "Set<".repeat(100_000), ">".repeat(100_000)),
            permit_all,
        );
        check_limit("EXPR_DEPTH_MAX", SCHEMA, &permit(&["context.n == 1"; 12_000].join(" && ")));
        check_limit("POLICY_BYTES_MAX", SCHEMA, &permit(&format!("principal.s == \"{}\"", "x".repeat(1 << 20))));
        check_limit("TERM_DEPTH_MAX", SCHEMA, &permit(&format!("principal{}.s == \"x\"", ".boss".repeat(70))));
        check_limit("LEAVES_MAX", SCHEMA, &permit(&format!("{} in {}", choice(40), choice(40))));
        let deep = (0..10).fold("principal".to_owned(), |rest, _| {
            format!("(if {} in {} then {rest} else principal.boss)", choice(30), choice(30))
        });
        check_limit("COPIED_NODES_MAX", SCHEMA, &permit(&format!("{} in {deep}", choice(30))));
        let doubled: String = (1..30).map(|i| format!("type T{i} = {{a: T{0}, b: T{0}}};", i - 1)).collect();
        let schema = SCHEMA.replace("n: Long", "n: T29");
        check_limit("TYPE_PARTS_MAX", &format!("type T0 = {{a: Long}};{doubled}{schema}"), permit_all);
        let chain: String = (1..10_000).map(|i| format!("type T{i} = {{a: T{}}};", i - 1)).collect();
        check_limit("VALUE_DEPTH_MAX", &format!("type T0 = {{a: Long}};{chain}{SCHEMA}"), permit_all);
        let nested = format!("{}Long{}", "{a: ".repeat(40), "}".repeat(40));
        check_limit("VALUE_DEPTH_MAX", &SCHEMA.replace("n: Long", &format!("n: {nested}")), permit_all);
    }

    #[test]
    fn text_that_is_no_utf8_or_too_long_is_refused() {
        let pack_file = "name = \"x\"\nversion = \"1.0.0\"\nschema = \"s\"\npolicies = [\"p\"]\n";
        let read = |policies: Vec<u8>| {
            let files = [("pack.toml", pack_file.into()), ("s", SCHEMA.into()), ("p", policies)];
            let files = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
            Pack::from_files(&files).expect_err("the file is refused").to_string()
        };
        assert_eq!(read(b"permit \xff".to_vec()), "`p` isn't UTF-8: the fault is at byte 7");
        assert!(read(vec![b' '; (16 << 20) + 1]).contains("more than the limit `FILE_BYTES_MAX`"));
    }

    #[test]
    fn json_lowers_as_cedar_does() {
        let schema = r#"{"": {"entityTypes": {"User": {}, "Doc": {"shape": {"type": "Record", "attributes":
            {"owner": {"type": "Entity", "name": "User"}}}}}, "actions": {"view": {"appliesTo":
            {"principalTypes": ["User"], "resourceTypes": ["Doc"]}}}}}"#;
        let policies = r#"{"staticPolicies": {"mine": {"effect": "permit", "principal": {"op": "All"},
            "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": [{"kind": "when", "body":
            {"==": {"left": {".": {"left": {"Var": "resource"}, "attr": "owner"}}, "right": {"Var": "principal"}}}}]}},
            "templates": {"t": {"effect": "forbid", "principal": {"op": "==", "slot": "?principal"},
            "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": []}},
            "templateLinks": [{"templateId": "t", "newId": "link", "values": {"?principal": {"type": "User", "id": "eve"}}}]}"#;
        let pack = Pack::bare_formats("json", (Format::Json, schema), (Format::Json, policies), None);
        let program = lower(&pack).unwrap_or_else(|errors| panic!("{}", errors.render()));
        let printed = ir::print::print_program(&program);
        assert_eq!(
            printed,
            "f0 = resource.owner: User job\nf1 = principal: User job\n\
             question Action::\"view\" principal User resource Doc\n  mine: (equal f0 f1)\n  link: (equal f1 User::\"eve\")\n"
        );
    }
}
