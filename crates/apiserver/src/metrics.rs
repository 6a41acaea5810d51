//! `/metrics`: kube-apiserver's names where the same thing is measured. Labels come from the table of resources and
//! from fixed lists, never from a client, so that nobody can make series at will (RELIABILITY S24).

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Instant;

use http::{Response, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strongroom_resources::find;

use crate::body::Body;
use crate::request_info::RequestInfo;
use crate::respond;
use crate::server::ApiServer;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: &'static str,
    scope: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    verb: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    request_kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LastingLabels {
    verb: &'static str,
    subresource: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

type DurationFamily = Family<DurationLabels, Histogram, fn() -> Histogram>;

/// Everything that is measured.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: DurationFamily,
    in_flight: Family<KindLabels, Gauge>,
    storage_objects: Gauge<i64, AtomicI64>,
    storage_size: Gauge<i64, AtomicI64>,
    lasting: Family<LastingLabels, Gauge>,
    unreadable: Counter<u64, AtomicU64>,
    audited: Counter<u64, AtomicU64>,
    audit_refusals: Counter<u64, AtomicU64>,
    audit_losses: Counter<u64, AtomicU64>,
    webhook_sent: Counter<u64, AtomicU64>,
    webhook_losses: Counter<u64, AtomicU64>,
    webhook_failures: Counter<u64, AtomicU64>,
    resident: Gauge<i64, AtomicI64>,
    cpu: Gauge<f64, AtomicU64>,
    open_files: Gauge<i64, AtomicI64>,
}

fn durations() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ])
}

impl Metrics {
    /// Nothing measured yet.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations as fn() -> Histogram),
            in_flight: Family::default(),
            storage_objects: Gauge::default(),
            storage_size: Gauge::default(),
            lasting: Family::default(),
            unreadable: Counter::default(),
            audited: Counter::default(),
            audit_refusals: Counter::default(),
            audit_losses: Counter::default(),
            webhook_sent: Counter::default(),
            webhook_losses: Counter::default(),
            webhook_failures: Counter::default(),
            resident: Gauge::default(),
            cpu: Gauge::default(),
            open_files: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("apiserver_request", "Requests answered.", self.requests.clone());
        let help = "Time to answer a request, watches aside, in seconds.";
        registry.register("apiserver_request_duration_seconds", help, self.durations.clone());
        let help = "Requests that are being answered.";
        registry.register(
            "apiserver_current_inflight_requests",
            help,
            self.in_flight.clone(),
        );
        let help = "Objects in the store, of all resources.";
        registry.register("apiserver_storage_objects", help, self.storage_objects.clone());
        let help = "Size of the store's file in bytes.";
        registry.register("apiserver_storage_size_bytes", help, self.storage_size.clone());
        registry.register(
            "apiserver_longrunning_requests",
            "Watches, and connections to pods' logs, commands and ports, that are open.",
            self.lasting.clone(),
        );
        let help = "Records in the audit log since the server started.";
        registry.register("apiserver_audit_event", help, self.audited.clone());
        let help = "Requests refused because they could not be recorded.";
        registry.register(
            "apiserver_audit_requests_rejected",
            help,
            self.audit_refusals.clone(),
        );
        let help = "Records that were lost, in batch mode.";
        registry.register("strongroom_audit_dropped", help, self.audit_losses.clone());
        for (name, help, counter) in [
            (
                "sent",
                "Records that reached the audit webhook.",
                &self.webhook_sent,
            ),
            (
                "dropped",
                "Records that the audit webhook missed.",
                &self.webhook_losses,
            ),
            (
                "failures",
                "Attempts to reach the audit webhook that failed.",
                &self.webhook_failures,
            ),
        ] {
            registry.register(format!("strongroom_audit_webhook_{name}"), help, counter.clone());
        }
        let help = "Reads that met a damaged record.";
        registry.register(
            "strongroom_storage_corrupt_records",
            help,
            self.unreadable.clone(),
        );
        registry.register(
            "process_resident_memory_bytes",
            "Resident memory in bytes.",
            self.resident.clone(),
        );
        registry.register(
            "process_cpu_seconds",
            "Processor time used, in seconds.",
            self.cpu.clone(),
        );
        registry.register(
            "process_open_fds",
            "Open file descriptors.",
            self.open_files.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        build
            .get_or_create(&BuildLabels {
                version: env!("CARGO_PKG_VERSION"),
            })
            .set(1);
        registry.register("strongroom_build_info", "Which Strongroom this is.", build);
    }

