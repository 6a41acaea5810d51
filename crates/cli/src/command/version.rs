//! `strongroom version`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::output;

/// Print the version of this program, and of the Kubernetes it behaves like.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  strongroom version\n  strongroom version -o json")]
pub struct Version {
    /// The form to print it in
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Json,
    Yaml,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    strongroom_version: &'static str,
    kubernetes_version: &'static str,
    platform: String,
}

/// The Kubernetes release whose behaviour the specification was verified against.
const KUBERNETES_VERSION: &str = "v1.36.2";

impl Version {
    /// Prints it.
    pub fn run(self) -> anyhow::Result<()> {
        let versions = Versions {
            strongroom_version: concat!("v", env!("CARGO_PKG_VERSION")),
            kubernetes_version: KUBERNETES_VERSION,
            platform: format!("{}/{}", std::env::consts::OS, go_architecture()),
        };
        output::print(&match self.output {
            None => format!(
                "Strongroom {}, Kubernetes API {}, {}\n",
                versions.strongroom_version, versions.kubernetes_version, versions.platform
            ),
            Some(Form::Json) => serde_json::to_string_pretty(&versions)? + "\n",
            Some(Form::Yaml) => serde_saphyr::to_string(&versions)?,
        })
    }
}

/// The processor's name in Kubernetes' words.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
