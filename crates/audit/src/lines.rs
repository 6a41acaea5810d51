//! Lines of a file, from its end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const STEP: u64 = 64 * 1024;

/// Walks over the complete lines of a file, the last one first.
pub(crate) struct Backwards<'a> {
    file: &'a File,
    /// What lies before this is not read yet.
    at: u64,
    /// From `at` to the end of the next line, its line feed included.
    read: Vec<u8>,
    /// What lies behind the last line feed: a line that was never finished.
    pub torn: u64,
}

impl<'a> Backwards<'a> {
    pub(crate) fn new(file: &'a File, length: u64) -> io::Result<Self> {
        let mut lines = Self {
            file,
            at: length,
            read: Vec::new(),
            torn: 0,
        };
        loop {
            if let Some(at) = lines.read.iter().rposition(|byte| *byte == b'\n') {
                lines.torn = (lines.read.len() - at - 1) as u64;
                lines.read.truncate(at + 1);
                return Ok(lines);
            }
            if lines.at == 0 {
                lines.torn = lines.read.len() as u64;
                lines.read.clear();
                return Ok(lines);
            }
            lines.step()?;
        }
    }

    /// Reads what lies before.
    fn step(&mut self) -> io::Result<()> {
        let step = STEP.min(self.at);
        let mut more = vec![0; step as usize];
        self.file.read_exact_at(&mut more, self.at - step)?;
        more.append(&mut self.read);
        self.read = more;
        self.at -= step;
        Ok(())
    }

    /// The next line without its line feed, and the offset it begins at.
    pub(crate) fn line(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let Some(content) = self.read.len().checked_sub(1) else {
                if self.at == 0 {
                    return Ok(None);
                }
                self.step()?;
                continue;
            };
            let found = self.read[..content].iter().rposition(|byte| *byte == b'\n');
            let begin = match found {
                Some(at) => at + 1,
                None if self.at == 0 => 0,
                None => {
                    self.step()?;
                    continue;
                }
            };
            let mut line = self.read.split_off(begin);
            line.pop();
            return Ok(Some((self.at + begin as u64, line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8], lines: &[&[u8]], torn: u64) {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, content).unwrap();
        let mut walk = Backwards::new(&file, content.len() as u64).unwrap();
        assert_eq!(walk.torn, torn);
        let mut found = Vec::new();
        while let Some((at, line)) = walk.line().unwrap() {
            assert_eq!(&content[at as usize..at as usize + line.len()], line);
            found.push(line);
        }
        found.reverse();
        assert_eq!(found, lines);
    }

    #[test]
    fn lines_come_from_the_end() {
        check(b"", &[], 0);
        check(b"torn", &[], 4);
        check(b"\n", &[b""], 0);
        check(b"a\nbc\n\nd", &[b"a", b"bc", b""], 1);
        let long = vec![b'x'; 3 * STEP as usize];
        let mut content = b"a\n".to_vec();
        content.extend_from_slice(&long);
        content.extend_from_slice(b"\nb\n");
        check(&content, &[b"a", &long, b"b"], 0);
        content.extend_from_slice(&long);
        check(&content, &[b"a", &long, b"b"], long.len() as u64);
    }
}
