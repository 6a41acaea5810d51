//! A client and a server of ours, and peers that behave badly.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

fn limits() -> Limits {
    Limits {
        max_streams: 3,
        idle_timeout: Duration::from_secs(60),
        open_timeout: Duration::from_secs(5),
    }
}

fn headers(kind: &str) -> Headers {
    Headers::new().with("streamtype", kind)
}

/// A connected pair.
fn pair() -> (Connection, Connection, Incoming) {
    let (near, far) = duplex(1024);
    let (server, incoming) = server(far, limits());
    (client(near, limits()), server, incoming)
}

/// A server that sends back what it is sent.
fn echo(mut incoming: Incoming) {
    tokio::spawn(async move {
        while let Some(offer) = incoming.next().await {
            if offer.headers.get("streamtype") == Some("refused") {
                continue;
            }
            let (mut reader, mut writer) = offer.accept().await.unwrap();
            tokio::spawn(async move {
                while let Some(data) = reader.next().await {
                    writer.send(data).await.unwrap();
                }
                writer.finish().await.unwrap();
            });
        }
    });
}

#[tokio::test]
async fn bytes_flow_both_ways_and_each_way_ends_by_itself() {
    let (client, _server, incoming) = pair();
    echo(incoming);
    let (mut reader, mut writer) = client.open(headers("stdin")).await.unwrap();
    let sent: Bytes = (0..200_000)
        .map(|number| number as u8)
        .collect::<Vec<u8>>()
        .into();
    let sending = tokio::spawn({
        let sent = sent.clone();
        async move {
            writer.send(sent).await.unwrap();
            writer.finish().await.unwrap();
            writer
        }
    });
    assert_eq!(reader.collect(1 << 20).await, sent);
    assert_eq!(reader.ended(), Some(Ended::Finished));
    drop((sending.await.unwrap(), reader));
    // Streams that are over make room for others.
    for _ in 0..5 {
        let (mut reader, mut writer) = client.open(headers("stdin")).await.unwrap();
        writer.send(Bytes::from_static(b"abc")).await.unwrap();
        writer.finish().await.unwrap();
        assert_eq!(reader.collect(2).await, b"ab");
    }
}

