//! Reaching into a container: commands, HTTP and TCP, for probes and lifecycle hooks.

mod unverified;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use strongroom_cri::Runtime;
use strongroom_node_plan::handler::Handler;
use strongroom_node_plan::probes::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The most that is read of an answer.
const BODY_BYTES: usize = 10 << 10;
/// The most of a command's output that goes into a message.
const OUTPUT_BYTES: usize = 10 << 10;
/// Redirects to the same host are followed so often.
const REDIRECTS: usize = 10;

/// Whom to reach.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The runtime's id of the container.
    pub container: String,
    /// The pod's own address; `None` while it has none.
    pub address: Option<String>,
}

/// Does what the handler says, for at most `limit`.
pub(crate) async fn reach(runtime: &Runtime, target: &Target, handler: &Handler, limit: Duration) -> Outcome {
    match handler {
        Handler::Exec { command } => exec(runtime, target, command.clone(), limit).await,
        Handler::Sleep { seconds } => {
            let wanted = Duration::from_secs(u64::try_from(*seconds).unwrap_or(0));
            tokio::time::sleep(wanted.min(limit)).await;
            Outcome::Success
        }
        Handler::Tcp { host, port } => {
            let Some(host) = host.clone().or_else(|| target.address.clone()) else {
                return no_address();
            };
            match tokio::time::timeout(limit, connect(&host, *port)).await {
                Ok(Ok(_)) => Outcome::Success,
                Ok(Err(error)) => Outcome::Failure(error),
                Err(_) => Outcome::Failure(format!("dial tcp {}: i/o timeout", joined(&host, *port))),
            }
        }
        Handler::Http {
            scheme,
            host,
            port,
            path,
            headers,
        } => {
            let Some(address) = host.clone().or_else(|| target.address.clone()) else {
                return no_address();
            };
            let url = format!("{scheme}://{}{path}", joined(&address, *port));
            match tokio::time::timeout(limit, get(&url, headers)).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::Failure(format!(
                    "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                )),
            }
        }
        Handler::Grpc { .. } => {
            Outcome::Unknown("gRPC health checks are not supported by this node".to_owned())
        }
    }
}

fn no_address() -> Outcome {
    Outcome::Unknown("the pod has no address yet".to_owned())
}

async fn exec(runtime: &Runtime, target: &Target, command: Vec<String>, limit: Duration) -> Outcome {
    match runtime.exec_sync(&target.container, command, limit).await {
        Ok(ran) if ran.exit_code == 0 => Outcome::Success,
        Ok(ran) => {
            let mut output = ran.stdout;
            output.extend(ran.stderr);
            output.truncate(OUTPUT_BYTES);
            Outcome::Failure(String::from_utf8_lossy(&output).into_owned())
        }
        Err(error) => {
            let text = error.as_rpc_error();
            if text.contains("DeadlineExceeded") {
                Outcome::Failure(format!("command timed out: {text}"))
            } else {
                Outcome::Unknown(text)
            }
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let at = joined(host, port);
    TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => format!("dial tcp {at}: connect: connection refused"),
            _ => format!("dial tcp {at}: {error}"),
        })
}

fn joined(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// 200 to 399 is success; a redirect to another host is a success with a remark.
async fn get(url: &str, headers: &[(String, String)]) -> Outcome {
    let mut url = url.to_owned();
    for _ in 0..REDIRECTS {
        let (status, location) = match get_once(&url, headers).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Failure(format!("Get \"{url}\": {error}")),
        };
        if !status.is_redirection() {
            return if status.is_success() {
                Outcome::Success
            } else {
                Outcome::Failure(format!("HTTP probe failed with statuscode: {}", status.as_u16()))
            };
        }
        let Some(next) = location.and_then(|location| resolve(&url, &location)) else {
            return Outcome::Success;
        };
        if authority(&next) != authority(&url) {
            return Outcome::Warning("Probe terminated redirects".to_owned());
        }
        url = next;
    }
    Outcome::Failure(format!("Get \"{url}\": stopped after {REDIRECTS} redirects"))
}

fn authority(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    uri.host().map(str::to_owned)
}

fn resolve(base: &str, location: &str) -> Option<String> {
    if location.contains("://") {
        return Some(location.to_owned());
    }
    let uri: Uri = base.parse().ok()?;
    let path = if location.starts_with('/') {
        location.to_owned()
    } else {
        let directory = uri.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("{directory}/{location}")
    };
    Some(format!("{}://{}{path}", uri.scheme_str()?, uri.authority()?))
}

async fn get_once(url: &str, headers: &[(String, String)]) -> Result<(StatusCode, Option<String>), String> {
    let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().ok_or("no host")?.to_owned();
    let is_https = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let stream = connect(&host, port).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path);
    let named = |name: &str| headers.iter().find(|(had, _)| had.eq_ignore_ascii_case(name));
    let host_header = named("host").map_or_else(|| joined(&host, port), |(_, value)| value.clone());
    request = request.header("Host", host_header);
    if named("user-agent").is_none() {
        request = request.header("User-Agent", "kube-probe/1.36");
    }
    if named("accept").is_none() {
        request = request.header("Accept", "*/*");
    }
    for (name, value) in headers {
        if !name.eq_ignore_ascii_case("host") {
            request = request.header(name, value);
        }
    }
    let request = request
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    if !is_https {
        return exchange(stream, request).await;
    }
    let name =
        ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(Arc::new(unverified::client()?))
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    exchange(stream, request).await
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Option<String>), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| innermost(&error))?;
    let connection = tokio::spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| innermost(&error))?;
    let status = answer.status();
    let location = answer.headers().get("location");
    let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
    // The server may be in the middle of its answer; what is in it does not matter.
    let _ = Limited::new(answer.into_body(), BODY_BYTES).collect().await;
    connection.abort();
    Ok((status, location))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        let _ = write!(text, ": {source}");
    }
    text
}

#[cfg(test)]
mod tests;
