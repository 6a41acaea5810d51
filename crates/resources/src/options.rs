//! Query parameters: parsed and checked once, so that what follows works with values that are right (api-conventions §6, §10, §11, §18).

use strongroom_objects::{FieldError, FieldSelector, LabelSelector, Status};

/// Query parameters in the order sent, percent-decoded.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of a URL behind `?`.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), percent_decode(value, true))
        });
        Self(pairs.collect())
    }

    /// The same query with `name` set to `value`, whatever it was.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(key, _)| key != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// First value of `name`; scalars that are repeated count once (§18).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of `name`.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Booleans: absent, `0` and `false` are false, all else is true (§18).
    pub fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }
}

/// Decodes `%xx` (and `+` in queries); what is no escape stays as it is, and what is no UTF-8 becomes U+FFFD.
pub fn percent_decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = bytes.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        let value = escape.and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                index += 3;
            }
            None => {
                decoded.push(if plus_is_space && bytes[index] == b'+' {
                    b' '
                } else {
                    bytes[index]
                });
                index += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What to do about unknown and repeated fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them with a warning: the server's default.
    #[default]
    Warn,
    /// Refuse the request: kubectl's default.
    Strict,
}

/// Which operation the options belong to; names the kind in error texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH but server-side apply.
    Patch,
    /// PATCH with an apply patch.
    Apply,
}

/// Options of create, update and patch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Nothing is to be stored.
    pub dry_run: bool,
    /// Who writes, as given; empty when not.
    pub field_manager: String,
    /// What to do about unknown and repeated fields.
    pub field_validation: FieldValidation,
    /// Server-side apply takes fields from others.
    pub force: bool,
}

impl WriteOptions {
    /// Reads and checks the options of `operation`.
    pub fn parse(query: &Query, operation: Operation) -> Result<Self, Box<Status>> {
        let kind = match operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Patch | Operation::Apply => "PatchOptions",
        };
        let mut errors = Vec::new();
        let force = query.get("force").is_some().then(|| query.flag("force"));
        let field_manager = query.get("fieldManager").unwrap_or_default();
        match operation {
            Operation::Apply if field_manager.is_empty() => {
                errors.push(FieldError::required(
                    "fieldManager",
                    "is required for apply patch",
                ));
            }
            Operation::Patch if force.is_some() => {
                errors.push(FieldError::forbidden(
                    "force",
                    "may not be specified for non-apply patch",
                ));
            }
            _ => {}
        }
        check_manager(field_manager, &mut errors);
        let dry_run = dry_run(&query.all("dryRun"), &mut errors);
        let field_validation = field_validation(query.get("fieldValidation"), &mut errors);
        if !errors.is_empty() {
            return Err(option_error(kind, errors));
        }
        let force = force.unwrap_or(false);
        Ok(Self {
            dry_run,
            field_manager: field_manager.to_owned(),
            field_validation,
            force,
        })
    }
}

fn check_manager(manager: &str, errors: &mut Vec<FieldError>) {
    if manager.len() > 128 {
        errors.push(FieldError::too_long(
            "fieldManager",
            "may not be more than 128 bytes",
        ));
    }
    if manager.chars().any(char::is_control) {
        let detail = "invalid character: only printable characters are allowed";
        errors.push(FieldError::invalid("fieldManager", manager, detail));
    }
}

/// Only `All` is a legal value, and it may be repeated.
pub(crate) fn dry_run(values: &[&str], errors: &mut Vec<FieldError>) -> bool {
    if values.iter().any(|value| *value != "All") {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        errors.push(FieldError::not_supported("dryRun", values, &["All"]));
    }
    !values.is_empty()
}

fn field_validation(value: Option<&str>, errors: &mut Vec<FieldError>) -> FieldValidation {
    match value.unwrap_or_default() {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            let supported = ["", "Ignore", "Strict", "Warn"];
            errors.push(FieldError::not_supported("fieldValidation", other, &supported));
            FieldValidation::Warn
        }
    }
}

/// 422 over options: the kind is the options', the name is empty.
pub(crate) fn option_error(kind: &str, errors: Vec<FieldError>) -> Box<Status> {
    Box::new(Status::invalid("meta.k8s.io", kind, "", errors))
}

/// How a given resourceVersion is to be matched by a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionMatch {
    /// At least as new.
    NotOlderThan,
    /// Exactly this one.
    Exact,
}

/// Options of list and watch.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Which labels objects must have.
    pub label_selector: LabelSelector,
    /// Which fields objects must have.
    pub field_selector: FieldSelector,
    /// As given; `None` when absent or empty.
    pub resource_version: Option<String>,
    /// As given.
    pub version_match: Option<VersionMatch>,
    /// Objects per page; 0 for all.
    pub limit: usize,
    /// Token of the next page.
    pub continue_token: Option<String>,
    /// Watch rather than list.
    pub watch: bool,
    /// Watch: send bookmarks.
    pub allow_bookmarks: bool,
    /// Watch: send the present state first, then a bookmark that says so.
    pub send_initial_events: Option<bool>,
    /// Seconds after which a watch ends.
    pub timeout_seconds: Option<u64>,
}

