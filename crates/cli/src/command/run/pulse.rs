//! Whether the server can be reached at all. A connection on which nothing arrives does not tell, and after an
//! interruption TCP alone takes up to minutes to go on.

use std::time::Duration;

use http::Uri;
use tokio::net::TcpStream;
use tokio::sync::watch::Sender;

const INTERVAL: Duration = Duration::from_secs(2);
const INTERVAL_WHILE_AWAY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(1);

/// Beats each time the server is back after it could not be reached. Ends when nobody feels it.
///
/// It is asked for a connection and nothing else, which is no request that somebody would have to account for.
pub async fn beat(server: Uri, pulse: Sender<u64>) {
    let Some(address) = address(&server) else { return };
    let mut away = false;
    while !pulse.is_closed() {
        tokio::time::sleep(if away { INTERVAL_WHILE_AWAY } else { INTERVAL }).await;
        let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address.clone())).await;
        let is_there = matches!(connected, Ok(Ok(_)));
        if is_there && away {
            pulse.send_modify(|beats| *beats += 1);
        }
        away = !is_there;
    }
}

fn address(server: &Uri) -> Option<(String, u16)> {
    let host = server
        .host()?
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let default = if server.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    Some((host, server.port_u16().unwrap_or(default)))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses() {
        for (url, expect) in [
            ("https://127.0.0.1:6443/", Some(("127.0.0.1", 6443))),
            ("https://[::1]:6443", Some(("::1", 6443))),
            ("https://example.com/path", Some(("example.com", 443))),
            ("http://example.com", Some(("example.com", 80))),
            ("/no/server", None),
        ] {
            let found = address(&url.parse().unwrap());
            assert_eq!(
                found.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expect,
                "{url}"
            );
        }
    }
}
