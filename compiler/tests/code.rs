//! What the code generator writes, in numbers: for each case the size of the module, what it says that answering costs, and of
//! each function its instructions, locals and callees. What changes in generated code shows in these files; whether it still
//! answers as it must is for other tests to say.
//!
//! The packs are those of `lower/` and of `code/`; the numbers are in `code/NAME.numbers`. With `BLESS=1` they are rewritten;
//! the diff is to be reviewed.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::{Path, PathBuf};

    use exportgate_compiler::{CompileOptions, Pack, Passes, compile};
    use exportgate_contract::MANIFEST_SECTION;
    use wasmparser::{FunctionBody, Operator, Parser, Payload};

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
    }

    fn pack(text: &str) -> Pack {
        let input = text.split("--- expected\n").next().unwrap();
        let files: BTreeMap<String, Vec<u8>> = input
            .split("--- ")
            .skip(1)
            .map(|section| section.split_once('\n').unwrap())
            .map(|(name, body)| (name.to_owned(), body.as_bytes().to_vec()))
            .collect();
        let text = |name: &str| files.get(name).map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        match (text("schema"), text("policies")) {
            (Some(schema), Some(policies)) => Pack::bare("case", &schema, &policies),
            _ => Pack::from_files(&files).unwrap_or_else(|errors| panic!("{}", errors.render())),
        }
    }

    /// The line of one function.
    fn function(number: usize, body: &FunctionBody<'_>) -> String {
        let locals: u32 = body.get_locals_reader().unwrap().into_iter().map(|group| group.unwrap().0).sum();
        let (mut instructions, mut calls) = (0, BTreeMap::<u32, u32>::new());
        for operator in body.get_operators_reader().unwrap() {
            instructions += 1;
            if let Operator::Call { function_index } = operator.unwrap() {
                *calls.entry(function_index).or_default() += 1;
            }
        }
        let calls: String = calls.iter().map(|(callee, times)| format!(", {times} calls of f{callee}")).collect();
        format!("f{number}: {instructions} instructions, {locals} locals{calls}")
    }

    fn numbers(component: &[u8]) -> String {
        let (mut text, mut functions) = (String::new(), 0);
        for payload in Parser::new(0).parse_all(component) {
            match payload.unwrap() {
                Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                    let manifest: serde_json::Value = serde_json::from_slice(section.data()).unwrap();
                    writeln!(text, "cost {}", manifest["cost"]).unwrap();
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        writeln!(text, "memory of {} pages", memory.unwrap().initial).unwrap();
                    }
                }
                Payload::GlobalSection(globals) => {
                    let values = globals.into_iter().map(|global| {
                        match global.unwrap().init_expr.get_operators_reader().read().unwrap() {
                            Operator::I32Const { value } => value.to_string(),
                            other => format!("{other:?}"),
                        }
                    });
                    writeln!(text, "globals {}", values.collect::<Vec<_>>().join(" ")).unwrap();
                }
                Payload::DataSection(data) => {
                    for segment in data {
                        writeln!(text, "{} bytes of data", segment.unwrap().data.len()).unwrap();
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    writeln!(text, "{}", function(functions, &body)).unwrap();
                    functions += 1;
                }
                _ => {}
            }
        }
        text
    }

    #[test]
    fn generated_code_has_the_numbers_expected() {
        let paths = ["lower", "code"].map(folder).into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut cases: Vec<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
        cases.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
        cases.sort();
        assert!(cases.len() >= 6, "{cases:?}");
        let mut wrong = Vec::new();
        for path in cases {
            let pack = pack(&fs::read_to_string(&path).unwrap());
            let mut found = String::new();
            for (name, passes) in [("all passes", Passes::default()), ("no passes", Passes::NONE)] {
                let compiled = compile(&pack, &CompileOptions { passes });
                let compiled = compiled.unwrap_or_else(|errors| panic!("{}", errors.render()));
                write!(found, "{name}\n{}", numbers(&compiled.component)).unwrap();
            }
            let name = path.file_stem().unwrap().to_str().unwrap();
            let expected = folder("code").join(format!("{name}.numbers"));
            if std::env::var_os("BLESS").is_some() {
                fs::write(expected, found).unwrap();
            } else if fs::read_to_string(&expected).unwrap_or_default() != found {
                wrong.push(format!("{}:\n{found}", expected.display()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
