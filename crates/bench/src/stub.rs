//! A server to try the clients on: hyper over TLS, answering everything with the same kilobyte.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::histogram::Histogram;
use crate::load::{Source, Until, closed, connect, multiplexed, open};
use crate::requests::{self, Template};
use crate::tls::Access;
use crate::{http1, http2};

/// Starts the server on threads of its own; returns how to reach it.
fn start() -> Access {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)
        .expect("names")
        .signed_by(&key, &authority)
        .expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a configuration");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("an address"))
                .expect("somebody listens");
            accept(listener, TlsAcceptor::from(Arc::new(config))).await;
        });
    });
    let address = told.recv().expect("an address");
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let (ca, certificate, key) = (
        encode(authority.pem()),
        encode(certificate.pem()),
        encode(key.serialize_pem()),
    );
    let kubeconfig = format!(
        "server: https://{address}\ncertificate-authority-data: {ca}\nclient-certificate-data: {certificate}\nclient-key-data: {key}\n"
    );
    Access::from_kubeconfig(&kubeconfig).expect("a kubeconfig")
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let _ = socket.set_nodelay(true);
            let Ok(stream) = acceptor.accept(socket).await else {
                return;
            };
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let service = hyper::service::service_fn(answer);
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let missing = request.uri().path() == "/missing";
    let chunked = request.uri().path() == "/chunked";
    let _ = request.into_body().collect().await;
    let body = if chunked {
        let parts = ["first\n", "second\n", ""].map(|part| Ok(Frame::data(Bytes::from(part))));
        StreamBody::new(futures::stream::iter(parts)).boxed()
    } else {
        Full::new(Bytes::from(vec![b'x'; 1800])).boxed()
    };
    Ok(Response::builder()
        .status(if missing { 404 } else { 200 })
        .body(body)
        .expect("a response"))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(1)
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

#[test]
fn http1_reads_both_framings() {
    let access = start();
    run(async {
        let mut connection = http1::Connection::open(&access).await.expect("a connection");
        for _ in 0..2 {
            assert_eq!(
                connection
                    .exchange(&requests::get("/", "*/*"))
                    .await
                    .expect("an answer"),
                (200, 1800)
            );
            let (status, body) = connection
                .fetch(&requests::get("/chunked", "*/*"))
                .await
                .expect("an answer");
            assert_eq!((status, body.as_slice()), (200, b"first\nsecond\n".as_slice()));
            assert_eq!(
                connection
                    .exchange(&requests::get("/missing", "*/*"))
                    .await
                    .expect("an answer")
                    .0,
                404
            );
        }
        let request = Template::create("n").fill(1).to_vec();
        assert_eq!(
            connection.exchange(&request).await.expect("an answer"),
            (200, 1800)
        );
    });
}

#[test]
fn http2_counts_lines_and_knows_failures() {
    let access = start();
    run(async {
        let mut connection = http2::Connection::open(&access).await.expect("a connection");
        let chunked = connection.request(&http2::Request::get("/chunked", "*/*"));
        let missing = connection.request(&http2::Request::get("/missing", "*/*"));
        let (mut lines, mut ends, mut oks) = (0, 0, Vec::new());
        while ends < 2 {
            match connection.next().await.expect("more") {
                http2::Incoming::Headers { stream, ok, ended } => {
                    oks.push((stream, ok));
                    ends += usize::from(ended);
                }
                http2::Incoming::Data {
                    stream,
                    lines: more,
                    ended,
                } => {
                    lines += if stream == chunked { more } else { 0 };
                    ends += usize::from(ended);
                }
                reset => panic!("{reset:?}"),
            }
        }
        oks.sort_unstable();
        assert_eq!((lines, oks), (2, vec![(chunked, true), (missing, false)]));
    });
}

#[test]
fn loads_come_to_what_was_asked() {
    let access = start();
    run(async {
        let mut connections = connect(&access, 8).await.expect("connections");
        let source = Source::Fixed(requests::get("/", "*/*").into());
        let load = closed(&mut connections, &source, Until::Requests(100))
            .await
            .expect("a load");
        assert_eq!((load.latency.count(), connections.len()), (100, 8));
        let load = open(&mut connections, &source, 200.0, Duration::from_secs(1))
            .await
            .expect("a load");
        assert!(
            (100..300).contains(&load.latency.count()),
            "{}",
            load.latency.count()
        );
        assert_eq!(connections.len(), 8);
        let failing = Source::Fixed(requests::get("/missing", "*/*").into());
        assert!(
            closed(&mut connections, &failing, Until::Requests(1))
                .await
                .is_err()
        );
    });
}

/// How much the generator itself can ask for, with a server that does next to nothing:
/// `cargo test --release -p strongroom-bench -- --ignored --nocapture`, the threads on two cores.
#[test]
#[ignore = "a measurement"]
fn capacity() {
    let access = start();
    run(async {
        let source = Source::Fixed(requests::get("/", "*/*").into());
        let mut connections = connect(&access, 64).await.expect("connections");
        let run = Duration::from_secs(3);
        let tell = |what: &str, rate: f64, latency: &Histogram, cpu: f64| {
            println!(
                "{what}: {rate:.0}/s, p99 {:?}, {:.1} µs of processor each (both sides)",
                latency.percentile(99.0),
                cpu * 1e6 / latency.count() as f64
            );
        };
        let before = crate::server::cpu_of_self();
        let load = closed(&mut connections, &source, Until::Elapsed(run))
            .await
            .expect("a load");
        tell(
            "HTTP/1.1, 64 connections",
            load.rate(),
            &load.latency,
            crate::server::cpu_of_self() - before,
        );
        let before = crate::server::cpu_of_self();
        let load = multiplexed(&access, &http2::Request::get("/", "*/*"), 64, run)
            .await
            .expect("a load");
        tell(
            "HTTP/2, 64 streams",
            load.rate(),
            &load.latency,
            crate::server::cpu_of_self() - before,
        );
        let load = open(&mut connections, &source, 5_000.0, run)
            .await
            .expect("a load");
        tell("HTTP/1.1, 5,000/s", load.rate(), &load.latency, 0.0);
    });
}
