//! Probes and lifecycle hooks.

use super::syntax::{header_name, port};
use crate::place::{Errors, Place};

const PROBE_HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK_HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "sleep"];

/// Hooks and probes of a container that goes on running.
pub(super) fn of_container(spec: &Place<'_>, container: &Place<'_>, errors: &mut Errors) {
    let grace = spec.integer("terminationGracePeriodSeconds");
    if let Some(lifecycle) = container.find("lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(hook) = lifecycle.find(name) {
                handler(&hook, &HOOK_HANDLERS, grace, errors);
            }
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(place) = container.find(name) else {
            continue;
        };
        probe(&place, errors);
        if name == "readinessProbe" {
            if let Some(seconds) = place.find("terminationGracePeriodSeconds") {
                seconds.invalid("must not be set for readinessProbes", errors);
            }
        } else if place.integer("successThreshold") != Some(1) {
            place.at("successThreshold").invalid("must be 1", errors);
        }
    }
}

fn probe(probe: &Place<'_>, errors: &mut Errors) {
    handler(probe, &PROBE_HANDLERS, None, errors);
    for name in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        probe.at(name).not_negative(errors);
    }
    let grace = probe.at("terminationGracePeriodSeconds");
    if grace.value.as_i64().is_some_and(|seconds| seconds <= 0) {
        grace.invalid("must be greater than 0", errors);
    }
}

fn handler(holder: &Place<'_>, kinds: &[&str], grace: Option<i64>, errors: &mut Errors) {
    let mut count = 0;
    for kind in kinds {
        let Some(action) = holder.find(kind) else { continue };
        count += 1;
        if count > 1 {
            action.forbidden("may not specify more than 1 handler type", errors);
            continue;
        }
        match *kind {
            "exec" => {
                if action.each("command").next().is_none() {
                    action.at("command").required("", errors);
                }
            }
            "httpGet" => http_get(&action, errors),
            "sleep" => sleep(&action, grace, errors),
            _ => port(&action.at("port"), errors),
        }
    }
    if count == 0 {
        holder.required("must specify a handler type", errors);
    }
}

fn http_get(action: &Place<'_>, errors: &mut Errors) {
    action.at("path").required_text(errors);
    port(&action.at("port"), errors);
    action.at("scheme").one_of(&["HTTP", "HTTPS"], errors);
    for header in action.each("httpHeaders") {
        for problem in header_name(header.text("name")) {
            action
                .at("httpHeaders")
                .invalid_as(header.text("name"), &problem, errors);
        }
    }
}

fn sleep(action: &Place<'_>, grace: Option<i64>, errors: &mut Errors) {
    let seconds = action.integer("seconds").unwrap_or(0);
    if let Some(grace) = grace
        && !(0..=grace).contains(&seconds)
    {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        action.invalid_as(seconds, &detail, errors);
    }
}
