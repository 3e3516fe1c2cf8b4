//! Job files: see `exportgate_tests::fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| exportgate_tests::fuzz::job_file(data));
