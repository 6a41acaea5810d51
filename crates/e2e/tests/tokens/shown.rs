//! How a token is shown: the header in all its forms, the websocket subprotocol; and tokens of a file (§2).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use strongroom_e2e::{Check, Client, Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{SECRETS, WHO_AM_I, review, who};

const FILE: &str =
    "token-of-alice,alice,1,\"devs,ops\"\ntoken-of-bob,bob,2\n\"token,of \"\"carol\"\"\",\"carol\",3,devs\n";

fn with_tokens(directory: &tempfile::TempDir, text: &str) -> Options {
    let file = directory.path().join("tokens.csv");
    std::fs::write(&file, text).expect("a file");
    Options::with_arguments(&["--token-auth-file", &file.display().to_string()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(with_tokens(&directory, FILE));
    let (admin, anonymous) = (server.client(), server.anonymous());
    let mut check = Check::new(admin.clone());
    check.accepts(&who(&anonymous, "token-of-alice").await, 201, json!({"status": {"userInfo": {"username": "alice", "uid": "1", "groups": ["devs", "ops", "system:authenticated"], "extra": null}}}));
    check.accepts(
        &who(&anonymous, "token-of-bob").await,
        201,
        json!({"status": {"userInfo": {"username": "bob", "uid": "2", "groups": ["system:authenticated"]}}}),
    );
    for bad in [
        "token-of-alic",
        "token-of-alice1",
        "Token-of-alice",
        "alice",
        "token",
    ] {
        check.equal(bad, who(&anonymous, bad).await.status, 401);
    }
    check.has(
        "reviewed",
        &review(&admin, "token-of-bob", &[]).await,
        json!({"authenticated": true, "user": {"username": "bob", "uid": "2"}}),
    );
    check.has("with blanks and quotes", &review(&admin, "token,of \"carol\"", &[]).await, json!({"authenticated": true, "user": {"username": "carol", "groups": ["devs", "system:authenticated"]}}));
    check.finish();
}

#[test]
fn a_broken_file_of_tokens() {
    let directory = tempfile::tempdir().expect("a directory");
    for (text, line) in [
        ("a-token,alice,1\nanother-token,bob\n", "line 2"),
        ("a-token,alice,1\n\na-token,bob,2\n", "line 3"),
        (",alice,1\n", "line 1"),
        ("a-token,alice,1,\"open\n", "line 1"),
    ] {
        let Err(failure) = Server::try_start(with_tokens(&directory, text)) else {
            panic!("a server started with {text:?}");
        };
        let output = &failure.output;
        assert!(
            output.contains(line) && output.contains("tokens.csv"),
            "{text:?}: {output}"
        );
        assert!(
            !output.contains("a-token") && !output.contains("another-token"),
            "the tokens are printed: {output}"
        );
        assert!(!output.contains("panicked"), "{output}");
        assert!(
            failure.status.is_some_and(|status| !status.success()),
            "{failure:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(with_tokens(&directory, FILE));
    let anonymous = server.anonymous();
    let mut check = Check::new(server.client());
    let warning =
        "the provided Authorization header contains extra space before the bearer token, and is ignored";
    // 403 is the anonymous user, or alice without rights; 401 a token that is no good.
    for (value, status, warned) in [
        ("Bearer token-of-alice", 403, false),
        ("bearer token-of-alice", 403, false),
        ("BEARER token-of-alice", 403, false),
        ("Bearer nonsense", 401, false),
        ("Bearer", 403, false),
        ("Bearer ", 403, false),
        ("", 403, false),
        ("Bearer  token-of-alice", 403, true),
        ("Bearer  nonsense", 403, true),
        ("Basic dG9rZW4tb2YtYWxpY2U=", 403, false),
        ("Token token-of-alice", 403, false),
        ("token-of-alice", 403, false),
        ("Bearertoken-of-alice", 403, false),
        ("Negotiate abc", 403, false),
    ] {
        let reply = anonymous
            .request("GET", SECRETS)
            .header("authorization", value)
            .send()
            .await;
        check.equal(&format!("{value:?}"), reply.status, status);
        check.equal(
            &format!("{value:?} warns"),
            reply.warnings(),
            if warned {
                vec![warning.to_owned()]
            } else {
                Vec::new()
            },
        );
        let known = value.to_lowercase().starts_with("bearer t");
        let name = if known { "alice" } else { "system:anonymous" };
        check.that(
            status == 401 || reply.text().contains(&format!("User \\\"{name}\\\"")),
            || format!("{value:?}: {}", reply.text()),
        );
    }
    // A token in the address is none, and two headers are not added up.
    for query in ["access_token", "token", "bearer_token"] {
        let reply = anonymous.get(&format!("{SECRETS}?{query}=token-of-alice")).await;
        check.that(
            reply.status == 403 && reply.text().contains("system:anonymous"),
            || reply.text(),
        );
    }
    check.finish();
}

/// A token that is no text is a bad token, not none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_strange_bytes() {
    let server = Server::start();
    for bytes in [&b"\xff\xfe"[..], b"abc\x80def", b"caf\xc3\xa9"] {
        let mut stream = server.anonymous().tls_stream().await.expect("TLS");
        let head = format!(
            "GET {SECRETS} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nAuthorization: Bearer ",
            server.port()
        );
        stream
            .write_all(&[head.as_bytes(), bytes, b"\r\n\r\n"].concat())
            .await
            .expect("written");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with("HTTP/1.1 401 ") || answer.starts_with("HTTP/1.1 400 "),
            "{bytes:?}: {answer}"
        );
    }
}

/// The answer to a websocket handshake with these subprotocols: everything up to the empty line.
async fn handshake(client: &Client, server: &Server, protocols: &[&str]) -> String {
    let mut stream = client.tls_stream().await.expect("TLS");
    let protocols: String = protocols
        .iter()
        .map(|protocol| format!("Sec-WebSocket-Protocol: {protocol}\r\n"))
        .collect();
    let request = format!(
        "GET {SECRETS}?watch=true HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: {}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocols}\r\n",
        server.port(),
        server.url()
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), async {
        let mut buffer = [0; 4096];
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => answer.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_websocket_subprotocol() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(with_tokens(&directory, "token-of-alice,alice,1,system:masters\n"));
    let anonymous = server.anonymous();
    let mut check = Check::new(server.client());
    let shown = |token: &str| {
        format!(
            "base64url.bearer.authorization.k8s.io.{}",
            URL_SAFE_NO_PAD.encode(token)
        )
    };
    let (good, bad) = (shown("token-of-alice"), shown("nonsense"));
    let status = |answer: &str| answer.split(' ').nth(1).unwrap_or_default().to_owned();
    for (what, protocols, expected) in [
        (
            "beside another",
            vec!["base64.binary.k8s.io".to_owned(), good.clone()],
            "101",
        ),
        (
            "before another",
            vec![good.clone(), "base64.binary.k8s.io".to_owned()],
            "101",
        ),
        (
            "in one header",
            vec![format!("{good}, base64.binary.k8s.io")],
            "101",
        ),
        ("alone", vec![good.clone()], "403"),
        ("a bad one", vec![format!("{bad}, base64.binary.k8s.io")], "401"),
        ("none", vec!["base64.binary.k8s.io".to_owned()], "403"),
        (
            "an empty one",
            vec!["base64url.bearer.authorization.k8s.io., base64.binary.k8s.io".to_owned()],
            "403|401",
        ),
        (
            "not base64url",
            vec!["base64url.bearer.authorization.k8s.io.!!, base64.binary.k8s.io".to_owned()],
            "403|401",
        ),
    ] {
        let words: Vec<&str> = protocols.iter().map(String::as_str).collect();
        let answer = handshake(&anonymous, &server, &words).await;
        check.that(expected.split('|').any(|code| code == status(&answer)), || {
            format!("{what}: expected {expected}, got {answer}")
        });
        check.that(!answer.contains("bearer.authorization"), || {
            format!("{what}: the token comes back: {answer}")
        });
    }
    // Over HTTP without an upgrade the same subprotocol is no worse than a header.
    let reply = anonymous
        .request("POST", WHO_AM_I)
        .header("authorization", "Bearer nonsense")
        .header("sec-websocket-protocol", &format!("{good}, x"))
        .json(&json!({}))
        .send()
        .await;
    check.equal("a bad header is not made good", reply.status, 401);
    check.finish();
}
