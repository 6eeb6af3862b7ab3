//! Damaged stores: see `reducer::fuzzing::store`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| reducer::fuzzing::store(input));
