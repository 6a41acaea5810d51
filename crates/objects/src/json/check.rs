//! Tells whether bytes are one JSON document, without building it: for JSON that is passed through.

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Not JSON.
    Invalid,
    /// JSON without space between tokens.
    Compact,
    /// JSON with space between tokens.
    Spaced,
}

const MAX_DEPTH: usize = 128;

/// Checks bytes that are to be written into a JSON document as they are.
pub(crate) fn check(bytes: &[u8]) -> Checked {
    if std::str::from_utf8(bytes).is_err() {
        return Checked::Invalid;
    }
    let mut checker = Checker {
        bytes,
        position: 0,
        spaced: false,
    };
    let valid = checker.value(0).is_some() && checker.next_token().is_none();
    match (valid, checker.spaced) {
        (false, _) => Checked::Invalid,
        (true, false) => Checked::Compact,
        (true, true) => Checked::Spaced,
    }
}

struct Checker<'a> {
    bytes: &'a [u8],
    position: usize,
    spaced: bool,
}

impl Checker<'_> {
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.next_token()? {
            b'{' if depth < MAX_DEPTH => self.members(depth, b'}', |checker| {
                (checker.next_token()? == b'"').then_some(())?;
                checker.string()?;
                checker.expect(b':')
            }),
            b'[' if depth < MAX_DEPTH => self.members(depth, b']', |_| Some(())),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn members(&mut self, depth: usize, end: u8, before: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        self.position += 1;
        if self.next_token()? == end {
            self.position += 1;
            return Some(());
        }
        loop {
            before(self)?;
            self.value(depth + 1)?;
            match self.next_token()? {
                b',' => self.position += 1,
                byte if byte == end => {
                    self.position += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.position += 1;
        loop {
            let byte = *self.bytes.get(self.position)?;
            self.position += 1;
            match byte {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..=0x1f => return None,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let byte = *self.bytes.get(self.position)?;
        self.position += 1;
        if byte != b'u' {
            return b"\"\\/bfnrt".contains(&byte).then_some(());
        }
        let digits = self.bytes.get(self.position..self.position + 4)?;
        self.position += 4;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.take(b"-");
        if !self.take(b"0") {
            self.digits()?;
        }
        if self.take(b".") {
            self.digits()?;
        }
        if self.take(b"eE") {
            self.take(b"+-");
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.position;
        while self.take(b"0123456789") {}
        (self.position > start).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.position..]
            .starts_with(word)
            .then(|| self.position += word.len())
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next_token()? == byte).then(|| self.position += 1)
    }

    fn take(&mut self, set: &[u8]) -> bool {
        let found = self
            .bytes
            .get(self.position)
            .is_some_and(|byte| set.contains(byte));
        self.position += usize::from(found);
        found
    }

    fn next_token(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.position)? {
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.spaced = true;
                    self.position += 1;
                }
                byte => return Some(byte),
            }
        }
    }
}
