//! Sealed messages: see `shared::fuzzing::seal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| shared::fuzzing::seal(input));
