//! Orders to the server of a data directory, over a socket that only its owner can reach.
//!
//! One order is one line of JSON, and so is the answer. The socket lies in the data directory, whose
//! mode 0700 is what keeps others away.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use strongroom_storage::Store;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::data_dir::DataDir;

/// Orders are short; whoever sends more is not from here.
const MAX_ORDER: u64 = 64 * 1024;
/// A connection that sends no order is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Write a backup to this file (an absolute path), which does not exist yet.
    Backup(PathBuf),
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The backup is complete and durable.
    BackedUp(Summary),
    /// It could not be done; one sentence says why.
    Failed(String),
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The revision it shows.
    pub revision: u64,
    /// Its number of records.
    pub records: u64,
    /// Its size.
    pub bytes: u64,
    /// Damaged records that it does not hold.
    pub damaged: u64,
}

/// Takes orders until the task is dropped.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(data_dir: &DataDir, store: Arc<dyn Store>) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let listener = bind(data_dir).context("The control socket in the data directory cannot be made")?;
    Ok(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, &*store).await {
                            tracing::debug!("an order was not taken: {error}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("the control socket takes no connection: {error}");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    })
}

/// Sends an order to the server of a data directory; `None` if no server runs.
///
/// # Errors
/// When there is a server that does not answer.
pub fn send(data_dir: &DataDir, order: &Order) -> anyhow::Result<Option<Answer>> {
    let Some(mut stream) = connect(data_dir)? else {
        return Ok(None);
    };
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    let answer =
        serde_json::from_str(&answer).context("The server ended before it answered; look at its log")?;
    Ok(Some(answer))
}

/// Does what an order says.
pub async fn obey(order: Order, store: &dyn Store) -> Answer {
    match order {
        Order::Backup(file) => match store.backup(&file).await {
            Ok(summary) => Answer::BackedUp(Summary {
                revision: summary.revision,
                records: summary.records,
                bytes: summary.bytes,
                damaged: summary.corrupt.len() as u64,
            }),
            Err(error) => Answer::Failed(format!("{:#}", anyhow::Error::new(error))),
        },
    }
}

async fn answer(mut stream: UnixStream, store: &dyn Store) -> io::Result<()> {
    let (input, mut output) = stream.split();
    let mut line = String::new();
    let mut input = tokio::io::BufReader::new(input.take(MAX_ORDER));
    tokio::time::timeout(PATIENCE, input.read_line(&mut line))
        .await
        .map_err(|_| ErrorKind::TimedOut)??;
    let answer = match serde_json::from_str(&line) {
        Ok(order) => obey(order, store).await,
        Err(_) => Answer::Failed("The server is of another version and does not know this order.".to_owned()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    output.write_all(&line).await
}

fn bind(data_dir: &DataDir) -> anyhow::Result<UnixListener> {
    let directory = std::fs::File::open(data_dir.path())?;
    let path = short_path(&directory);
    // Whoever holds the directory's lock may take the place of a server that was killed.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener = StdListener::bind(&path)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(UnixListener::from_std(listener)?)
}

fn connect(data_dir: &DataDir) -> anyhow::Result<Option<StdStream>> {
    let directory = match std::fs::File::open(data_dir.path()) {
        Ok(directory) => directory,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be opened", data_dir.path().display()));
        }
    };
    match StdStream::connect(short_path(&directory)) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error).context("The running server cannot be reached"),
    }
}

/// A socket's path has at most 107 bytes; a data directory's may be longer.
fn short_path(directory: &std::fs::File) -> PathBuf {
    Path::new("/proc/self/fd")
        .join(directory.as_raw_fd().to_string())
        .join(DataDir::CONTROL_SOCKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_reach_the_server_however_long_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::at(Some(&dir.path().join("d".repeat(200)))).unwrap();
        data_dir.create().unwrap();
        let order = Order::Backup(dir.path().join("backup"));
        assert_eq!(send(&data_dir, &order).unwrap(), None);

        let store = Arc::new(strongroom_storage::Memory::new(
            strongroom_storage::WindowLimits::default(),
        ));
        let server = tokio::spawn(serve(&data_dir, store).unwrap());
        let (place, asked) = (data_dir.clone(), order.clone());
        let answer = tokio::task::spawn_blocking(move || send(&place, &asked))
            .await
            .unwrap()
            .unwrap();
        assert!(
            matches!(answer, Some(Answer::Failed(_))),
            "memory has no backup: {answer:?}"
        );

        server.abort();
        let _ = server.await;
        assert_eq!(
            send(&data_dir, &order).unwrap(),
            None,
            "the socket of a dead server is no server"
        );
    }
}