#[tokio::test]
async fn streams_can_be_refused_given_up_and_lost() {
    let (client, _server, incoming) = pair();
    echo(incoming);
    assert!(matches!(
        client.open(headers("refused")).await,
        Err(SpdyError::Reset)
    ));

    let (mut reader, mut writer) = client.open(headers("one")).await.unwrap();
    let _two = client.open(headers("two")).await.unwrap();
    let _three = client.open(headers("three")).await.unwrap();
    assert!(matches!(
        client.open(headers("four")).await,
        Err(SpdyError::TooManyStreams)
    ));
    writer.send(Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(reader.next().await.unwrap(), "x");

    drop(_server);
    // The server's task holds its streams; the connection ends with the client's side.
    drop((client, _two, _three, reader));
}

#[tokio::test]
async fn what_was_sent_before_a_stream_is_given_up_arrives() {
    let (client, _server, mut incoming) = pair();
    let serving = tokio::spawn(async move {
        let (_, mut writer) = incoming.next().await.unwrap().accept().await.unwrap();
        for _ in 0..20 {
            writer.send(Bytes::from_static(b"last words")).await.unwrap();
        }
    });
    let (mut reader, writer) = client.open(headers("error")).await.unwrap();
    assert_eq!(reader.collect(1 << 20).await.len(), 200);
    assert_eq!(reader.ended(), Some(Ended::Reset));
    writer.deaf().await;
    serving.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_ends_ends_its_streams() {
    let (client, server, mut incoming) = pair();
    let serving = tokio::spawn(async move { incoming.next().await.unwrap().accept().await.unwrap() });
    let (mut reader, mut writer) = client.open(headers("error")).await.unwrap();
    drop((serving.await.unwrap(), server));
    assert_eq!(reader.next().await, None);
    writer.deaf().await;
    assert!(writer.send(Bytes::from_static(b"x")).await.is_err());
    assert!(client.open(headers("error")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection() {
    let (client, _server, incoming) = pair();
    echo(incoming);
    let (mut reader, mut writer) = client.open(headers("stdin")).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(40)).await;
        writer.send(Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(reader.next().await.unwrap(), "x");
    }
    let begin = tokio::time::Instant::now();
    assert_eq!(reader.next().await, None);
    assert_eq!(reader.ended(), Some(Ended::Lost));
    assert!(begin.elapsed() >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_not_waited_for() {
    let (near, _far) = duplex(1024);
    let client = client(near, limits());
    assert!(matches!(
        client.open(headers("error")).await,
        Err(SpdyError::Timeout)
    ));
}

#[tokio::test]
async fn what_nobody_reads_is_not_taken() {
    let (near, mut far) = duplex(1024);
    let (_server, mut incoming) = server(near, limits());
    let mut wire = BytesMut::new();
    let mut frames = FrameWriter::new();
    let opening = Frame::SynStream {
        stream: 1,
        fin: false,
        unidirectional: false,
        headers: headers("stdin"),
    };
    frames.write(&opening, &mut wire);
    far.write_all(&wire).await.unwrap();
    let _halves = incoming.next().await.unwrap().accept().await.unwrap();
    let data = Frame::Data {
        stream: 1,
        fin: false,
        data: vec![0; 1 << 20].into(),
    };
    wire.clear();
    frames.write(&data, &mut wire);
    let sent = tokio::time::timeout(Duration::from_millis(300), far.write_all(&wire)).await;
    assert!(sent.is_err(), "a megabyte that nobody reads went somewhere");
}

/// What a server answers `wire` with until it closes the connection.
async fn served(wire: &[u8]) -> Vec<Frame> {
    let (near, mut far): (DuplexStream, DuplexStream) = duplex(1 << 20);
    let (_server, mut incoming) = server(near, limits());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Some(offer) = incoming.next().await {
            open.push(offer);
        }
    });
    // A peer that is cut off cannot write everything.
    let _ = far.write_all(wire).await;
    let _ = far.shutdown().await;
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).await.unwrap();
    let mut answer = BytesMut::from(answer.as_slice());
    let mut reader = FrameReader::new();
    std::iter::from_fn(|| reader.read(&mut answer).unwrap()).collect()
}

fn wire(frames: impl IntoIterator<Item = Frame>) -> BytesMut {
    let mut writer = FrameWriter::new();
    let mut wire = BytesMut::new();
    for frame in frames {
        writer.write(&frame, &mut wire);
    }
    wire
}

fn opening(stream: u32) -> Frame {
    Frame::SynStream {
        stream,
        fin: false,
        unidirectional: false,
        headers: headers("stdin"),
    }
}

const FAREWELL: Frame = Frame::GoAway { last_stream: 0 };

#[tokio::test]
async fn pings_are_answered_but_not_any_number_of_them() {
    let ping = |id| Frame::Ping { id };
    assert_eq!(
        served(&wire([ping(1), ping(3)])).await,
        [ping(1), ping(3), FAREWELL]
    );
    let flood = served(&wire((0..100_000).map(|_| ping(1)))).await;
    assert!(flood.len() < 200, "{} answers", flood.len());
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let answers = served(&wire((0..10).map(|index| opening(index * 2 + 1)))).await;
    let refused = |frame: &&Frame| matches!(frame, Frame::Reset { status: 3, .. });
    assert_eq!(answers.iter().filter(refused).count(), 7);
}

#[tokio::test]
async fn ids_that_go_backwards_end_the_connection() {
    let reset = |stream| Frame::Reset { stream, status: 1 };
    let answers = served(&wire([opening(3), opening(1), Frame::Ping { id: 1 }])).await;
    assert!(
        answers.contains(&reset(1)) && !answers.contains(&Frame::Ping { id: 1 }),
        "{answers:?}"
    );
    assert!(served(&wire([opening(2)])).await.contains(&reset(2)));
}

#[tokio::test]
async fn what_is_no_spdy_ends_the_connection() {
    assert_eq!(served(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await, [FAREWELL]);
    assert_eq!(served(&[0xff; 64]).await, [FAREWELL]);
}

#[tokio::test]
async fn a_client_takes_no_streams() {
    let (near, mut far) = duplex(1 << 16);
    let client = client(near, limits());
    far.write_all(&wire([opening(2)])).await.unwrap();
    let mut answer = [0; 16];
    far.read_exact(&mut answer).await.unwrap();
    let frame = FrameReader::new().read(&mut BytesMut::from(&answer[..])).unwrap();
    assert_eq!(frame, Some(Frame::Reset { stream: 2, status: 3 }));
    drop(client);
}
