//! Random numbers by Philox4x32-10, from the paper's text (Salmon, Moraes, Dror, Shaw, 2011).

use ops::ops::random::{RandomNormal, RandomUniform, Sample};
use ops::{DType, Number, OpError};

use super::array::rounded;
use super::{Array, Reference};

/// Ten rounds of multiplications by constants, under a key that grows by others.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let product = |constant: u32, word: u32| {
        let product = u64::from(constant) * u64::from(word);
        ((product >> 32) as u32, product as u32)
    };
    for _ in 0..10 {
        let (high, low) = product(0xD251_1F53, counter[0]);
        let (other_high, other_low) = product(0xCD9E_8D57, counter[2]);
        counter = [other_high ^ counter[1] ^ key[0], other_low, high ^ counter[3] ^ key[1], low];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// The words of a seed: those of the counters 0, 1, 2, ...
fn words(seed: u64) -> impl Iterator<Item = u32> {
    (0..u32::MAX).flat_map(move |n| philox([n, 0, 0, 0], [seed as u32, (seed >> 32) as u32]))
}

/// Numbers from 0 to before 1: the upper 24 bits of a word, or the upper 53 of two.
fn fractions(seed: u64, count: usize, dtype: DType) -> Vec<f64> {
    let mut words = words(seed);
    let mut word = || u64::from(words.next().unwrap_or_default());
    let mut fraction = || match dtype {
        DType::F32 => (word() >> 8) as f64 / (1_u64 << 24) as f64,
        _ => ((word() << 32 | word()) >> 11) as f64 / (1_u64 << 53) as f64,
    };
    (0..count).map(|_| fraction()).collect()
}

impl Reference for RandomUniform {
    fn evaluate(&self, _: &[Array]) -> Result<Vec<Array>, OpError> {
        let step = |value: f64| rounded(value, self.dtype);
        let (spread, low) = (step(self.high - self.low), step(self.low));
        let number = |u: f64| Number::Float(step(step(u * spread) + low));
        let numbers = fractions(self.seed, self.shape.count(), self.dtype).into_iter().map(number);
        Ok(vec![Array::new(self.dtype, self.shape.lengths(), numbers.collect())])
    }
}

impl Reference for RandomNormal {
    fn evaluate(&self, _: &[Array]) -> Result<Vec<Array>, OpError> {
        let count = self.shape.count();
        let fractions = fractions(self.seed, 2 * count, self.dtype);
        let (u, v) = fractions.split_at(count);
        let normal = |(u, v): (&f64, &f64)| {
            let z = libm::sqrt(-2.0 * libm::log(1.0 - u)) * libm::cos(std::f64::consts::TAU * v);
            Number::Float(self.mean + self.std * z)
        };
        Ok(vec![Array::new(self.dtype, self.shape.lengths(), u.iter().zip(v).map(normal).collect())])
    }
}

impl Reference for Sample {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let elements = &inputs[0].elements;
        let mut drawn: Vec<(u32, usize)> = words(self.seed).zip(0..elements.len()).collect();
        // The places tell equal words apart.
        drawn.sort_unstable();
        let taken = drawn.into_iter().take(self.size).map(|(_, place)| elements[place]);
        Ok(vec![Array::new(inputs[0].dtype, &[self.size], taken.collect())])
    }
}

#[cfg(test)]
mod tests {
    use super::philox;

    #[test]
    fn the_generator_has_the_known_answers() {
        // From kat_vectors of the authors' Random123.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]);
    }
}