    /// Begins to measure a request.
    pub fn start(&self, info: &RequestInfo) -> Measured<'_> {
        let row = find(&info.group, &info.version, &info.resource);
        let subresource = row
            .and_then(|row| row.subresource(&info.subresource))
            .map_or("", |found| found.name);
        let scope = match (info.is_resource, info.names_object, info.namespace.is_empty()) {
            (false, ..) => "",
            (true, true, _) => "resource",
            (true, false, false) => "namespace",
            (true, false, true) => "cluster",
        };
        let labels = DurationLabels {
            verb: if info.connects() {
                "CONNECT"
            } else {
                upper(info.verb)
            },
            group: row.map_or("", |row| row.group),
            version: row.map_or("", |row| row.version),
            resource: row.map_or("", |row| row.plural),
        };
        let reads = matches!(info.verb, "get" | "list" | "watch" | "head" | "options");
        let kind = KindLabels {
            request_kind: if reads { "readOnly" } else { "mutating" },
        };
        self.in_flight.get_or_create(&kind).inc();
        Measured {
            metrics: self,
            started: Instant::now(),
            labels,
            subresource,
            scope,
            kind,
        }
    }

    /// Counts a connection to a pod, until it is dropped.
    pub fn connection(&self, info: &RequestInfo) -> OpenConnection {
        let row = find(&info.group, &info.version, &info.resource);
        let labels = LastingLabels {
            verb: "CONNECT",
            subresource: row
                .and_then(|row| row.subresource(&info.subresource))
                .map_or("", |found| found.name),
        };
        let gauge = self.lasting.get_or_create(&labels).clone();
        gauge.inc();
        OpenConnection(gauge)
    }
}

/// A connection to a pod that is open.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn upper(verb: &str) -> &'static str {
    match verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "OTHER",
    }
}

/// A request that is being answered.
pub(crate) struct Measured<'a> {
    metrics: &'a Metrics,
    started: Instant,
    labels: DurationLabels,
    subresource: &'static str,
    scope: &'static str,
    kind: KindLabels,
}

impl Measured<'_> {
    /// Counts the answer.
    pub fn finish(self, response: &Response<Body>) {
        let labels = RequestLabels {
            verb: self.labels.verb,
            group: self.labels.group,
            version: self.labels.version,
            resource: self.labels.resource,
            subresource: self.subresource,
            scope: self.scope,
            code: response.status().as_u16(),
        };
        self.metrics.requests.get_or_create(&labels).inc();
        if !matches!(self.labels.verb, "WATCH" | "CONNECT") {
            let seconds = self.started.elapsed().as_secs_f64();
            self.metrics
                .durations
                .get_or_create(&self.labels)
                .observe(seconds);
        }
    }
}

// A request whose client went away is no longer answered, either.
impl Drop for Measured<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.get_or_create(&self.kind).dec();
    }
}

/// Answers `/metrics`.
pub(crate) fn answer(server: &ApiServer) -> Response<Body> {
    let metrics = &server.0.metrics;
    let status = server.0.store.store().status();
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    metrics.storage_objects.set(number(status.keys));
    metrics.storage_size.set(number(status.file_bytes));
    let watches = LastingLabels {
        verb: "WATCH",
        subresource: "",
    };
    metrics
        .lasting
        .get_or_create(&watches)
        .set(number(status.watchers as u64));
    raise(&metrics.unreadable, status.corrupt_records);
    if let Some(auditing) = &server.0.auditing {
        let stats = auditing.log.stats();
        raise(&metrics.audited, stats.recorded);
        raise(&metrics.audit_refusals, stats.refused);
        raise(&metrics.audit_losses, stats.dropped);
        let webhook = auditing.webhook.as_ref().map(strongroom_audit::Webhook::stats);
        let webhook = webhook.unwrap_or_default();
        raise(&metrics.webhook_sent, webhook.sent);
        raise(&metrics.webhook_losses, webhook.dropped);
        raise(&metrics.webhook_failures, webhook.failures);
    }
    read_process(metrics);
    let mut out = String::new();
    match text::encode(&mut out, &metrics.registry) {
        Ok(()) => respond::answer(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            out.into_bytes(),
        ),
        Err(_) => respond::text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n"),
    }
}

/// Brings a counter to what somebody else has counted.
fn raise(counter: &Counter<u64, AtomicU64>, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// What the kernel knows of this process; where it says nothing, the last figures stay.
fn read_process(metrics: &Metrics) {
    const PAGE: i64 = 4096;
    const TICKS_PER_SECOND: f64 = 100.0;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    if let Some(pages) = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<i64>().ok())
    {
        metrics.resident.set(pages * PAGE);
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name, in parentheses, may hold spaces: count fields behind it.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
        metrics.cpu.set((user + system) / TICKS_PER_SECOND);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        metrics.open_files.set(files.count() as i64);
    }
}
