//! Certificate signing requests: those of nodes are approved where the requester may have them approved, approved ones
//! are signed by the cluster's own authority, and all of them are removed when nobody needs them any more (auth.md §9).
//!
//! The watch delivers metadata only; a request is read when something about it is to be decided.

mod decide;
mod request;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::{Value, json};

use strongroom_certificates::{Issuance, Unacceptable};

use crate::certificates::decide::{Action, Automatic, decide};
use crate::certificates::request::{SigningRequest, issued, with_condition};
use crate::list_watch::{Change, Collection, escape, list_watch};
use crate::object::{Item as _, Object};
use crate::request::{ApiClient, Form, RequestError};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

const COLLECTION: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const AT_ONCE: usize = 8;
/// A requester who may not have its request approved today may tomorrow.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The authority that signs for the signers of Kubernetes.
#[derive(Clone)]
pub struct CertificateAuthority {
    /// Issues a certificate, PEM.
    pub issue: Arc<dyn Fn(&Issuance) -> Result<String, IssueError> + Send + Sync>,
    /// How long a certificate holds at most.
    pub longest: Duration,
}

/// Why an authority could not issue: its own fault, not the requester's.
pub type IssueError = Box<dyn Error + Send + Sync>;

/// What came of looking at a request.
enum Finding {
    Finished(Outcome),
    NotYet(Duration),
}

/// Approves, signs and removes requests for ever.
pub(crate) async fn run(api: ApiClient, authority: Option<CertificateAuthority>) {
    let requests = Collection {
        path: COLLECTION.to_owned(),
        field_selector: None,
        form: Form::Metadata,
        rest_factor: 0,
    };
    let mut changes = list_watch::<Object>(api.clone(), requests);
    let keeper = Keeper { api, authority };
    let mut workers = Workers::<String, Finding>::new(AT_ONCE, LONGEST_PAUSE);
    loop {
        tokio::select! {
            Some(change) = changes.next() => match change {
                Change::Applied(request) => workers.queue.add(request.metadata.name, Instant::now()),
                Change::Deleted(request) => workers.queue.remove(&request.metadata.name),
                Change::Listing | Change::Listed => {}
            },
            progress = workers.next() => match progress {
                Progress::Begin(name) => workers.start(name.clone(), tend(keeper.clone(), name)),
                Progress::Ended(name, Finding::Finished(outcome)) => workers.finish(&name, outcome),
                Progress::Ended(name, Finding::NotYet(wait)) => {
                    workers.finish(&name, Outcome::Done);
                    workers.queue.add(name, Instant::now() + wait);
                }
            },
        }
    }
}

async fn tend(keeper: Keeper, name: String) -> Finding {
    match keeper.tend(&name).await {
        Ok(finding) => finding,
        // Gone, or changed since it was read: the watch tells.
        Err(error) if error.is_not_found() || error.is_conflict() => Finding::Finished(Outcome::Done),
        Err(error) => {
            tracing::debug!(name, %error, "could not tend a certificate signing request, trying again");
            Finding::Finished(Outcome::Retry)
        }
    }
}

/// What acting on a request takes.
#[derive(Clone)]
struct Keeper {
    api: ApiClient,
    authority: Option<CertificateAuthority>,
}

impl Keeper {
    async fn tend(&self, name: &str) -> Result<Finding, RequestError> {
        let path = format!("{COLLECTION}/{}", escape(name));
        let live: Value = self.api.get(&path, Form::Object).await?;
        let Ok(request) = SigningRequest::deserialize(&live) else {
            return Ok(Finding::Finished(Outcome::Done));
        };
        let longest = self.authority.as_ref().map(|authority| authority.longest);
        let outcome = match decide(&request, longest, Timestamp::now()) {
            Action::Keep => Outcome::Done,
            Action::Wait(wait) => return Ok(Finding::NotYet(wait)),
            Action::Delete => self.delete(&path, &request).await?,
            Action::ApproveIfAllowed(permissions) => {
                self.approve_if_allowed(&path, live, &request, permissions)
                    .await?
            }
            Action::Issue(issuance) => self.issue(&path, live, &request, &issuance).await?,
            Action::Fail(reason) => self.fail(&path, live, &reason).await?,
        };
        Ok(Finding::Finished(outcome))
    }

    async fn delete(&self, path: &str, request: &SigningRequest) -> Result<Outcome, RequestError> {
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {
                "uid": request.metadata().uid,
                "resourceVersion": request.metadata().resource_version,
            },
        });
        self.api.delete(path, &options).await.map(|()| Outcome::Done)
    }

    async fn approve_if_allowed(
        &self,
        path: &str,
        live: Value,
        request: &SigningRequest,
        permissions: Vec<Automatic>,
    ) -> Result<Outcome, RequestError> {
        for permission in permissions {
            let review = request.review(permission.subresource());
            let answer: Value = self.api.create_returning(REVIEWS, &review).await?;
            if answer["status"]["allowed"] != true {
                continue;
            }
            let approved = with_condition(live, "Approved", "AutoApproved", permission.message());
            let approval = format!("{path}/approval");
            return self
                .api
                .replace(&approval, &approved)
                .await
                .map(|()| Outcome::Done);
        }
        Ok(Outcome::Retry)
    }

    async fn issue(
        &self,
        path: &str,
        live: Value,
        request: &SigningRequest,
        issuance: &Issuance,
    ) -> Result<Outcome, RequestError> {
        let Some(authority) = &self.authority else {
            return Ok(Outcome::Done);
        };
        let name = &request.metadata().name;
        let certificate = match (authority.issue)(issuance) {
            Ok(certificate) => certificate,
            Err(error) => {
                tracing::warn!(
                    name,
                    error,
                    "the certificate authority cannot issue a certificate"
                );
                return Ok(Outcome::Retry);
            }
        };
        let status = format!("{path}/status");
        self.api.replace(&status, &issued(live, &certificate)).await?;
        tracing::info!(name, signer = request.signer_name(), "issued a certificate");
        Ok(Outcome::Done)
    }

    async fn fail(&self, path: &str, live: Value, reason: &Unacceptable) -> Result<Outcome, RequestError> {
        let failed = with_condition(live, "Failed", "SignerValidationFailure", &reason.to_string());
        let status = format!("{path}/status");
        self.api.replace(&status, &failed).await.map(|()| Outcome::Done)
    }
}
