//! The files to measure with: made once, and the same bytes for the same seed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Settings;

/// The largest of the small files, in bytes.
const SMALL_BYTES_MAX: f64 = 16.0 * 1024.0;

/// A size is `u^SKEW` of the largest, for a random u from 0 to 1: real trees have more small files
/// than large ones. 100,000 of these files are 450 MB.
const SKEW: f64 = 2.64;

/// Size in bytes of the random block that contents are cut from.
const BLOCK: usize = 64 * 1024;

/// 100,000 files of 0 to 16 KiB in 100 directories.
pub fn small(settings: &Settings) -> PathBuf {
    let count = settings.scaled(100_000);
    make(settings, &format!("small-{count}"), |root| {
        let mut random = Random(0x5eed);
        let block = random.block();
        for number in 0..count {
            let directory = root.join(format!("d{:02}", number % 100));
            fs::create_dir_all(&directory)?;
            let size = (random.unit().powf(SKEW) * SMALL_BYTES_MAX) as usize;
            let start = (random.unit() * (BLOCK - size) as f64) as usize;
            fs::write(directory.join(format!("f{number:07}")), &block[start..start + size])?;
        }
        Ok(())
    })
}

/// 8 files of 256 MiB.
pub fn big(settings: &Settings) -> PathBuf {
    let size = settings.scaled(256 * 1024 * 1024);
    make(settings, &format!("big-{size}"), |root| {
        let mut random = Random(0xb16);
        for number in 0..8 {
            let mut file = File::create(root.join(format!("f{number}")))?;
            let mut left = size as usize;
            while left > 0 {
                let block = random.block();
                let part = left.min(BLOCK);
                file.write_all(&block[..part])?;
                left -= part;
            }
        }
        Ok(())
    })
}

/// 512 MiB of text in 64 files: lines of 12 words out of 200,000, the k-th word about 1/k as often
/// as the first.
pub fn text(settings: &Settings) -> PathBuf {
    const VOCABULARY: f64 = 200_000.0;
    let size = settings.scaled(8 * 1024 * 1024) as usize;
    make(settings, &format!("text-{size}"), |root| {
        let mut random = Random(0x3047d5);
        for number in 0..64 {
            let mut text = String::with_capacity(size + 256);
            let mut words = 0;
            while text.len() < size {
                let mut rank = VOCABULARY.powf(random.unit()) as usize + 17;
                while rank > 0 {
                    text.push(char::from(b"etaoinshrdlucmfwypvbgk"[rank % 22]));
                    rank /= 22;
                }
                words += 1;
                text.push(if words % 12 == 0 { '\n' } else { ' ' });
            }
            fs::write(root.join(format!("f{number:02}")), text)?;
        }
        Ok(())
    })
}

/// The same text eight times over, by hard links: 4 GiB in 512 files.
pub fn text_again(settings: &Settings) -> PathBuf {
    let text = text(settings);
    let size = settings.scaled(8 * 1024 * 1024);
    make(settings, &format!("text-again-{size}"), |root| {
        for copy in 0..8 {
            let directory = root.join(format!("d{copy}"));
            fs::create_dir(&directory)?;
            for file in fs::read_dir(&text)? {
                let file = file?;
                fs::hard_link(file.path(), directory.join(file.file_name()))?;
            }
        }
        Ok(())
    })
}

/// `full` files of a few bytes, 100,000 a directory.
pub fn tiny(settings: &Settings, full: u64) -> PathBuf {
    let count = settings.scaled(full);
    make(settings, &format!("tiny-{count}"), |root| {
        for number in 0..count {
            let directory = root.join(format!("d{}", number / 100_000));
            if number % 100_000 == 0 {
                fs::create_dir(&directory)?;
            }
            let text = if number % 3 == 0 { String::new() } else { number.to_string() };
            fs::write(directory.join(format!("f{number:07}")), text)?;
        }
        Ok(())
    })
}

/// One file of 4 KiB.
pub fn one(settings: &Settings) -> PathBuf {
    let root = make(settings, "one", |root| fs::write(root.join("file"), &Random(1).block()[..4096]));
    root.join("file")
}

/// Makes a corpus unless it exists. The directory gets its name when it is complete.
fn make(settings: &Settings, name: &str, fill: impl FnOnce(&Path) -> std::io::Result<()>) -> PathBuf {
    let root = settings.directory.join(name);
    if !root.exists() {
        eprintln!("making {}", root.display());
        let growing = settings.directory.join(format!("{name}.growing"));
        let _ = fs::remove_dir_all(&growing);
        let made = fs::create_dir_all(&growing).and_then(|()| fill(&growing));
        made.and_then(|()| fs::rename(&growing, &root)).expect("room for the files");
    }
    root
}

/// The generator xorshift64* by Vigna, which gives the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn block(&mut self) -> Vec<u8> {
        (0..BLOCK / 8).flat_map(|_| self.next().to_le_bytes()).collect()
    }
}
