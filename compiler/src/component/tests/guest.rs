//! Runs a generated core module, as a host does.

use exportgate_contract::manifest::{Manifest, Schema};
use exportgate_contract::{MANIFEST_SECTION, answer};
use wasmtime::{Config, Engine, Instance, Memory, Module, OptLevel, Store};

use super::frame::Frame;
use crate::component::{emit, emit_core};
use crate::ir::Program;
use crate::manifest::Origin;
use crate::passes::Passes;

/// Satisfied and erring policies.
pub(super) type Outcome = (Vec<u32>, Vec<u32>);

/// An instance of a generated module.
pub(super) struct Guest {
    manifest: Manifest,
    pub(super) store: Store<()>,
    instance: Instance,
    memory: Memory,
}

/// What tests say of a pack's origin.
pub(super) fn origin() -> Origin {
    Origin {
        name: "test".to_owned(),
        version: "1.2.3".to_owned(),
        schema: Schema { text: String::new(), sha256: String::new(), types: Default::default() },
        catalogue: None,
        sources: Vec::new(),
    }
}

impl Guest {
    pub(super) fn new(program: Program, passes: &Passes) -> Self {
        let component = emit(program.clone(), origin(), passes).unwrap_or_else(|error| panic!("{error}"));
        let (core, manifest) = emit_core(program, origin(), passes).unwrap();
        assert_eq!(component.manifest, manifest);
        let printed = custom_section(&core);
        assert_eq!(serde_json::from_slice::<Manifest>(&printed).unwrap(), manifest);
        let mut config = Config::new();
        config.consume_fuel(true).cranelift_opt_level(OptLevel::None);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &core).unwrap();
        assert_eq!(module.imports().len(), 0);
        let mut store = Store::new(&engine, ());
        store.set_fuel(u64::MAX).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self { manifest, store, instance, memory }
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// Asks a frame: for each question asked, for each of its points, the outcome.
    pub(super) fn ask(&mut self, frame: &Frame) -> Vec<Vec<Outcome>> {
        let answer = self.call(&frame.words).unwrap_or_else(|error| panic!("{error:?}"));
        let (outcomes, numbers) = read_outcomes(&answer);
        let mut numbers = numbers.iter();
        let mut answers = Vec::new();
        for points in &frame.points {
            let question = numbers.by_ref().take(*points).map(|number| outcomes[*number as usize].clone());
            answers.push(question.collect());
        }
        assert_eq!(numbers.next(), None, "words left over");
        answers
    }

    /// The same, and no more instructions than the manifest says; for policies that look at no text or set.
    pub(super) fn ask_within_cost(&mut self, frame: &Frame) -> Vec<Vec<Outcome>> {
        let before = self.store.get_fuel().unwrap();
        let answer = self.ask(frame);
        let used = before - self.store.get_fuel().unwrap();
        let points: u64 = frame.points.iter().sum::<usize>() as u64;
        let bound = self.manifest.cost.call + self.manifest.cost.point * points;
        assert!(used <= bound, "{used} instructions for {points} points, where {bound} is the bound");
        answer
    }

    /// Passes words in, gets words out.
    pub(super) fn call(&mut self, words: &[u64]) -> wasmtime::Result<Vec<u32>> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let store = &mut self.store;
        let realloc = self.instance.get_typed_func::<(i32, i32, i32, i32), i32>(&mut *store, "cabi_realloc")?;
        let evaluate = self.instance.get_typed_func::<(i32, i32), i32>(&mut *store, "evaluate")?;
        let post_return = self.instance.get_typed_func::<i32, ()>(&mut *store, "cabi_post_evaluate")?;
        let address = realloc.call(&mut *store, (0, 0, 8, i32::try_from(bytes.len())?))?;
        assert_eq!(address % 8, 0);
        self.memory.write(&mut *store, usize::try_from(address)?, &bytes)?;
        let result = evaluate.call(&mut *store, (address, i32::try_from(words.len())?))?;
        assert_eq!(result % 4, 0);
        let mut area = [0; 8];
        self.memory.read(&*store, usize::try_from(result)?, &mut area)?;
        let [start, length] = [&area[..4], &area[4..]].map(|half| u32::from_le_bytes(half.try_into().unwrap()));
        assert_eq!(start % 4, 0);
        let mut bytes = vec![0; length as usize * 4];
        self.memory.read(&*store, start as usize, &mut bytes)?;
        post_return.call(&mut *store, result)?;
        Ok(bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect())
    }
}

/// The outcomes of an answer, and the words behind them.
pub(super) fn read_outcomes(words: &[u32]) -> (Vec<Outcome>, &[u32]) {
    assert_eq!(words[answer::WORD_TAG], answer::TAG);
    let mut rest = &words[answer::HEADER_WORDS..];
    let mut outcomes = Vec::new();
    for _ in 0..words[answer::WORD_OUTCOMES] {
        let (satisfied, erring) = (rest[0] as usize, rest[1] as usize);
        let lists = &rest[2..2 + satisfied + erring];
        outcomes.push((lists[..satisfied].to_vec(), lists[satisfied..].to_vec()));
        rest = &rest[2 + satisfied + erring..];
    }
    (outcomes, rest)
}

fn custom_section(core: &[u8]) -> Vec<u8> {
    let sections = wasmparser::Parser::new(0).parse_all(core).filter_map(|payload| match payload.unwrap() {
        wasmparser::Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
            Some(section.data().to_vec())
        }
        _ => None,
    });
    sections.last().unwrap()
}
