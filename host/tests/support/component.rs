//! Components for tests: what wit-component makes of a core module, around the contract's world.

use std::borrow::Cow;

use exportgate_contract::{WIT, WORLD};

/// Adds a custom section to a core module.
pub(crate) fn add_section(core: &mut Vec<u8>, name: &str, data: &[u8]) {
    use wasm_encoder::{ComponentSection as _, CustomSection};
    CustomSection { name: name.into(), data: Cow::Borrowed(data) }.append_to_component(core);
}

/// The component that wit-component makes of a core module.
pub(crate) fn component(mut core: Vec<u8>) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("policy.wit", WIT).expect("the contract parses");
    let world = resolve.select_world(&[package], Some(WORLD)).expect("the contract has the world");
    wit_component::embed_component_metadata(&mut core, &resolve, world, wit_component::StringEncoding::UTF8)
        .expect("the world fits");
    let encoder = wit_component::ComponentEncoder::default().module(&core).expect("the core module fits the world");
    encoder.validate(true).encode().expect("the component is valid")
}
