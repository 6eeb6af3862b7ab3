//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3, 2011).

const FACTORS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let product = |word: u32, factor: u32| {
            let product = u64::from(word) * u64::from(factor);
            ((product >> 32) as u32, product as u32)
        };
        let (high, low) = product(counter[0], FACTORS[0]);
        let (other_high, other_low) = product(counter[2], FACTORS[1]);
        counter = [other_high ^ counter[1] ^ key[0], other_low, high ^ counter[3] ^ key[1], low];
        key = [key[0].wrapping_add(KEY_STEPS[0]), key[1].wrapping_add(KEY_STEPS[1])];
    }
    counter
}

/// The words of the counters 0, 1, 2, ...
pub(super) fn words(key: u64, count: usize) -> Vec<i64> {
    let key = [key as u32, (key >> 32) as u32];
    let blocks = (0..count.div_ceil(4) as u64).flat_map(|n| philox([n as u32, (n >> 32) as u32, 0, 0], key));
    blocks.take(count).map(i64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::philox;

    /// The known answers of Random123, the authors' library.
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }
}
