//! The core module in the making: functions by index, types, and the bytes of the data segment.

use std::collections::BTreeMap;

use wasm_encoder as wasm;
use wasm_encoder::{ConstExpr, ExportKind, MemoryType, ValType};

use exportgate_contract::limits::MEMORY_BYTES_MAX;

use super::code::{Code, GLOBALS, Global};
use super::runtime::{self, Routine};

/// Where static data begins: below lies nothing, so that address 0 is never data.
const DATA_START: u32 = 64;

/// Bytes of a page of memory.
const PAGE_BYTES: u32 = 65_536;

/// Bytes of heap that memory has room for at the start, so that small frames never grow it: 32 KiB.
const HEAP_BYTES_START: u32 = 32 << 10;

/// The type of a function: parameters and results.
type Signature = (Vec<ValType>, Vec<ValType>);

/// The core module in the making.
#[derive(Debug, Default)]
pub(super) struct Module {
    signatures: Vec<Signature>,
    functions: Vec<(u32, Option<Code>)>,
    routines: BTreeMap<Routine, u32>,
    data: Vec<u8>,
    constants: BTreeMap<Vec<u8>, u32>,
    word_table: Option<u32>,
}

impl Module {
    /// Reserves the index of a function that is yet to be written.
    pub(super) fn declare(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let signature = (params.to_vec(), results.to_vec());
        let ty = match self.signatures.iter().position(|known| *known == signature) {
            Some(position) => position,
            None => {
                self.signatures.push(signature);
                self.signatures.len() - 1
            }
        };
        self.functions.push((index(ty), None));
        index(self.functions.len() - 1)
    }

    /// Gives a declared function its body.
    pub(super) fn define(&mut self, function: u32, code: Code) {
        if let Some(slot) = usize::try_from(function).ok().and_then(|function| self.functions.get_mut(function)) {
            slot.1 = Some(code);
        }
    }

    /// The function of a runtime routine, which is written when it is first asked for.
    pub(super) fn routine(&mut self, routine: Routine) -> u32 {
        if let Some(function) = self.routines.get(&routine) {
            return *function;
        }
        let (params, results) = routine.signature();
        let function = self.declare(params, results);
        self.routines.insert(routine, function);
        let code = runtime::emit(self, routine);
        self.define(function, code);
        function
    }

    /// The address of `words` as constant data; equal constants share one place.
    pub(super) fn constant(&mut self, words: &[u64]) -> u32 {
        self.constant_bytes(words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    /// The address of `bytes` as constant data, a multiple of 8; equal constants share one place.
    pub(super) fn constant_bytes(&mut self, bytes: Vec<u8>) -> u32 {
        if let Some(address) = self.constants.get(&bytes) {
            return *address;
        }
        let address = self.place(&bytes);
        self.constants.insert(bytes, address);
        address
    }

    /// The address of data that begins as `words` and is written to.
    pub(super) fn variable(&mut self, words: &[u64]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.place(&bytes)
    }

    /// The address of the table of words that all questions share, of `bytes`: each clears it before it uses it.
    pub(super) fn word_table(&mut self, bytes: u32) -> u32 {
        if let Some(address) = self.word_table {
            return address;
        }
        let address = self.variable(&vec![0; usize::try_from(bytes / 8).unwrap_or(0)]);
        self.word_table = Some(address);
        address
    }

    fn place(&mut self, bytes: &[u8]) -> u32 {
        let address = DATA_START + index(self.data.len());
        self.data.extend_from_slice(bytes);
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        address
    }

    /// Instructions that a call of `function` executes at most, where a loop counts as one round.
    pub(super) fn cost(&self, function: u32) -> u64 {
        let mut costs = vec![None; self.functions.len()];
        self.cost_of(function, &mut costs)
    }

    fn cost_of(&self, function: u32, costs: &mut [Option<u64>]) -> u64 {
        let position = usize::try_from(function).unwrap_or(usize::MAX);
        if let Some(Some(cost)) = costs.get(position) {
            return *cost;
        }
        // A routine that calls itself recurs over data, which the bound leaves out.
        if let Some(cost) = costs.get_mut(position) {
            *cost = Some(0);
        }
        let Some((_, Some(code))) = self.functions.get(position) else {
            return 0;
        };
        let calls = code.calls().iter().map(|callee| self.cost_of(*callee, costs));
        let cost = calls.fold(code.instructions(), u64::saturating_add);
        if let Some(slot) = costs.get_mut(position) {
            *slot = Some(cost);
        }
        cost
    }

    /// The module's bytes. `manifest` becomes the first section; `scratch_bytes` are kept between data and heap for the
    /// policies that err at a point.
    pub(super) fn finish(self, manifest: &[u8], scratch_bytes: u32, exports: &[(&str, u32)]) -> Vec<u8> {
        let mut types = wasm::TypeSection::new();
        for (params, results) in &self.signatures {
            types.ty().function(params.iter().copied(), results.iter().copied());
        }
        let mut functions = wasm::FunctionSection::new();
        let mut code = wasm::CodeSection::new();
        for (ty, body) in self.functions {
            functions.function(ty);
            code.function(&body.unwrap_or_else(|| Code::new(0)).finish());
        }
        let data_end = DATA_START + index(self.data.len());
        let heap_start = data_end + scratch_bytes.next_multiple_of(8);
        let pages = (heap_start + HEAP_BYTES_START).div_ceil(PAGE_BYTES);
        let mut memories = wasm::MemorySection::new();
        memories.memory(MemoryType {
            minimum: u64::from(pages),
            maximum: Some(MEMORY_BYTES_MAX as u64 / u64::from(PAGE_BYTES)),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut globals = wasm::GlobalSection::new();
        for global in 0..GLOBALS {
            let (mutable, value) = match global {
                g if g == Global::Heap as u32 => (true, heap_start),
                g if g == Global::HeapStart as u32 => (false, heap_start),
                g if g == Global::ErringStart as u32 => (false, data_end),
                g if g == Global::Limit as u32 => (true, pages * PAGE_BYTES),
                _ => (true, 0),
            };
            let ty = wasm::GlobalType { val_type: ValType::I32, mutable, shared: false };
            globals.global(ty, &ConstExpr::i32_const(value.cast_signed()));
        }
        let mut names = wasm::ExportSection::new();
        names.export("memory", ExportKind::Memory, 0);
        for (name, function) in exports {
            names.export(name, ExportKind::Func, *function);
        }
        let mut data = wasm::DataSection::new();
        if !self.data.is_empty() {
            data.active(0, &ConstExpr::i32_const(DATA_START.cast_signed()), self.data);
        }
        let manifest =
            wasm::CustomSection { name: exportgate_contract::MANIFEST_SECTION.into(), data: manifest.into() };
        let mut module = wasm::Module::new();
        module.section(&manifest).section(&types).section(&functions).section(&memories);
        module.section(&globals).section(&names).section(&code);
        if !data.is_empty() {
            module.section(&data);
        }
        module.finish()
    }

    /// Bytes of static data so far.
    pub(super) fn data_bytes(&self) -> usize {
        self.data.len()
    }
}

/// A position as the 32-bit number that Wasm has for it. INVARIANT: positions stay far below 2^32, since every table that
/// they come from has a limit; a wrapped one would fail validation.
pub(super) fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
