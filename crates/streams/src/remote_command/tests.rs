use std::future::pending;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::spdy::{self, Limits, Offer};

const HOUR: Duration = Duration::from_secs(3600);
const ALL: Streams = Streams {
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
};
const TERMINAL: Streams = Streams {
    stdin: true,
    stdout: true,
    stderr: false,
    tty: true,
};

fn protocol(name: &str) -> Protocol {
    Protocol::choose(&[name.to_owned()]).unwrap()
}

/// A runtime that plays one command: it upper-cases its input and ends with `status` when the input ends.
async fn play(io: DuplexStream, wanted: usize, status: &'static str) {
    let (_connection, mut incoming) = spdy::server(io, Limits::default());
    let mut kinds = Vec::new();
    let mut halves = std::collections::BTreeMap::new();
    for _ in 0..wanted {
        let offer: Offer = incoming.next().await.expect("a stream");
        let kind = offer.headers.get("streamtype").unwrap_or_default().to_owned();
        halves.insert(kind.clone(), offer.accept().await.expect("an accepted stream"));
        kinds.push(kind);
    }
    assert_eq!(kinds[0], "error");
    if let Some((mut resize, _)) = halves.remove("resize") {
        let size = resize.next().await.expect("a size");
        let (_, stdout) = halves.get_mut("stdout").expect("stdout");
        stdout.send(size).await.expect("somebody reads");
    }
    let (mut stdin, _stdin) = halves.remove("stdin").expect("stdin");
    while let Some(data) = stdin.next().await {
        let (_, stdout) = halves.get_mut("stdout").expect("stdout");
        stdout
            .send(data.to_ascii_uppercase().into())
            .await
            .expect("somebody reads");
        if data.ends_with(b"exit\n") {
            break;
        }
    }
    if let Some((_, stderr)) = halves.get_mut("stderr") {
        stderr
            .send(Bytes::from_static(b"warning\n"))
            .await
            .expect("somebody reads");
    }
    let (_, mut error) = halves.remove("error").expect("error");
    error
        .send(Bytes::from_static(status.as_bytes()))
        .await
        .expect("somebody reads");
    // As spdystream does, what is left is reset rather than finished.
}

/// A bridge between a websocket and [`play`].
fn bridged(name: &str, streams: Streams, status: &'static str) -> WebSocketStream<DuplexStreamHere> {
    let wanted = 1 + [streams.stdin, streams.stdout, streams.stderr, streams.tty]
        .iter()
        .filter(|wanted| **wanted)
        .count();
    let (near, far) = duplex(4096);
    let protocol = protocol(name);
    tokio::spawn(async move {
        let connect = async {
            let (near, far) = duplex(4096);
            tokio::spawn(play(far, wanted, status));
            Ok(spdy::client(near, Limits::default()))
        };
        bridge(far, protocol, streams, HOUR, connect, pending()).await;
    });
    futures::executor::block_on(WebSocketStream::from_raw_socket(near, Role::Client, None))
}

type DuplexStreamHere = DuplexStream;

/// What the client is sent: one line for each channel, its bytes joined, and the close code.
async fn received(socket: &mut WebSocketStream<DuplexStream>) -> String {
    let mut channels = std::collections::BTreeMap::<u8, Vec<u8>>::new();
    let mut lines = String::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => channels.entry(bytes[0]).or_default().extend(&bytes[1..]),
            Message::Text(text) => channels
                .entry(text.as_bytes()[0])
                .or_default()
                .extend(&text.as_bytes()[1..]),
            Message::Close(Some(frame)) => lines = format!("closed {}", u16::from(frame.code)),
            _ => {}
        }
    }
    let told = channels
        .iter()
        .map(|(channel, bytes)| format!("{channel} {:?}\n", String::from_utf8_lossy(bytes)));
    told.collect::<String>() + &lines
}

const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;
const EXIT_3: &str = r#"{"status":"Failure","message":"command terminated with non-zero exit code: 3"}"#;

async fn check(name: &str, streams: Streams, status: &'static str, sent: &[Message], expect: &str) {
    let mut socket = bridged(name, streams, status);
    for message in sent {
        socket.send(message.clone()).await.unwrap();
    }
    assert_eq!(received(&mut socket).await, expect, "{name}");
}

fn bytes(channel: u8, text: &str) -> Message {
    Message::binary([&[channel], text.as_bytes()].concat())
}

#[tokio::test]
async fn version_5_ends_the_input() {
    let sent = [
        bytes(0, "abc\n"),
        bytes(0, ""),
        bytes(9, "?"),
        Message::binary(vec![255, 0]),
    ];
    let expect = format!("1 \"ABC\\n\"\n2 \"warning\\n\"\n3 {SUCCESS:?}\nclosed 1000");
    check("v5.channel.k8s.io", ALL, SUCCESS, &sent, &expect).await;
}

