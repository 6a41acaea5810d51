//! Request bytes, made beforehand.

use std::fmt::Write;

/// Bytes of the value in a Secret.
const VALUE: usize = 1024;
/// Stands where a name is filled in; as long as every name.
const PLACE: &str = "s-0000000";

/// The name of Secret number `number`; all names have one length.
pub fn name(number: usize) -> String {
    format!("s-{number:07}")
}

/// An HTTP/1.1 request without body.
pub fn get(path: &str, accept: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n").into_bytes()
}

/// The same with a bearer token.
pub fn get_with_token(path: &str, accept: &str, token: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// An HTTP/1.1 request with a JSON body.
pub fn with_body(method: &str, path: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// The path of a namespace's Secrets.
pub fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

/// A request with a name to fill in.
#[derive(Clone)]
pub struct Template {
    bytes: Vec<u8>,
    at: usize,
}

impl Template {
    fn new(bytes: Vec<u8>) -> Self {
        let place = PLACE.as_bytes();
        let at = bytes
            .windows(place.len())
            .position(|window| window == place)
            .unwrap_or_default();
        Self { bytes, at }
    }

    /// Creates a Secret with a value of 1 KiB.
    pub fn create(namespace: &str) -> Self {
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{PLACE}"}},"type":"Opaque","data":{{"value":"{}"}}}}"#,
            value()
        );
        Self::new(with_body("POST", &secrets(namespace), "application/json", &body))
    }

    /// Reads a Secret.
    pub fn get(namespace: &str) -> Self {
        Self::new(get(
            &format!("{}/{PLACE}", secrets(namespace)),
            "application/json",
        ))
    }

    /// The request for Secret number `number`.
    pub fn fill(&mut self, number: usize) -> &[u8] {
        let mut digits = number;
        for position in (self.at + 2..self.at + PLACE.len()).rev() {
            self.bytes[position] = b'0' + (digits % 10) as u8;
            digits /= 10;
        }
        &self.bytes
    }
}

/// Base64 of something incompressible that is as long as a value.
fn value() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = Random::new(1);
    let mut text = String::new();
    while text.len() < VALUE / 3 * 4 {
        let _ = write!(text, "{}", ALPHABET[(random.next() % 64) as usize] as char);
    }
    // VALUE = 3 · 341 + 1: the last byte takes two characters, of which the second has only two bits.
    text.push_str("AQ==");
    text
}

/// Numbers without order (xorshift), the same in every run.
pub struct Random(u64);

impl Random {
    /// A sequence; different seeds give different ones.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next waiting time of a Poisson process, as a multiple of the mean.
    pub fn waiting_time(&mut self) -> f64 {
        let uniform = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        -(1.0 - uniform).ln()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    #[test]
    fn names_are_filled_in() {
        let mut template = Template::create("n");
        let request = String::from_utf8(template.fill(1_234_567).to_vec()).expect("text");
        assert!(request.contains(r#""name":"s-1234567""#));
        let (head, body) = request.split_once("\r\n\r\n").expect("a body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let value = body["data"]["value"].as_str().expect("a value");
        assert_eq!(
            base64::engine::general_purpose::STANDARD
                .decode(value)
                .map(|bytes| bytes.len()),
            Ok(VALUE)
        );
        let request = Template::get("n").fill(42).to_vec();
        assert!(
            request.starts_with(
                format!("GET /api/v1/namespaces/n/secrets/{} HTTP/1.1\r\n", name(42)).as_bytes()
            )
        );
    }

    #[test]
    fn waiting_times_average_one() {
        let mut random = Random::new(7);
        let mean = (0..100_000).map(|_| random.waiting_time()).sum::<f64>() / 100_000.0;
        assert!((0.98..1.02).contains(&mean), "{mean}");
    }
}
