//! `strongroom access`: who may do what, and why.

mod answer;
mod cluster;
pub(super) mod connection;
mod explain;
mod question;
mod resource;
pub(super) mod user;
mod who_can;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::output;
use cluster::Cluster;
use connection::Connection;
use question::Question;

/// It is allowed.
const ALLOWED: u8 = 0;
/// It is not allowed.
const NOT_ALLOWED: u8 = 1;
/// The question could not be answered.
const UNANSWERED: u8 = 2;

/// Say who may do what, and why.
///
/// Roles, bindings and pods are read through the API and judged here by the same rules as in the server.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    strongroom access explain alice get secrets db-login -n shop\n  \
    strongroom access who-can get secret/db-login -n shop"
)]
pub struct Access {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    Explain(Explain),
    WhoCan(WhoCan),
}

/// Say whether somebody may do something, by which binding, or what is missing.
///
/// Ends with 0 if it is allowed, 1 if not, and 2 if that cannot be found out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    strongroom access explain alice get secrets db-login -n shop\n  \
    strongroom access explain alice list secrets -A --group developers\n  \
    strongroom access explain sa:shop/web create serviceaccounts/token web -n shop\n  \
    strongroom access explain system:node:worker-1 get secret db-login -n shop\n  \
    strongroom access explain alice get /metrics")]
struct Explain {
    /// The user; a service account as sa:NAMESPACE/NAME. Groups that follow from the name are added
    #[arg(value_parser = user::full_name)]
    user: String,

    /// get, list, watch, create, update, patch, delete, deletecollection, or any other verb
    verb: String,

    /// A resource as kubectl takes it, with its subresource if that is meant; or a path that begins with /
    #[arg(value_name = "RESOURCE[/SUBRESOURCE]")]
    resource: String,

    /// The object's name
    name: Option<String>,

    /// A group the user is in; may be given several times
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,

    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    form: FormFlag,
}

/// List everyone who may do something, and by which way.
///
/// Ways are bindings of roles, the Node authorizer (a node reads what its pods use), the pods that use a Secret or
/// ConfigMap, and membership of system:masters. Without a verb, `get` is meant.
#[derive(Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "Examples:\n  \
    strongroom access who-can get secret/db-login -n shop\n  \
    strongroom access who-can list secrets -A\n  \
    strongroom access who-can create serviceaccounts/web --subresource token -n shop\n  \
    strongroom access who-can get /metrics -o json"
)]
struct WhoCan {
    /// The verb [default: get]
    verb: Option<String>,

    /// A resource as kubectl takes it, with a name if one object is meant; or a path that begins with /
    #[arg(value_name = "RESOURCE[/NAME]")]
    resource: String,

    /// The part of the object that is meant, such as token or status
    #[arg(long, value_name = "NAME")]
    subresource: Option<String>,

    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    form: FormFlag,
}

/// In which namespace.
#[derive(Debug, Args)]
struct Place {
    /// The namespace [default: the one in the kubeconfig, else default]
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,

    /// In all namespaces at once, as for a cluster-wide list
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// Which server to ask.
#[derive(Debug, Args)]
struct Server {
    /// The kubeconfig [default: $KUBECONFIG, else the administrator's in the data directory]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Where the server keeps its state [default: /var/lib/strongroom for root, else $XDG_DATA_HOME/strongroom]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FormFlag {
    /// The form to print it in
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Json,
    Yaml,
}

impl Access {
    /// Answers, and says with the exit code how it went.
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            AccessCommand::Explain(explain) => explain.run(),
            AccessCommand::WhoCan(who_can) => who_can.run(),
        };
        outcome.map_or_else(
            |error| {
                eprintln!("error: {error:#}");
                ExitCode::from(UNANSWERED)
            },
            ExitCode::from,
        )
    }
}

impl Explain {
    fn run(self) -> anyhow::Result<u8> {
        let user = user::identity(&self.user, &self.group);
        let (cluster, question) = self.server.read(|connection, served| {
            question::to_explain(
                &self.verb,
                &self.resource,
                self.name.as_deref(),
                &self.place.namespace(connection),
                served,
            )
        })?;
        let answer = explain::explain(&cluster, &user, &question);
        self.form.print(&answer)?;
        Ok(if answer.allowed { ALLOWED } else { NOT_ALLOWED })
    }
}

impl WhoCan {
    fn run(self) -> anyhow::Result<u8> {
        let (cluster, question) = self.server.read(|connection, served| {
            question::about_everyone(
                self.verb.as_deref().unwrap_or("get"),
                &self.resource,
                self.subresource.as_deref(),
                &self.place.namespace(connection),
                served,
            )
        })?;
        self.form.print(&who_can::who_can(&cluster, &question))?;
        Ok(ALLOWED)
    }
}

impl Place {
    fn namespace(&self, connection: &Connection) -> String {
        if self.all_namespaces {
            return String::new();
        }
        let own = || connection.default_namespace().to_owned();
        self.namespace.clone().unwrap_or_else(own)
    }
}

impl Server {
    /// What the cluster has, and the question in its words.
    fn read(
        &self,
        ask: impl FnOnce(&Connection, &[resource::Served]) -> anyhow::Result<Question>,
    ) -> anyhow::Result<(Cluster, Question)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let connection = Connection::open(self.kubeconfig.as_deref(), self.data_dir.as_deref()).await?;
            let served = connection.served().await?;
            let question = ask(&connection, &served)?;
            let cluster = connection.cluster(&served, question.namespace()).await?;
            Ok((cluster, question))
        })
    }
}

impl FormFlag {
    fn print(&self, answer: &(impl Serialize + std::fmt::Display)) -> anyhow::Result<()> {
        output::print(&match self.output {
            None => answer.to_string(),
            Some(Form::Json) => serde_json::to_string_pretty(answer)? + "\n",
            Some(Form::Yaml) => serde_saphyr::to_string(&serde_json::to_value(answer)?)?,
        })
    }
}

#[cfg(test)]
mod tests;
