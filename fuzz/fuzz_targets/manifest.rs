//! Lines of manifests: see `reducer::fuzzing::manifest`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| reducer::fuzzing::manifest(input));
