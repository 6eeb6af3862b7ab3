//! Messages: see `shared::fuzzing::message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| shared::fuzzing::message(input));
