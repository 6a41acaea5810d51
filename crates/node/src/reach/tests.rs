use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that answers each request with the next of these texts.
async fn server(answers: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

async fn ask(handler: Handler) -> Outcome {
    let runtime = Runtime::at("unix:///nowhere").unwrap();
    let target = Target {
        container: "c".to_owned(),
        address: Some("127.0.0.1".to_owned()),
    };
    reach(&runtime, &target, &handler, Duration::from_millis(500)).await
}

fn http(port: u16) -> Handler {
    Handler::Http {
        scheme: "http",
        host: None,
        port,
        path: "/healthz".to_owned(),
        headers: Vec::new(),
    }
}

#[tokio::test]
async fn http_probes() {
    let cases: [(&'static [&'static str], &str); 5] = [
        (&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], "Success"),
        (
            &["HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"],
            "Failure(\"HTTP probe failed with statuscode: 503\")",
        ),
        (
            &[
                "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 204 None\r\n\r\n",
            ],
            "Success",
        ),
        (
            &["HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n"],
            "Warning(\"Probe terminated redirects\")",
        ),
        (&["nonsense\r\n\r\n"], "Failure"),
    ];
    for (answers, expect) in cases {
        let outcome = format!("{:?}", ask(http(server(answers).await)).await);
        assert!(outcome.starts_with(expect), "{outcome}, not {expect}");
    }
}

#[tokio::test]
async fn tcp_probes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handler = Handler::Tcp { host: None, port };
    assert_eq!(ask(handler.clone()).await, Outcome::Success);
    drop(listener);
    let expect = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(ask(handler).await, Outcome::Failure(expect));
}
