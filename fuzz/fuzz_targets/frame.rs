//! Frames of the isolation's pipes: see `consumer::fuzzing::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| consumer::fuzzing::frame(input));
