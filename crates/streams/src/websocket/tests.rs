use super::channel::Protocol;
use super::*;

fn headers(lines: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.lines() {
        let (name, value) = line.trim().split_once(": ").expect("a header");
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    headers
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// `accepted <protocols>`, `none`, or the error.
fn check(lines: &str, expect: &str) {
    let got = match Handshake::read(&headers(lines)) {
        Ok(Some(handshake)) => format!("accepted {}", handshake.offered().join(" ")),
        Ok(None) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, expect, "{lines}");
}

#[test]
fn handshakes() {
    let asks = "Connection: keep-alive, Upgrade\nUpgrade: WebSocket\nSec-WebSocket-Version: 13";
    check(&format!("{asks}\n{KEY}"), "accepted ");
    check(
        &format!("{asks}\n{KEY}\nSec-WebSocket-Protocol: a, b\nSec-WebSocket-Protocol: c"),
        "accepted a b c",
    );
    check("Connection: keep-alive\nUpgrade: websocket", "none");
    check("Connection: Upgrade\nUpgrade: SPDY/3.1", "none");
    let version = "the websocket handshake is not of version 13";
    check("Connection: Upgrade\nUpgrade: websocket", version);
    let key = "the websocket handshake has no valid Sec-WebSocket-Key";
    check(asks, key);
    check(&format!("{asks}\nSec-WebSocket-Key: c2hvcnQ="), key);
    let many = vec!["x"; 33].join(",");
    check(
        &format!("{asks}\n{KEY}\nSec-WebSocket-Protocol: {many}"),
        "the websocket handshake offers too many protocols",
    );
}

#[test]
fn the_answer_is_that_of_the_standard() {
    let lines = format!("Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n{KEY}");
    let handshake = Handshake::read(&headers(&lines)).unwrap().unwrap();
    let response: Response<()> = handshake.response(Some("v4.channel.k8s.io"));
    assert_eq!(response.status(), 101);
    assert_eq!(
        response.headers()["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert_eq!(response.headers()["sec-websocket-protocol"], "v4.channel.k8s.io");
}

#[test]
fn protocols() {
    let choose = |offered: &str| {
        let offered: Vec<String> = offered.split_whitespace().map(str::to_owned).collect();
        Protocol::choose(&offered).map_or("none".to_owned(), |found| {
            format!(
                "{} {}{}",
                found.name,
                found.version,
                if found.base64 { " base64" } else { "" }
            )
        })
    };
    assert_eq!(
        choose("v5.channel.k8s.io v4.channel.k8s.io"),
        "v5.channel.k8s.io 5"
    );
    assert_eq!(choose("v9.channel.k8s.io channel.k8s.io"), "channel.k8s.io 1");
    assert_eq!(choose("base64.channel.k8s.io"), "base64.channel.k8s.io 1 base64");
    assert_eq!(choose(""), " 1");
    assert_eq!(choose("chat"), "none");
}
