//! `/version`: which Kubernetes the API is like, and which Strongroom this is.

use serde_json::{Value, json};

/// Minor version of the Kubernetes whose behaviour is served.
const MINOR: &str = "36";
/// The Kubernetes release that the behaviour was verified against.
const KUBERNETES: &str = "v1.36.2";

/// The document at `/version` (api-conventions §2.3).
pub fn document() -> Value {
    json!({
        "major": "1",
        "minor": MINOR,
        "emulationMajor": "1",
        "emulationMinor": MINOR,
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": format!("{KUBERNETES}+strongroom-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, architecture()),
    })
}

/// The processor's name as Go calls it, which is what clients know.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