#[tokio::test]
async fn version_4_tells_the_exit_code() {
    let sent = [bytes(0, "abc"), Message::binary(vec![255, 0]), bytes(0, "exit\n")];
    let expect = format!("1 \"ABCEXIT\\n\"\n2 \"warning\\n\"\n3 {EXIT_3:?}\nclosed 1000");
    check("v4.channel.k8s.io", ALL, EXIT_3, &sent, &expect).await;
}

#[tokio::test]
async fn older_versions_tell_failures_in_words() {
    let sent = [bytes(0, "exit\n")];
    let output = "1 \"EXIT\\n\"\n2 \"warning\\n\"\n";
    check(
        "channel.k8s.io",
        ALL,
        SUCCESS,
        &sent,
        &format!("{output}closed 1000"),
    )
    .await;
    let failed = format!("{output}3 \"command terminated with non-zero exit code: 3\"\nclosed 1000");
    check("v3.channel.k8s.io", ALL, EXIT_3, &sent, &failed).await;
}

#[tokio::test]
async fn base64_is_for_those_who_have_only_text() {
    let sent = [
        Message::text("0ZXhpdAo="),
        Message::text("0!!"),
        Message::text(""),
    ];
    let expect = "49 \"RVhJVAo=\"\n50 \"d2FybmluZwo=\"\n51 \"eyJtZXRhZGF0YSI6e30sInN0YXR1cyI6IlN1Y2Nlc3MifQ==\"\nclosed 1000";
    check("v4.base64.channel.k8s.io", ALL, SUCCESS, &sent, expect).await;
}

#[tokio::test]
async fn terminals_have_a_size() {
    let sent = [
        bytes(4, "nonsense"),
        bytes(4, r#"{"Width":80,"Height":24}"#),
        bytes(0, "exit\n"),
    ];
    let expect =
        format!("1 \"{{\\\"Width\\\":80,\\\"Height\\\":24}}\\nEXIT\\n\"\n3 {SUCCESS:?}\nclosed 1000");
    check("v5.channel.k8s.io", TERMINAL, SUCCESS, &sent, &expect).await;
}

#[tokio::test]
async fn a_command_that_vanishes_has_not_succeeded() {
    let problem = "the connection to the container ended before the command told how it ended";
    let expect = format!(
        "1 \"EXIT\\n\"\n2 \"warning\\n\"\n3 {:?}\nclosed 1000",
        internal_error(problem)
    );
    check("v5.channel.k8s.io", ALL, "", &[bytes(0, "exit\n")], &expect).await;
}

#[tokio::test]
async fn what_cannot_be_reached_is_told() {
    let (near, far) = duplex(4096);
    let connect = async { Err("unable to upgrade connection: container not found (\"c\")".to_owned()) };
    tokio::spawn(bridge(
        far,
        protocol("v5.channel.k8s.io"),
        ALL,
        HOUR,
        connect,
        pending(),
    ));
    let mut socket = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let told = received(&mut socket).await;
    let message = r#"Internal error occurred: unable to upgrade connection: container not found (\\\"c\\\")"#;
    assert!(told.contains(message) && told.ends_with("closed 1000"), "{told}");
}

#[tokio::test]
async fn a_right_that_is_lost_ends_the_command() {
    let (near, far) = duplex(4096);
    let connect = async {
        let (near, far) = duplex(4096);
        tokio::spawn(play(far, 4, SUCCESS));
        Ok(spdy::client(near, Limits::default()))
    };
    let revoked = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        r#"{"status":"Failure","code":403}"#.to_owned()
    };
    tokio::spawn(bridge(
        far,
        protocol("v5.channel.k8s.io"),
        ALL,
        HOUR,
        connect,
        revoked,
    ));
    let mut socket = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let told = received(&mut socket).await;
    assert!(told.contains("403") && told.ends_with("closed 1008"), "{told}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_the_command_up() {
    let mut socket = bridged("v5.channel.k8s.io", ALL, SUCCESS);
    let megabyte = vec![0; 1 << 20];
    let sending = async {
        for _ in 0..8 {
            socket
                .send(bytes(0, std::str::from_utf8(&megabyte).unwrap()))
                .await
                .unwrap();
        }
    };
    let sent = tokio::time::timeout(Duration::from_millis(500), sending).await;
    assert!(sent.is_err(), "eight megabytes went somewhere");
}

#[tokio::test]
async fn messages_have_a_limit() {
    let mut socket = bridged("v5.channel.k8s.io", ALL, SUCCESS);
    let large = Message::binary(vec![0; crate::websocket::MAX_MESSAGE + 1]);
    let _ = socket.send(large).await;
    let told = received(&mut socket).await;
    assert!(!told.contains("closed"), "{told}");
}
