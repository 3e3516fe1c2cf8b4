//! Drives `evaluate` of a core module through the canonical ABI, and trusts nothing that it returns.
//!
//! The canonical ABI of `func(frame: list<u64>) -> list<u32>`: the caller asks `realloc` for room, writes the words there,
//! calls `evaluate` with pointer and length, reads from the pointer it returns the pointer and length of the answer, copies
//! the answer, and calls `post-return` with the same pointer.

use exportgate_contract::limits::ANSWER_WORDS_MAX;

use crate::engine::Engine;
use crate::error::{EvaluateError, GuestCall, PointerFault};
use crate::instance::Instance;
use crate::limits::DEADLINE_TICKS;

/// Bytes, and alignment, of a word of a frame.
const FRAME_WORD: u32 = 8;

/// Bytes, and alignment, of a word of an answer and of each half of the result.
const ANSWER_WORD: u32 = 4;

/// Bytes of the result: the pointer to the answer and its length.
const RESULT_BYTES: usize = 8;

/// Asks `instance` once: passes `frame` in, and replaces `answer` by what comes back. The call may use so much `fuel`.
///
/// # Errors
///
/// [`EvaluateError`] for whatever the guest does wrong. The instance must not be used again then.
pub(crate) fn call(
    instance: &mut Instance,
    engine: &Engine,
    fuel: u64,
    frame: &[u64],
    answer: &mut Vec<u32>,
) -> Result<(), EvaluateError> {
    let internal = |message: String| EvaluateError::Internal { message };
    instance.store.set_fuel(fuel).map_err(|error| internal(format!("{error:#}")))?;
    // One more, because the first tick can come at once.
    instance.store.set_epoch_deadline(DEADLINE_TICKS + 1);

    let frame_bytes = frame.len().checked_mul(8).and_then(|bytes| u32::try_from(bytes).ok());
    let frame_bytes = frame_bytes.ok_or_else(|| internal("a frame beyond 4 GiB".to_owned()))?;
    let room = instance.realloc.call(&mut instance.store, (0, 0, FRAME_WORD, frame_bytes));
    let pointer = room.map_err(|error| instance.store.data().fault(GuestCall::Realloc, engine, fuel, &error))?;
    write_frame(instance.memory.data_mut(&mut instance.store), pointer, frame)?;

    let length = u32::try_from(frame.len()).map_err(|_| internal("a frame beyond 4 GiB".to_owned()))?;
    let result = instance.evaluate.call(&mut instance.store, (pointer, length));
    let result = result.map_err(|error| instance.store.data().fault(GuestCall::Evaluate, engine, fuel, &error))?;
    read_answer(instance.memory.data(&instance.store), result, answer)?;

    if let Some(post_return) = &instance.post_return {
        let done = post_return.call(&mut instance.store, result);
        done.map_err(|error| instance.store.data().fault(GuestCall::PostReturn, engine, fuel, &error))?;
    }
    Ok(())
}

fn write_frame(memory: &mut [u8], pointer: u32, frame: &[u64]) -> Result<(), EvaluateError> {
    let bytes = frame.len().saturating_mul(8);
    let memory_bytes = memory.len();
    let refuse = |fault| EvaluateError::ReallocPointer { pointer, bytes, fault };
    let start = aligned(pointer, FRAME_WORD).map_err(refuse)?;
    let room = start
        .checked_add(bytes)
        .and_then(|end| memory.get_mut(start..end))
        .ok_or_else(|| refuse(PointerFault::OutOfRange { memory_bytes }))?;
    for (to, word) in room.as_chunks_mut::<8>().0.iter_mut().zip(frame) {
        *to = word.to_le_bytes();
    }
    Ok(())
}

fn read_answer(memory: &[u8], result: u32, answer: &mut Vec<u32>) -> Result<(), EvaluateError> {
    let outside = PointerFault::OutOfRange { memory_bytes: memory.len() };
    let refuse = |fault| EvaluateError::ResultPointer { pointer: result, fault };
    let start = aligned(result, ANSWER_WORD).map_err(refuse)?;
    let end = start.checked_add(RESULT_BYTES).ok_or_else(|| refuse(outside))?;
    let area = memory.get(start..end).ok_or_else(|| refuse(outside))?;
    let &[[a, b, c, d], [e, f, g, h]] = area.as_chunks::<4>().0 else { return Err(refuse(outside)) };
    let (pointer, words) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));

    let refuse = |fault| EvaluateError::AnswerPointer { pointer, words, fault };
    let count = usize::try_from(words).unwrap_or(usize::MAX);
    if count > ANSWER_WORDS_MAX {
        return Err(EvaluateError::AnswerTooLong { words });
    }
    let list = aligned(pointer, ANSWER_WORD).map_err(refuse)?;
    let list_end = count.checked_mul(4).and_then(|bytes| list.checked_add(bytes)).ok_or_else(|| refuse(outside))?;
    let bytes = memory.get(list..list_end).ok_or_else(|| refuse(outside))?;
    if count > 0 && list < end && start < list_end {
        return Err(refuse(PointerFault::OverlapsResult));
    }
    answer.clear();
    answer.extend(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)));
    Ok(())
}

/// The pointer as an offset, if it is a multiple of `alignment`.
fn aligned(pointer: u32, alignment: u32) -> Result<usize, PointerFault> {
    if !pointer.is_multiple_of(alignment) {
        return Err(PointerFault::Misaligned { alignment });
    }
    usize::try_from(pointer).map_err(|_| PointerFault::Misaligned { alignment })
}
