//! File names in JSON: see `shared::fuzzing::names`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| shared::fuzzing::names(input));
