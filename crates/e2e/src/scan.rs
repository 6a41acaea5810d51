//! Looks for known values in bytes: raw and in every form a leak takes.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A value seen where it must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Where: a file, a reply, a mapping.
    pub place: String,
    /// Which canary, by number.
    pub canary: usize,
    /// In which form.
    pub form: &'static str,
    /// At which byte.
    pub offset: usize,
}

/// Searches for canaries.
pub struct Scanner {
    forms: Vec<(usize, &'static str, Vec<u8>)>,
    /// For a first, quick look: which forms begin with these two bytes.
    index: Vec<Vec<u32>>,
}

impl Scanner {
    /// A scanner for values of at least 16 bytes.
    pub fn new<T: AsRef<[u8]>>(canaries: &[T]) -> Scanner {
        let mut forms = Vec::new();
        for (number, canary) in canaries.iter().enumerate() {
            let canary = canary.as_ref();
            assert!(canary.len() >= 16, "a shorter value is found by chance");
            for (form, bytes) in encodings(canary) {
                if !forms.iter().any(|(_, _, known)| *known == bytes) {
                    forms.push((number, form, bytes));
                }
            }
        }
        let mut index = vec![Vec::new(); 1 << 16];
        for (number, (_, _, bytes)) in forms.iter().enumerate() {
            index[usize::from(bytes[0]) << 8 | usize::from(bytes[1])].push(number as u32);
        }
        Scanner { forms, index }
    }

    /// All sightings in one place, the first of each form.
    pub fn scan(&self, place: &str, bytes: &[u8]) -> Vec<Sighting> {
        let mut sightings: Vec<Sighting> = Vec::new();
        for offset in 0..bytes.len().saturating_sub(1) {
            for number in &self.index[usize::from(bytes[offset]) << 8 | usize::from(bytes[offset + 1])] {
                let (canary, form, pattern) = &self.forms[*number as usize];
                if bytes[offset..].starts_with(pattern)
                    && !sightings
                        .iter()
                        .any(|known| known.canary == *canary && known.form == *form)
                {
                    sightings.push(Sighting {
                        place: place.to_owned(),
                        canary: *canary,
                        form,
                        offset,
                    });
                }
            }
        }
        sightings
    }

    /// All sightings in the files under a directory.
    pub fn scan_directory(&self, directory: &Path) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        let mut waiting = vec![directory.to_owned()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(&directory)
                .into_iter()
                .flatten()
                .filter_map(Result::ok)
            {
                let path = entry.path();
                if path.is_dir() {
                    waiting.push(path);
                } else if let Ok(bytes) = fs::read(&path) {
                    sightings.extend(self.scan(&path.display().to_string(), &bytes));
                }
            }
        }
        sightings
    }
}

fn encodings(canary: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("raw", canary.to_vec())];
    let reversed: Vec<u8> = canary.iter().rev().copied().collect();
    forms.push(("reversed", reversed));
    for skip in 0..3 {
        forms.push((
            "base64",
            aligned(canary, skip, |bytes| STANDARD_NO_PAD.encode(bytes)),
        ));
        forms.push((
            "base64url",
            aligned(canary, skip, |bytes| URL_SAFE_NO_PAD.encode(bytes)),
        ));
    }
    forms.push((
        "hex",
        canary
            .iter()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect(),
    ));
    forms.push((
        "HEX",
        canary
            .iter()
            .flat_map(|byte| format!("{byte:02X}").into_bytes())
            .collect(),
    ));
    forms.push(("url", canary.iter().flat_map(|byte| url(*byte)).collect()));
    if let Ok(text) = std::str::from_utf8(canary) {
        let quoted = serde_json::Value::from(text).to_string();
        forms.push(("json", quoted.as_bytes()[1..quoted.len() - 1].to_vec()));
    }
    // A debug print of bytes: `[1, 2, 3]`.
    let numbers: Vec<String> = canary.iter().map(u8::to_string).collect();
    forms.push(("numbers", numbers.join(", ").into_bytes()));
    forms
}

/// The part of the text that does not depend on what stands before and after the value when it begins
/// `skip` bytes into a group of three.
fn aligned(canary: &[u8], skip: usize, encode: impl Fn(&[u8]) -> String) -> Vec<u8> {
    let mut padded = vec![0; skip];
    padded.extend_from_slice(canary);
    let text = encode(&padded);
    let start = [0, 2, 3][skip];
    let end = padded.len() / 3 * 4;
    text.as_bytes()[start..end].to_vec()
}

fn url(byte: u8) -> Vec<u8> {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        vec![byte]
    } else {
        format!("%{byte:02X}").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::Scanner;

    #[test]
    fn finds_a_value_in_every_form() {
        let canary = b"correct horse+battery/staple?\xc3\xa9".as_slice();
        let scanner = Scanner::new(&[canary]);
        let forms = |bytes: &[u8]| -> Vec<&str> {
            scanner.scan("here", bytes).iter().map(|seen| seen.form).collect()
        };
        assert!(forms(b"nothing to see here at all").is_empty());
        assert_eq!(forms(&[b"xx", canary, b"yy"].concat()), ["raw"]);
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "z", "zy"] {
                let text = STANDARD.encode([before.as_bytes(), canary, after.as_bytes()].concat());
                assert!(
                    forms(text.as_bytes()).contains(&"base64"),
                    "{before} {after}: {text}"
                );
            }
        }
        let hex: String = canary.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(forms(hex.as_bytes()), ["hex"]);
        let reversed: Vec<u8> = canary.iter().rev().copied().collect();
        assert_eq!(forms(&reversed), ["reversed"]);
        assert_eq!(forms(format!("{canary:?}").as_bytes()), ["numbers"]);
    }
}
