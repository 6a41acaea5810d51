//! How much is taken on at once. What does not find a seat in time is answered 429, before anything is parsed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strongroom_objects::Status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Every limit of the server. Sizes in bytes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests that read and are answered at the same time.
    pub max_requests_inflight: usize,
    /// Requests that write and are answered at the same time.
    pub max_mutating_requests_inflight: usize,
    /// Requests of one user that may wait for a seat.
    pub max_queued_per_user: usize,
    /// How long a request waits for a seat.
    pub max_queue_wait: Duration,
    /// Watches that are open at the same time.
    pub max_watches: usize,
    /// Logs, commands and ports of pods that clients are connected to at the same time.
    pub max_connected: usize,
    /// Connections that are open at the same time.
    pub max_connections: usize,
    /// Size of a request's body.
    pub max_body: usize,
    /// Size of a request's headers.
    pub max_headers: usize,
    /// HTTP/2 streams of one connection.
    pub max_streams: u32,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for a request's headers to arrive.
    pub header_timeout: Duration,
    /// Time for a request's body to arrive and the request to be answered.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_requests_inflight: 400,
            max_mutating_requests_inflight: 200,
            max_queued_per_user: 512,
            max_queue_wait: Duration::from_secs(5),
            max_watches: 100_000,
            max_connected: 2_000,
            max_connections: 20_000,
            max_body: 3 * 1024 * 1024,
            max_headers: 64 * 1024,
            max_streams: 250,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(32),
            request_timeout: Duration::from_secs(60),
        }
    }
}

/// Which kind of seat a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatKind {
    /// `get` and `list`.
    Reading,
    /// All that may change something.
    Writing,
    /// Watches: counted, never waiting.
    Watching,
    /// What goes on to a node: counted, never waiting.
    Connecting,
}

/// A place among the requests that are answered now; dropping it makes room.
#[derive(Debug)]
pub struct Seat(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The seats there are, and who waits for one.
pub struct Seats {
    reading: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    watching: Arc<Semaphore>,
    connecting: Arc<Semaphore>,
    waiting: Mutex<HashMap<String, usize>>,
    max_queued_per_user: usize,
    max_queue_wait: Duration,
}

impl Seats {
    /// All free.
    pub fn new(limits: &Limits) -> Self {
        Self {
            reading: Arc::new(Semaphore::new(limits.max_requests_inflight)),
            writing: Arc::new(Semaphore::new(limits.max_mutating_requests_inflight)),
            watching: Arc::new(Semaphore::new(limits.max_watches)),
            connecting: Arc::new(Semaphore::new(limits.max_connected)),
            waiting: Mutex::default(),
            max_queued_per_user: limits.max_queued_per_user,
            max_queue_wait: limits.max_queue_wait,
        }
    }

    /// A seat for a request of `user`, at once or after a short wait.
    ///
    /// # Errors
    /// 429 when none is free in time, or when too many of the user's requests wait already.
    pub async fn take(&self, kind: SeatKind, user: &str) -> Result<Seat, Box<Status>> {
        let seats = match kind {
            SeatKind::Reading => &self.reading,
            SeatKind::Writing => &self.writing,
            SeatKind::Watching => &self.watching,
            SeatKind::Connecting => &self.connecting,
        };
        if let Ok(permit) = Arc::clone(seats).try_acquire_owned() {
            return Ok(Seat(permit));
        }
        if matches!(kind, SeatKind::Watching | SeatKind::Connecting) {
            return Err(too_many());
        }
        let _place = Place::take(&self.waiting, user, self.max_queued_per_user).ok_or_else(too_many)?;
        match tokio::time::timeout(self.max_queue_wait, Arc::clone(seats).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Seat(permit)),
            _ => Err(too_many()),
        }
    }
}

fn too_many() -> Box<Status> {
    Box::new(Status::too_many_requests())
}

/// One user's place in the queue.
struct Place<'a> {
    waiting: &'a Mutex<HashMap<String, usize>>,
    user: String,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a Mutex<HashMap<String, usize>>, user: &str, most: usize) -> Option<Self> {
        let mut counts = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(user.to_owned()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Self {
            waiting,
            user: user.to_owned(),
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}
