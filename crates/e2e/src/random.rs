//! Random bytes for test values, and a small generator with a seed that can be printed.

use std::fs::File;
use std::io::Read;

/// A generator: the same seed gives the same sequence (xorshift64*).
pub struct Random {
    state: u64,
}

impl Random {
    /// From a seed.
    pub fn seeded(seed: u64) -> Random {
        Random { state: seed | 1 }
    }

    /// From the operating system; print `seed` to be able to repeat.
    pub fn fresh() -> (Random, u64) {
        let mut seed = [0; 8];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut seed))
            .expect("/dev/urandom");
        let seed = u64::from_le_bytes(seed);
        (Random::seeded(seed), seed)
    }

    /// The next random number.
    pub fn number(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.number() >> 11) % limit.max(1)
    }

    /// That many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.number() >> 32) as u8).collect()
    }

    /// That many letters and digits.
    pub fn word(&mut self, count: usize) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..count)
            .map(|_| LETTERS[self.below(LETTERS.len() as u64) as usize] as char)
            .collect()
    }
}
