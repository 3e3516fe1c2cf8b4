//! Tests of addresses, on their payloads: kind, 4 or 6, prefix, high and low 64 bits.
//!
//! CEDAR: an address with a prefix is a range, and a range passes a test only when it lies wholly within what the test
//! names: `127.0.0.0/7` isn't loopback. IPv4 addresses within IPv6 (`::ffff:7f00:1`) are IPv6 and nothing else.

use wasm_encoder::{Instruction as I, ValType};

use exportgate_contract::frame;

use crate::codegen::code::{Code, Local};
use crate::codegen::module::Module;
use crate::codegen::runtime::{Routine, emit_expect_kind};

const VERSION: u32 = 8;
const PREFIX: u32 = 16;
const HIGH: u32 = 24;
const LOW: u32 = 32;

/// `(symbol) -> address` of its payload. Traps when it isn't an address's.
pub(super) fn emit_ip_payload(module: &mut Module) -> Code {
    let payload = module.routine(Routine::Payload);
    let mut code = Code::new(1);
    let address = code.local(ValType::I32);
    code.get(Local(0)).call(payload).set(address);
    emit_expect_kind(&mut code, address, frame::PAYLOAD_IP);
    code.get(address);
    code
}

/// `(payload) -> bool`: whether the address is of version 4 or 6.
pub(super) fn emit_is_version(version: u32) -> Code {
    let mut code = Code::new(1);
    code.get(Local(0)).load32(VERSION).i32(version).push(&I::I32Eq);
    code
}

/// `(payload) -> bool`: within `127.0.0.0/8`, or exactly `::1`.
pub(super) fn emit_is_loopback() -> Code {
    let mut code = Code::new(1);
    let ip = Local(0);
    code.get(ip).load32(VERSION).i32(4).push(&I::I32Eq).if_result(ValType::I32);
    code.get(ip).load32(LOW).i32(24).push(&I::I32ShrU).i32(127).push(&I::I32Eq);
    emit_and_prefix_at_least(&mut code, ip, 8);
    code.else_();
    code.get(ip).load64(HIGH).get(ip).load64(LOW).i64(1).push(&I::I64Xor).push(&I::I64Or).push(&I::I64Eqz);
    emit_and_prefix_at_least(&mut code, ip, 128);
    code.end();
    code
}

/// `(payload) -> bool`: within `224.0.0.0/4` or `ff00::/8`.
pub(super) fn emit_is_multicast() -> Code {
    let mut code = Code::new(1);
    let ip = Local(0);
    code.get(ip).load32(VERSION).i32(4).push(&I::I32Eq).if_result(ValType::I32);
    code.get(ip).load32(LOW).i32(28).push(&I::I32ShrU).i32(14).push(&I::I32Eq);
    emit_and_prefix_at_least(&mut code, ip, 4);
    code.else_();
    code.get(ip).load64(HIGH).i64(56).push(&I::I64ShrU).i64(0xFF).push(&I::I64Eq);
    emit_and_prefix_at_least(&mut code, ip, 8);
    code.end();
    code
}

fn emit_and_prefix_at_least(code: &mut Code, ip: Local, bits: u32) {
    code.get(ip).load32(PREFIX).i32(bits).push(&I::I32GeU).push(&I::I32And);
}

/// `(inner, outer) -> bool`: whether every address of the first range lies in the second.
///
/// CEDAR: `isInRange` compares both ends of both ranges. Ranges are blocks of a power of two, aligned to it, so one lies in
/// the other exactly if it isn't larger and both agree in the outer's prefix. Versions must be equal.
pub(super) fn emit_ip_in_range() -> Code {
    let mut code = Code::new(2);
    let (inner, outer) = (Local(0), Local(1));
    let bits = code.local(ValType::I64);
    code.get(inner).load32(VERSION).get(outer).load32(VERSION).push(&I::I32Ne).if_();
    code.i32(0).push(&I::Return).end();
    code.get(inner).load32(PREFIX).get(outer).load32(PREFIX).push(&I::I32LtU).if_();
    code.i32(0).push(&I::Return).end();
    // An IPv4 address lies in the low 32 of 128 bits, so its prefix begins at bit 96; the bits before agree, being 0.
    code.get(outer).load64(PREFIX);
    code.i64(96).i64(0).get(outer).load32(VERSION).i32(4).push(&I::I32Eq).push(&I::Select);
    code.push(&I::I64Add).set(bits);
    code.get(bits).i64(64).push(&I::I64GeU).if_result(ValType::I32);
    emit_difference(&mut code, inner, outer, HIGH);
    code.push(&I::I64Eqz);
    // Shift amounts wrap at 64, so 64 - bits goes in two steps, since bits may be 0.
    code.else_();
    emit_difference(&mut code, inner, outer, HIGH);
    code.i64(1).push(&I::I64ShrU).i64(63).get(bits).push(&I::I64Sub).push(&I::I64ShrU).push(&I::I64Eqz);
    code.end();
    code.get(bits).i64(64).push(&I::I64LeU).if_result(ValType::I32);
    code.i32(1).else_();
    emit_difference(&mut code, inner, outer, LOW);
    code.i64(128).get(bits).push(&I::I64Sub).push(&I::I64ShrU).push(&I::I64Eqz);
    code.end();
    code.push(&I::I32And);
    code
}

/// Pushes the bits in which the words at `offset` differ.
fn emit_difference(code: &mut Code, inner: Local, outer: Local, offset: u32) {
    code.get(inner).load64(offset).get(outer).load64(offset).push(&I::I64Xor);
}