impl ListOptions {
    /// Reads and checks the options; selectors in words that the resource does not know are found later.
    pub fn parse(query: &Query) -> Result<Self, Box<Status>> {
        let bad_request = |text: String| Box::new(Status::bad_request(&text));
        let some = |name: &str| {
            query
                .get(name)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        let label_selector = LabelSelector::parse(query.get("labelSelector").unwrap_or_default())
            .map_err(|error| bad_request(error.to_string()))?;
        let field_selector = FieldSelector::parse(query.get("fieldSelector").unwrap_or_default())
            .map_err(|error| bad_request(error.to_string()))?;
        let number = |name: &str| -> Result<Option<i64>, Box<Status>> {
            some(name)
                .map(|text| parse_int(&text).map_err(bad_request))
                .transpose()
        };
        let watch = query.flag("watch");
        let send_initial_events = query
            .get("sendInitialEvents")
            .map(|_| query.flag("sendInitialEvents"));
        let options = Self {
            label_selector,
            field_selector,
            resource_version: some("resourceVersion"),
            version_match: version_match(query, watch, send_initial_events)?,
            limit: usize::try_from(number("limit")?.unwrap_or(0)).unwrap_or(0),
            continue_token: some("continue"),
            watch,
            allow_bookmarks: query.flag("allowWatchBookmarks"),
            send_initial_events,
            timeout_seconds: number("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok()),
        };
        Ok(options)
    }
}

fn parse_int(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
}

const MATCH: &str = "resourceVersionMatch";

fn version_match(
    query: &Query,
    watch: bool,
    send_initial_events: Option<bool>,
) -> Result<Option<VersionMatch>, Box<Status>> {
    let text = query.get(MATCH).unwrap_or_default();
    let mut errors = Vec::new();
    if watch {
        check_watch_match(text, send_initial_events, &mut errors);
    } else {
        check_list_match(query, text, send_initial_events, &mut errors);
    }
    if !errors.is_empty() {
        return Err(option_error("ListOptions", errors));
    }
    Ok(match text {
        "NotOlderThan" => Some(VersionMatch::NotOlderThan),
        "Exact" => Some(VersionMatch::Exact),
        _ => None,
    })
}

fn check_watch_match(text: &str, send_initial_events: Option<bool>, errors: &mut Vec<FieldError>) {
    if send_initial_events.is_none() {
        if !text.is_empty() {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        return;
    }
    if text != "NotOlderThan" {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(FieldError::forbidden(MATCH, detail));
        if !text.is_empty() {
            errors.push(FieldError::not_supported(MATCH, text, &["NotOlderThan"]));
        }
    }
}

fn check_list_match(
    query: &Query,
    text: &str,
    send_initial_events: Option<bool>,
    errors: &mut Vec<FieldError>,
) {
    let version = query.get("resourceVersion").unwrap_or_default();
    let continues = query.get("continue").is_some_and(|token| !token.is_empty());
    if send_initial_events.is_some() {
        let detail = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden("sendInitialEvents", detail));
    }
    if text.is_empty() {
        return;
    }
    if version.is_empty() {
        let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        errors.push(FieldError::forbidden(MATCH, detail));
    }
    if continues {
        let detail = "resourceVersionMatch is forbidden when continue is provided";
        errors.push(FieldError::forbidden(MATCH, detail));
    }
    match text {
        "NotOlderThan" => {}
        "Exact" if version == "0" => {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(MATCH, detail));
        }
        "Exact" => {}
        other => errors.push(FieldError::not_supported(
            MATCH,
            other,
            &["Exact", "NotOlderThan", ""],
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse("watch&a=1&a=2&b=%41+c&labelSelector=app%3Dx&dryRun=");
        assert!(query.flag("watch") && !query.flag("absent"));
        assert!(!Query::parse("watch=False").flag("watch") && !Query::parse("watch=0").flag("watch"));
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.all("a"), ["1", "2"]);
        assert_eq!(query.get("b"), Some("A c"));
        assert_eq!(query.get("labelSelector"), Some("app=x"));
        assert_eq!(query.get("dryRun"), Some(""));
    }

    #[test]
    fn write_options_are_refused_with_kubernetes_texts() {
        let check = |query: &str, operation, expect: &str| {
            let status = WriteOptions::parse(&Query::parse(query), operation).expect_err(query);
            assert_eq!(status.message, expect);
        };
        check(
            "dryRun=x",
            Operation::Create,
            "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"x\"]: supported values: \"All\"",
        );
        check(
            "force=true",
            Operation::Patch,
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
        );
        check(
            "",
            Operation::Apply,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        );
        check(
            "fieldValidation=x",
            Operation::Update,
            "UpdateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"x\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
        );
    }

    #[test]
    fn list_options_are_refused_with_kubernetes_texts() {
        let check = |query: &str, expect: &str| {
            let status = ListOptions::parse(&Query::parse(query)).expect_err(query);
            assert!(status.message.ends_with(expect), "{}", status.message);
        };
        check(
            "resourceVersionMatch=Exact",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        );
        check(
            "resourceVersionMatch=Exact&resourceVersion=0",
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        );
        check(
            "sendInitialEvents=true",
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        );
        check(
            "watch=1&sendInitialEvents=true",
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
        check("limit=x", "strconv.ParseInt: parsing \"x\": invalid syntax");
    }
}
