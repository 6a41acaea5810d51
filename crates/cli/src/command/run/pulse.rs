//! Whether the server can be reached at all. A connection on which nothing arrives does not tell, and after an
//! interruption TCP alone takes up to minutes to go on.

use std::time::Duration;

use http::Request;
use kube::Client;
use tokio::sync::watch::Sender;

const INTERVAL: Duration = Duration::from_secs(2);
const INTERVAL_WHILE_AWAY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(1);

/// Beats each time the server is back after it could not be reached. Ends when nobody feels it.
pub async fn beat(client: Client, pulse: Sender<u64>) {
    let mut away = false;
    while !pulse.is_closed() {
        tokio::time::sleep(if away { INTERVAL_WHILE_AWAY } else { INTERVAL }).await;
        let is_there = answers(&client).await;
        if is_there && away {
            pulse.send_modify(|beats| *beats += 1);
        }
        away = !is_there;
    }
}

/// Any answer will do.
async fn answers(client: &Client) -> bool {
    let Ok(request) = Request::builder().uri("/livez").body(Vec::new()) else {
        return true;
    };
    let answered = tokio::time::timeout(PATIENCE, client.request_text(request)).await;
    matches!(answered, Ok(Ok(_) | Err(kube::Error::Api(_))))
}
