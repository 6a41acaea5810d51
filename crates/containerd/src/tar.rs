//! Writing tar archives, as much as an image needs (POSIX.1-1988 ustar).

const BLOCK: usize = 512;

/// An archive that grows in memory.
#[derive(Default)]
pub(crate) struct Tar {
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    File(&'a [u8]),
    Directory,
    Symlink(&'a str),
}

impl Tar {
    /// Adds a file.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, mode, Kind::File(content));
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.entry(&format!("{}/", path.trim_end_matches('/')), mode, Kind::Directory);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.entry(path, 0o777, Kind::Symlink(target));
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, kind: Kind<'_>) {
        assert!(
            path.len() <= 100,
            "a path in an image is at most 100 bytes long: {path}"
        );
        let (flag, content, target) = match kind {
            Kind::File(content) => (b'0', content, ""),
            Kind::Directory => (b'5', &[][..], ""),
            Kind::Symlink(target) => (b'2', &[][..], target),
        };
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, path.as_bytes());
        put(100, format!("{mode:07o}\0").as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[flag]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }
}
