//! How a pod finds names: `dnsConfig` and `hostAliases`.

use super::syntax::address;
use crate::names::NameRule;
use crate::place::{Errors, Place};

const MAX_SERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;

pub(super) fn configuration(spec: &Place<'_>, errors: &mut Errors) {
    let configuration = spec.at("dnsConfig");
    let servers = configuration.at("nameservers");
    let count = configuration.each("nameservers").count();
    if spec.text("dnsPolicy") == "None" {
        if !configuration.is_set() {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            return configuration.required(detail, errors);
        }
        if count == 0 {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return servers.required(detail, errors);
        }
    }
    if count > MAX_SERVERS {
        let detail = format!("must not have more than {MAX_SERVERS} nameservers");
        servers.invalid(&detail, errors);
    }
    configuration
        .each("nameservers")
        .for_each(|server| address(&server, errors));
    searches(&configuration, errors);
    for option in configuration.each("options") {
        if option.text("name").is_empty() {
            option.required("must not be empty", errors);
        }
    }
}

fn searches(configuration: &Place<'_>, errors: &mut Errors) {
    let searches: Vec<Place<'_>> = configuration.each("searches").collect();
    let list = configuration.at("searches");
    if searches.len() > MAX_SEARCHES {
        let detail = format!("must not have more than {MAX_SEARCHES} search paths");
        list.invalid(&detail, errors);
    }
    let spaces = searches.len().saturating_sub(1);
    let characters = searches.iter().map(|search| search.str().len()).sum::<usize>() + spaces;
    if characters > MAX_SEARCH_CHARACTERS {
        let detail = format!(
            "must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        );
        list.invalid(&detail, errors);
    }
    for search in searches.iter().filter(|search| search.str() != ".") {
        let name = search.str().strip_suffix('.').unwrap_or(search.str());
        // Underscores are legal here and in no other name.
        for problem in NameRule::Subdomain.check(&name.replace('_', "-"), false) {
            search.invalid_as(name, &problem, errors);
        }
    }
}

pub(super) fn aliases(spec: &Place<'_>, errors: &mut Errors) {
    for alias in spec.each("hostAliases") {
        address(&alias.at("ip"), errors);
        for name in alias.each("hostnames") {
            name.problems(NameRule::Subdomain.check(name.str(), false), errors);
        }
    }
}
