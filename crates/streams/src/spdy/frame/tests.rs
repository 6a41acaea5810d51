use super::super::header_block::MAX_HEADER_BLOCK;
use super::*;

fn bytes(hex: &str) -> BytesMut {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// What is read of `hex`, one line for each frame.
fn check(hex: &str, expect: &str) {
    let mut reader = FrameReader::new();
    let mut buffer = bytes(hex);
    let mut lines = Vec::new();
    loop {
        match reader.read(&mut buffer) {
            Ok(Some(frame)) => lines.push(format!("{frame:?}")),
            Ok(None) => break,
            Err(error) => {
                lines.push(error.to_string());
                break;
            }
        }
    }
    assert_eq!(lines.join("\n"), expect, "{hex}");
}

/// Two SYN_STREAMs as zlib's own compressor writes them, the second with the first one's history.
const FIRST: &str =
    "80030001000000280000000100000000000078f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff";
const SECOND: &str = "800300010100002d0000000300000000000002a5470c295029930829b08b40899bc9c20048721641a2371394ec190d00000000ffff";

#[test]
fn frames_of_another_implementation() {
    let first = r#"SynStream { stream: 1, fin: false, unidirectional: false, headers: Headers([("streamtype", "error")]) }"#;
    check(FIRST, first);
    let second = r#"SynStream { stream: 3, fin: true, unidirectional: false, headers: Headers([("streamtype", "data"), ("port", "80"), ("requestid", "0")]) }"#;
    check(&format!("{FIRST}{SECOND}"), &format!("{first}\n{second}"));
}

#[test]
fn frames() {
    check("", "");
    check("0000000100000003", "");
    check(
        "0000000100000003 616263",
        r#"Data { stream: 1, fin: false, data: b"abc" }"#,
    );
    check("0000000101000000", r#"Data { stream: 1, fin: true, data: b"" }"#);
    check(
        "0000000101000003 6162",
        r#"Data { stream: 1, fin: false, data: b"ab" }"#,
    );
    check(
        "80030003 00000008 00000005 00000005",
        "Reset { stream: 5, status: 5 }",
    );
    check("80030006 00000004 00000007", "Ping { id: 7 }");
    check("80030007 00000008 00000003 00000000", "GoAway { last_stream: 3 }");
    check("80030004 0000000c 00000001 00000004 00000064", "Settings");
    check("80030009 00000008 00000001 00001000", "WindowUpdate");
    check("8003000b 00000000", "Unknown");
}

#[test]
fn hostile_frames() {
    check("0000000000000003", "a stream has an id that it may not have");
    check(
        "80020006 00000004",
        "a frame of SPDY version 2, where version 3 is spoken",
    );
    check(
        "80030001 00ffffff",
        "a control frame of 16777215 bytes is too large",
    );
    check("80030006 00000000", "a frame ends before its content does");
    check(
        "80030003 00000004 00000001",
        "a frame ends before its content does",
    );
    check(
        "80030001 00000004 00000001",
        "a frame ends before its content does",
    );
    check(
        "80030001 0000000a 00000000000000000000",
        "a stream has an id that it may not have",
    );
    check(
        "80030001 00000012 00000001000000000000 ffffffffffffffff",
        "a header block cannot be decompressed",
    );
    // Compressed with another dictionary.
    check(
        "80030001 00000012 00000001000000000000 78f9000000010200",
        "a header block cannot be decompressed",
    );
    // A block of the second stream without the first one's.
    check(SECOND, "a header block cannot be decompressed");
}

/// A SYN_REPLY whose header block decompresses to `block`.
fn compressed(block: &[u8]) -> BytesMut {
    use flate2::{Compress, Compression, FlushCompress};
    let mut deflate = Compress::new(Compression::best(), true);
    deflate
        .set_dictionary(&super::super::dictionary::DICTIONARY)
        .unwrap();
    let mut out = Vec::with_capacity(block.len() + 1024);
    deflate
        .compress_vec(block, &mut out, FlushCompress::Sync)
        .unwrap();
    let mut frame = BytesMut::new();
    frame.put_u32(0x8003_0002);
    frame.put_u32(out.len() as u32 + 4);
    frame.put_u32(1);
    frame.put_slice(&out);
    frame
}

fn check_block(block: &[u8], expect: Result<usize, FrameError>) {
    let read = FrameReader::new().read(&mut compressed(block));
    let got = read.map(|frame| match frame {
        Some(Frame::SynReply { headers, .. }) => headers.get("a").map_or(0, str::len),
        other => panic!("{other:?}"),
    });
    assert_eq!(got, expect);
}

fn block(names: u32, name: &str, value: &str) -> Vec<u8> {
    let mut block = names.to_be_bytes().to_vec();
    for _ in 0..names {
        for text in [name, value] {
            block.put_u32(text.len() as u32);
            block.put_slice(text.as_bytes());
        }
    }
    block
}

#[test]
fn header_blocks() {
    let fits = MAX_HEADER_BLOCK - 13;
    check_block(&block(0, "", ""), Ok(0));
    check_block(&block(1, "a", "abc"), Ok(3));
    check_block(&block(1, "a", &"x".repeat(fits)), Ok(fits));
    check_block(
        &block(1, "a", &"x".repeat(fits + 1)),
        Err(FrameError::HeadersTooLarge),
    );
    // A few hundred bytes that would become a megabyte.
    check_block(
        &block(1, "a", &"x".repeat(1 << 20)),
        Err(FrameError::HeadersTooLarge),
    );
    check_block(&block(65, "a", ""), Err(FrameError::HeadersTooLarge));
    check_block(&u32::MAX.to_be_bytes(), Err(FrameError::HeadersTooLarge));
    check_block(
        &block(2, "a", ""),
        Err(FrameError::Headers("a name that occurs twice")),
    );
    let odd = FrameError::Headers("a name that is empty or not in lower case");
    check_block(&block(1, "A", ""), Err(odd));
    check_block(&block(1, "", ""), Err(odd));
    let mut longer = block(1, "a", "b");
    longer[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    check_block(&longer, Err(FrameError::Truncated));
    longer = block(1, "a", "b");
    longer.push(0);
    check_block(&longer, Err(FrameError::Headers("bytes behind the last value")));
}

proptest::proptest! {
    /// What is written is read, in whatever pieces it arrives.
    #[test]
    fn round_trip(values in proptest::collection::vec("[a-z0-9]{0,40}", 1..8), cut in 1..40_usize, data: Vec<u8>) {
        let mut sent = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let stream = index as u32 * 2 + 1;
            let headers = Headers::new().with("streamtype", value.clone()).with("port", value);
            sent.push(Frame::SynStream { stream, fin: false, unidirectional: false, headers: headers.clone() });
            sent.push(Frame::SynReply { stream, fin: true, headers });
            sent.push(Frame::Ping { id: stream });
            sent.push(Frame::Data { stream, fin: true, data: Bytes::new() });
        }
        let mut writer = FrameWriter::new();
        let mut wire = BytesMut::new();
        for frame in &sent {
            writer.write(frame, &mut wire);
        }
        let mut reader = FrameReader::new();
        let mut buffer = BytesMut::new();
        let mut received = Vec::new();
        for piece in wire.chunks(cut) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = reader.read(&mut buffer).unwrap() {
                received.push(frame);
            }
        }
        proptest::prop_assert_eq!(sent, received);

        // Anything else is an error or needs more bytes; it never panics.
        let mut buffer = BytesMut::from(data.as_slice());
        let mut reader = FrameReader::new();
        while let Ok(Some(_)) = reader.read(&mut buffer) {}
    }
}
