//! What a container leaves as its last word (pods-and-kubelet §5.5).

use k8s_openapi::api::core::v1::Container;

#[cfg(test)]
mod tests;

/// The most that is read of the termination message file, in bytes.
pub const MAXIMUM_FILE_BYTES: usize = 4096;
/// The most that is taken of the log instead, in bytes.
pub const MAXIMUM_LOG_BYTES: usize = 2048;
/// The most that is taken of the log instead, in lines.
pub const MAXIMUM_LOG_LINES: usize = 80;

/// Where in the container the message file is; `/dev/termination-log` unless written otherwise.
#[must_use]
pub fn path(container: &Container) -> &str {
    container
        .termination_message_path
        .as_deref()
        .filter(|path| !path.is_empty())
        .unwrap_or("/dev/termination-log")
}

/// Whether the end of the log stands in for an empty message file.
#[must_use]
pub fn falls_back_to_logs(container: &Container, exit_code: i32) -> bool {
    container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError") && exit_code != 0
}

/// The message: the file's first 4096 bytes, or if it is empty and `log_tail` is given, the log's last 80 lines and
/// 2048 bytes (log text without prefixes). Bytes that are no UTF-8 become U+FFFD.
#[must_use]
pub fn message(file: &[u8], log_tail: Option<&[u8]>) -> String {
    if !file.is_empty() {
        return String::from_utf8_lossy(&file[..file.len().min(MAXIMUM_FILE_BYTES)]).into_owned();
    }
    let Some(log) = log_tail else { return String::new() };
    let from_lines = start_of_last_lines(log, MAXIMUM_LOG_LINES);
    let from_bytes = log.len().saturating_sub(MAXIMUM_LOG_BYTES);
    String::from_utf8_lossy(&log[from_lines.max(from_bytes)..]).into_owned()
}

fn start_of_last_lines(text: &[u8], lines: usize) -> usize {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    breaks.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0)
}
