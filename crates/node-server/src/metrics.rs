//! What the port measures of itself, under the kubelet's names.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Labels come from fixed lists, never from a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    path: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    path: &'static str,
}

/// Everything that is measured.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    streams: Family<StreamLabels, Gauge>,
}

/// A log that is followed, or a connection that was upgraded.
pub struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Nothing measured yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::<RequestLabels, Counter>::default();
        let streams = Family::<StreamLabels, Gauge>::default();
        let help = "Requests answered.";
        registry.register("kubelet_http_requests", help, requests.clone());
        let help = "Logs that are being read and connections that were upgraded.";
        registry.register("kubelet_http_inflight_requests", help, streams.clone());
        Self {
            registry,
            requests,
            streams,
        }
    }

    /// Counts an answer.
    pub fn answered(&self, method: &http::Method, path: &'static str, code: http::StatusCode) {
        let method = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            _ => "other",
        };
        let labels = RequestLabels {
            method,
            path,
            code: code.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts something that lasts, until it is dropped.
    pub fn open(&self, path: &'static str) -> OpenStream {
        let gauge = self.streams.get_or_create(&StreamLabels { path }).clone();
        gauge.inc();
        OpenStream(gauge)
    }

    /// All of it, in the text format of Prometheus, without the closing `# EOF`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if text::encode(&mut out, &self.registry).is_err() {
            return String::new();
        }
        out.trim_end_matches("# EOF\n").to_owned()
    }
}
