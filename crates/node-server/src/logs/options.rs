//! What a request wants of a log (`PodLogOptions`).

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use strongroom_node_plan::logs::{Selection, Stream};

use crate::requests::Query;

/// What a request wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Which lines, and how they are written.
    pub selection: Selection,
    /// The container before the one that runs now.
    pub previous: bool,
    /// Wait for what is still to be written.
    pub follow: bool,
}

/// Options that are not taken, in the kubelet's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionsRefused {
    /// A value of another type.
    #[error("{{\"message\": \"Unable to decode query.\"}}")]
    Undecodable,
    /// A value out of its range, or two that exclude each other.
    #[error("{{\"message\": \"Invalid request.\"}}")]
    Invalid,
}

impl OptionsRefused {
    /// The code of the answer.
    pub fn code(self) -> StatusCode {
        match self {
            Self::Undecodable => StatusCode::BAD_REQUEST,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl Options {
    /// Reads a query that arrived at `now`.
    ///
    /// # Errors
    /// [`OptionsRefused`].
    pub fn parse(query: &Query, now: Timestamp) -> Result<Self, OptionsRefused> {
        let tail_lines = match (query.get("tail"), number(query, "tailLines")?) {
            (Some("all"), _) => None,
            (Some(tail), _) => Some(tail.parse().map_err(|_| OptionsRefused::Undecodable)?),
            (None, lines) => lines,
        };
        let limit_bytes = number(query, "limitBytes")?;
        let since_seconds = number(query, "sinceSeconds")?;
        let since_time = match query.get("sinceTime") {
            Some(text) => Some(
                text.parse::<Timestamp>()
                    .map_err(|_| OptionsRefused::Undecodable)?,
            ),
            None => None,
        };
        let stream = match query.get("stream") {
            None | Some("All") => None,
            Some("Stdout") => Some(Stream::Stdout),
            Some("Stderr") => Some(Stream::Stderr),
            Some(_) => return Err(OptionsRefused::Invalid),
        };
        let is_invalid = tail_lines.is_some_and(|lines| lines < 0)
            || limit_bytes.is_some_and(|limit| limit < 1)
            || since_seconds.is_some_and(|seconds| seconds < 1)
            || (since_seconds.is_some() && since_time.is_some())
            || (stream.is_some() && tail_lines.is_some());
        if is_invalid {
            return Err(OptionsRefused::Invalid);
        }
        let long_ago = |seconds| {
            now.checked_sub(SignedDuration::from_secs(seconds))
                .unwrap_or(Timestamp::MIN)
        };
        Ok(Self {
            selection: Selection {
                tail_lines: tail_lines.map(i64::unsigned_abs),
                since: since_time.or(since_seconds.map(long_ago)),
                limit_bytes: limit_bytes.map(i64::unsigned_abs),
                timestamps: query.flag("timestamps"),
                stream,
            },
            previous: query.flag("previous"),
            follow: query.flag("follow"),
        })
    }
}

fn number(query: &Query, name: &str) -> Result<Option<i64>, OptionsRefused> {
    let value = query.get(name).map(str::parse).transpose();
    value.map_err(|_| OptionsRefused::Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T10:00:00Z";

    fn check(query: &str, expect: Result<Selection, OptionsRefused>) {
        let got = Options::parse(&Query::parse(query), NOW.parse().unwrap());
        assert_eq!(got.map(|options| options.selection), expect, "{query}");
    }

    #[test]
    fn queries() {
        let all = Selection::default;
        check("", Ok(all()));
        check("follow=true&previous=&stream=All", Ok(all()));
        let tail_lines = Some(5);
        check("tailLines=5", Ok(Selection { tail_lines, ..all() }));
        check("tail=5", Ok(Selection { tail_lines, ..all() }));
        check("tail=all&tailLines=5", Ok(all()));
        let since = Some("2026-11-22T09:59:50Z".parse().unwrap());
        check("sinceSeconds=10", Ok(Selection { since, ..all() }));
        check(
            "sinceTime=2026-11-22T10:59:50%2B01:00",
            Ok(Selection { since, ..all() }),
        );
        let stream = Some(Stream::Stderr);
        check("stream=Stderr", Ok(Selection { stream, ..all() }));
        let limit_bytes = Some(1);
        let limited = Selection {
            limit_bytes,
            timestamps: true,
            ..all()
        };
        check("limitBytes=1&timestamps=true", Ok(limited));
        check("tailLines=x", Err(OptionsRefused::Undecodable));
        check("sinceTime=yesterday", Err(OptionsRefused::Undecodable));
        check("tailLines=-1", Err(OptionsRefused::Invalid));
        check("limitBytes=0", Err(OptionsRefused::Invalid));
        check("sinceSeconds=0", Err(OptionsRefused::Invalid));
        check(
            "sinceSeconds=9223372036854775807",
            Ok(Selection {
                since: Some(Timestamp::MIN),
                ..all()
            }),
        );
        check("stream=stdin", Err(OptionsRefused::Invalid));
        check("stream=Stdout&tailLines=1", Err(OptionsRefused::Invalid));
    }
}
