//! Parts of outcomes, from a file's words to their sum: see `consumer::fuzzing::words` and
//! `reducer::fuzzing::parts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    reducer::fuzzing::parts(&[input]);
    let (parts, sum) = consumer::fuzzing::words(input);
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    assert_eq!(reducer::fuzzing::parts(&parts), Some(sum));
});
