use serde_json::json;

use super::*;
use crate::Value;

fn check(status: &Status, code: u16, reason: &str, message: &str) {
    assert_eq!(
        (status.code(), status.reason.as_str(), status.message.as_str()),
        (code, reason, message)
    );
}

#[test]
fn rows_of_the_table() {
    let rbac = "rbac.authorization.k8s.io";
    check(
        &Status::not_found("", "secrets", "n"),
        404,
        "NotFound",
        "secrets \"n\" not found",
    );
    check(
        &Status::not_found(rbac, "roles", "n"),
        404,
        "NotFound",
        "roles.rbac.authorization.k8s.io \"n\" not found",
    );
    check(
        &Status::already_exists("", "secrets", "n"),
        409,
        "AlreadyExists",
        "secrets \"n\" already exists",
    );
    check(
        &Status::conflict("", "secrets", "n", "the object has been modified"),
        409,
        "Conflict",
        "Operation cannot be fulfilled on secrets \"n\": the object has been modified",
    );
    check(&Status::unauthorized(), 401, "Unauthorized", "Unauthorized");
    check(
        &Status::method_not_allowed("", "secrets", "create"),
        405,
        "MethodNotAllowed",
        "create is not supported on resources of kind \"secrets\"",
    );
    check(
        &Status::too_large("limit is 3145728"),
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
    );
    check(
        &Status::internal("x"),
        500,
        "InternalError",
        "Internal error occurred: x",
    );
    check(
        &Status::server_timeout("", "secrets", "list", 1),
        500,
        "ServerTimeout",
        "The list operation against secrets could not be completed at this time, please try again.",
    );
    check(
        &Status::version_too_large(9, 4),
        504,
        "Timeout",
        "Timeout: Too large resource version: 9, current: 4",
    );
    check(
        &Status::forbidden("", "secrets", "n", "no"),
        403,
        "Forbidden",
        "secrets \"n\" is forbidden: no",
    );
    check(
        &Status::forbidden("", "secrets", "", "no"),
        403,
        "Forbidden",
        "secrets is forbidden: no",
    );
    let option = FieldError::forbidden("force", "may not be specified for non-apply patch");
    check(
        &Status::invalid("meta.k8s.io", "PatchOptions", "", vec![option]),
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
    );
    assert_eq!(Status::too_many_requests().retry_after(), Some(1));
}

#[test]
fn wire_examples() {
    let missing = |key: &str| FieldError::required(&format!("data[{key}]"), "");
    let status = Status::invalid("", "Secret", "s1", vec![missing("username"), missing("password")]);
    let expect = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Secret \"s1\" is invalid: [data[username]: Required value, data[password]: Required value]",
        "reason": "Invalid",
        "details": {"name": "s1", "kind": "Secret", "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "data[username]"},
            {"reason": "FieldValueRequired", "message": "Required value", "field": "data[password]"}]},
        "code": 422});
    assert_eq!(Value::Object(status.to_value()), expect);

    let expect = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": "n", "kind": "secrets", "uid": "u"}});
    assert_eq!(
        Value::Object(Status::deleted("", "secrets", "n", "u").to_value()),
        expect
    );
    assert_eq!(
        Value::Object(Status::page_not_found().to_value())["details"],
        json!({})
    );
}
