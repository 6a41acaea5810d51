//! Several channels over one websocket: the first byte of a message names the channel (`channel.k8s.io`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Message;

/// Channel of the process's input.
pub const STDIN: u8 = 0;
/// Channel of its output.
pub const STDOUT: u8 = 1;
/// Channel of its error output.
pub const STDERR: u8 = 2;
/// Channel of how it ended.
pub const ERROR: u8 = 3;
/// Channel of the terminal's size.
pub const RESIZE: u8 = 4;
/// In version 5 a message on this channel ends the one that its content names.
pub const CLOSE: u8 = 255;

/// A protocol with channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// Its name; empty where none was agreed on.
    pub name: &'static str,
    /// 1 to 5.
    pub version: u8,
    /// Whether messages are text in base64, for clients that have no others.
    pub base64: bool,
}

const fn binary(name: &'static str, version: u8) -> Protocol {
    Protocol {
        name,
        version,
        base64: false,
    }
}

const fn base64(name: &'static str, version: u8) -> Protocol {
    Protocol {
        name,
        version,
        base64: true,
    }
}

/// What is spoken with clients who name no protocol.
const NAMELESS: Protocol = binary("", 1);

/// Every protocol of commands.
const PROTOCOLS: &[Protocol] = &[
    binary("v5.channel.k8s.io", 5),
    binary("v4.channel.k8s.io", 4),
    binary("v3.channel.k8s.io", 3),
    binary("v2.channel.k8s.io", 2),
    binary("v1.channel.k8s.io", 1),
    binary("channel.k8s.io", 1),
    base64("v5.base64.channel.k8s.io", 5),
    base64("v4.base64.channel.k8s.io", 4),
    base64("v3.base64.channel.k8s.io", 3),
    base64("v2.base64.channel.k8s.io", 2),
    base64("v1.base64.channel.k8s.io", 1),
    base64("base64.channel.k8s.io", 1),
];

impl Protocol {
    /// The first of the `offered` protocols that is spoken here; `None` when none of them is.
    pub fn choose(offered: &[String]) -> Option<Self> {
        if offered.is_empty() {
            return Some(NAMELESS);
        }
        let known = |name: &String| PROTOCOLS.iter().find(|protocol| protocol.name == name);
        offered.iter().find_map(known).copied()
    }

    /// The name that the handshake is answered with, if any.
    pub fn agreed(&self) -> Option<&'static str> {
        (!self.name.is_empty()).then_some(self.name)
    }

    /// A message on `channel`.
    pub fn encode(&self, channel: u8, data: &[u8]) -> Message {
        if self.base64 {
            let mut text = String::with_capacity(1 + data.len().div_ceil(3) * 4);
            text.push(char::from(b'0'.wrapping_add(channel)));
            STANDARD.encode_string(data, &mut text);
            return Message::text(text);
        }
        let mut message = BytesMut::with_capacity(1 + data.len());
        message.put_u8(channel);
        message.put_slice(data);
        Message::binary(message.freeze())
    }

    /// The channel and content of a message; `None` for what is empty or no base64.
    pub fn decode(&self, mut message: Bytes) -> Option<(u8, Bytes)> {
        let first = *message.first()?;
        let content = message.split_off(1);
        if !self.base64 {
            return Some((first, content));
        }
        Some((first.wrapping_sub(b'0'), STANDARD.decode(content).ok()?.into()))
    }
}
