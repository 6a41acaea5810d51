//! A look into a running process through /proc.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Resident memory in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("0");
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .unwrap_or(0)
        * 1024
}

/// How many files and sockets it has open.
pub fn open_descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .map(Iterator::count)
        .unwrap_or(0)
}

/// Every readable, writable page of its memory: for each mapping its line in `maps` and its bytes (root only).
pub fn memory(pid: u32) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut regions = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(rights)) = (fields.next(), fields.next()) else {
            continue;
        };
        let Some((start, end)) = range.split_once('-') else {
            continue;
        };
        if !rights.starts_with("rw") {
            continue;
        }
        let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)) else {
            continue;
        };
        regions.push((line.to_owned(), read_region(&memory, start, end)));
    }
    Ok(regions)
}

fn read_region(memory: &File, start: u64, end: u64) -> Vec<u8> {
    const PIECE: u64 = 1 << 20;
    let mut bytes = Vec::with_capacity((end - start) as usize);
    let mut at = start;
    while at < end {
        let length = PIECE.min(end - at) as usize;
        let begun = bytes.len();
        bytes.resize(begun + length, 0);
        // A page that cannot be read (memfd_secret, a guard page) counts as zeros.
        if memory.read_exact_at(&mut bytes[begun..], at).is_err() {
            bytes[begun..].fill(0);
        }
        at += length as u64;
    }
    bytes
}
