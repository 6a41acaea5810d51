//! Questions that are answered and forgotten: whose token is this, may somebody do something, who am I
//! (auth §3.4, §4).

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use jiff::Timestamp;
use strongroom_access::Identity;
use strongroom_access::review::{
    ReviewAttributes, ReviewError, access_status, local_subject_access_review, rules_status,
    self_subject_access_review, self_subject_rules_review, self_subject_status, subject_access_review,
    user_info,
};
use strongroom_merge::managed_fields::{Writer, track_update};
use strongroom_objects::{Map, Object, Status, Value};
use strongroom_resources::decode::{agree_with_url, decode};
use strongroom_resources::options::{Operation, WriteOptions};

use crate::authentication::{check_token, token_audiences};
use crate::body::{Body, RequestBody};
use crate::encode::content_type;
use crate::get::form;
use crate::negotiation::{Shape, body_format};
use crate::pipeline::{Admitted, default_manager};
use crate::respond;
use crate::routes::Target;
use crate::server::ApiServer;

/// Answers a review.
pub(crate) async fn answer<B>(
    mut request: Admitted<'_, B>,
    target: Target,
) -> Result<Response<Body>, Box<Status>>
where
    B: RequestBody,
{
    let form = form(&request, &target, Shape::Reply)?;
    let options = WriteOptions::parse(request.query, Operation::Create)?;
    let format = body_format(request.header(&CONTENT_TYPE))?;
    let body = request.read_body().await?;
    let decoded = decode(target.resource, &body, format, options.field_validation)?;
    drop(body);
    let mut review = decoded.object;
    if target.resource.namespaced {
        agree_with_url(&mut review, &target.namespace, None)?;
    }
    let status = status(request.server, request.user, &target, &review).await?;
    if target.resource.plural == "tokenreviews" {
        let audiences = wanted_audiences(request.server, &review);
        if let Some(Value::Object(spec)) = review.body.get_mut("spec") {
            spec.insert("audiences".to_owned(), audiences.into());
        }
    }
    track(
        &mut review,
        &target,
        &default_manager(&request.headers),
        Timestamp::now(),
    );
    review.body.insert("status".to_owned(), Value::Object(status));
    let body = form.object(&review)?;
    let mut response = respond::answer(StatusCode::CREATED, content_type(form.accepted.format), body);
    respond::add_warnings(&mut response, &decoded.warnings);
    Ok(response)
}

async fn status(
    server: &ApiServer,
    user: &Identity,
    target: &Target,
    review: &Object,
) -> Result<Map, Box<Status>> {
    let authorization = &server.0.authorization;
    let decide = |user: &Identity, asked: &ReviewAttributes| {
        access_status(&authorization.decide(&asked.attributes(user)))
    };
    match target.resource.plural {
        "tokenreviews" => token_status(server, review).await,
        "selfsubjectreviews" => Ok(self_subject_status(user)),
        "selfsubjectaccessreviews" => {
            let asked = self_subject_access_review(review).map_err(refusal)?;
            Ok(decide(user, &asked))
        }
        "subjectaccessreviews" => {
            let (subject, asked) = subject_access_review(review).map_err(refusal)?;
            Ok(decide(&subject, &asked))
        }
        "localsubjectaccessreviews" => {
            let (subject, asked) = local_subject_access_review(review, &target.namespace).map_err(refusal)?;
            Ok(decide(&subject, &asked))
        }
        "selfsubjectrulesreviews" => {
            let namespace = self_subject_rules_review(review).map_err(refusal)?;
            let found = authorization.rules().policy.rules_for(user, &namespace);
            Ok(rules_status(user, &found))
        }
        other => Err(Box::new(Status::internal(&format!("nothing answers {other}")))),
    }
}

fn refusal(error: ReviewError) -> Box<Status> {
    Box::new(match error {
        // The message names no kind: Kubernetes does not know it at this point.
        ReviewError::Invalid(errors) => Status::invalid("authorization.k8s.io", "", "", errors),
        ReviewError::BadRequest(message) => Status::bad_request(&message),
    })
}

fn wanted_audiences(server: &ApiServer, review: &Object) -> Vec<String> {
    let spec = review.body.get("spec");
    let wanted = spec
        .and_then(|spec| spec.get("audiences"))
        .and_then(Value::as_array);
    let wanted: Vec<String> = wanted
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if wanted.is_empty() {
        return server
            .0
            .authentication
            .service_accounts
            .tokens
            .api_audiences
            .clone();
    }
    wanted
}

async fn token_status(server: &ApiServer, review: &Object) -> Result<Map, Box<Status>> {
    let spec = review.body.get("spec");
    let token = spec
        .and_then(|spec| spec.get("token"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    if token.is_empty() {
        let text = "token is required for TokenReview in authentication";
        return Err(Box::new(Status::bad_request(text)));
    }
    let audiences = wanted_audiences(server, review);
    let mut status = Map::new();
    match check_token(server, token, &audiences).await {
        Ok(Some(caller)) => {
            status.insert("authenticated".to_owned(), true.into());
            status.insert("user".to_owned(), Value::Object(user_info(&caller.identity)));
            let audiences = token_audiences(server, &caller, &audiences);
            status.insert("audiences".to_owned(), audiences.into());
        }
        refused => {
            let problems = refused.err().unwrap_or_default();
            let mut all = vec!["invalid bearer token".to_owned()];
            all.extend(problems);
            let error = match all.as_slice() {
                [only] => only.clone(),
                several => format!("[{}]", several.join(", ")),
            };
            status.insert("user".to_owned(), Value::Object(Map::new()));
            status.insert("error".to_owned(), error.into());
        }
    }
    Ok(status)
}

/// What is answered and forgotten shows who asked, as Kubernetes does.
pub(crate) fn track(review: &mut Object, target: &Target, manager: &str, now: Timestamp) {
    let now = strongroom_objects::time::seconds(now);
    let api_version = target.resource.api_version();
    let writer = Writer {
        manager,
        api_version: &api_version,
        subresource: &target.subresource,
        now: &now,
    };
    let ty = target.resource.served_type();
    review.metadata.managed_fields = review.read_as_value(|value| track_update(ty, None, value, &writer));
}
