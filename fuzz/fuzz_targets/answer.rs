//! Answers of guests, as the host reads them: see `exportgate_tests::fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| exportgate_tests::fuzz::answer(data));
