//! The journal: what is acknowledged but not yet in the tables.
//!
//! Two preallocated segments take turns. A segment is a header block and then frames; a frame is
//! what one group of transactions changed, written at once and made durable with one sync. Every
//! frame begins on a block of its own, so that no write touches a block that was acknowledged
//! before. Layout in `docs/storage-format.md`.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::disk::{Disk, DiskFile};
use crate::error::OpenError;
use crate::record::{Authenticator, TAG, same};
use crate::store::Revision;

/// Frames begin on multiples of this: the smallest unit a disk writes.
pub(crate) const BLOCK: usize = 512;
const SEGMENT_MAGIC: [u8; 8] = *b"SRjournl";
const FRAME_MAGIC: [u8; 8] = *b"SRframe1";
/// magic, segment number, revision before, revision after, payload length.
const FRAME_HEADER: usize = 8 + 8 + 8 + 8 + 4;

/// A change in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub revision: Revision,
    /// Revision the key was created at; 0 for a deletion.
    pub created: Revision,
    pub key: Bytes,
    /// `None` deletes the key.
    pub value: Option<Bytes>,
}

/// Names and sizes the journal needs to know.
#[derive(Clone, Debug)]
pub(crate) struct JournalFormat {
    pub store_id: [u8; 16],
    pub segment_bytes: u64,
    pub authenticator: Authenticator,
}

/// The segment being written.
#[derive(Debug)]
pub(crate) struct Journal {
    format: JournalFormat,
    files: [Arc<dyn DiskFile>; 2],
    /// Number of the current segment; it lies in the file of its parity.
    number: u64,
    /// Where the next frame goes.
    offset: u64,
    buffer: Vec<u8>,
}

fn file_name(number: u64) -> &'static str {
    if number.is_multiple_of(2) {
        "journal-0"
    } else {
        "journal-1"
    }
}

impl Journal {
    /// Opens or makes the two segments and returns the changes above `revision` found in them, in
    /// order. The journal is then ready to be started with [`Journal::rotate`].
    pub(crate) fn open(
        disk: &dyn Disk,
        format: JournalFormat,
        revision: Revision,
    ) -> Result<(Journal, Vec<Entry>), OpenError> {
        let files = [open_segment(disk, 0, &format)?, open_segment(disk, 1, &format)?];
        let mut segments = Vec::new();
        for file in &files {
            if let Some(segment) = read_segment(file.as_ref(), &format, revision)? {
                segments.push(segment);
            }
        }
        segments.sort_by_key(|segment| segment.number);
        let number = segments.last().map_or(0, |segment| segment.number);
        let entries = join(&segments, revision)?;
        let journal = Journal {
            format,
            files,
            number,
            offset: u64::MAX,
            buffer: Vec::new(),
        };
        Ok((journal, entries))
    }

    /// Whether a frame with so much payload fits in the current segment.
    pub(crate) fn fits(&self, payload: usize) -> bool {
        let end = self.offset.checked_add(frame_bytes(payload) as u64);
        end.is_some_and(|end| end <= self.format.segment_bytes)
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.format.segment_bytes
    }

    /// Begins the next segment, over the one before the current one: everything in that must be in
    /// the tables by now.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        let number = self.number + 1;
        let mut header = Vec::with_capacity(BLOCK);
        header.extend_from_slice(&SEGMENT_MAGIC);
        header.extend_from_slice(&number.to_le_bytes());
        header.extend_from_slice(&self.format.store_id);
        let tag = self.format.authenticator.tag(b"segment1", &[&header]);
        header.extend_from_slice(&tag);
        header.resize(BLOCK, 0);
        // Durable with the first frame's sync; until then no frame of it counts.
        self.files[(number % 2) as usize].write(0, &header)?;
        self.number = number;
        self.offset = BLOCK as u64;
        Ok(())
    }

    /// Writes a frame that leads from revision `before` to `after` and makes it durable. If
    /// writing fails for want of space nothing has happened and it may be tried again; after any
    /// other error the journal must not be used any more.
    pub(crate) fn append(
        &mut self,
        before: Revision,
        after: Revision,
        payload: &[u8],
    ) -> Result<(), AppendError> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&FRAME_MAGIC);
        self.buffer.extend_from_slice(&self.number.to_le_bytes());
        self.buffer.extend_from_slice(&before.to_le_bytes());
        self.buffer.extend_from_slice(&after.to_le_bytes());
        self.buffer
            .extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(payload);
        let parts: [&[u8]; 2] = [&self.format.store_id, &self.buffer];
        let tag = self.format.authenticator.tag(b"frame  1", &parts);
        self.buffer.extend_from_slice(&tag);
        let file = &self.files[(self.number % 2) as usize];
        file.write(self.offset, &self.buffer)
            .map_err(AppendError::Write)?;
        file.sync().map_err(AppendError::Sync)?;
        self.offset += frame_bytes(payload.len()) as u64;
        Ok(())
    }
}

/// Why a frame is not durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("writing the journal")]
    Write(#[source] io::Error),
    #[error("syncing the journal")]
    Sync(#[source] io::Error),
}

fn frame_bytes(payload: usize) -> usize {
    (FRAME_HEADER + payload + TAG).next_multiple_of(BLOCK)
}

/// Opens a segment's file; a new one is filled with zeros, so that later syncs need not touch the
/// file system's own records and never lack space.
fn open_segment(
    disk: &dyn Disk,
    number: u64,
    format: &JournalFormat,
) -> Result<Arc<dyn DiskFile>, OpenError> {
    let failed = |source| OpenError::Io {
        operation: "preparing the journal",
        source,
    };
    let file = disk.open(file_name(number), true).map_err(failed)?;
    let mut length = file.len().map_err(failed)?;
    let zeros = vec![0; 1 << 20];
    while length < format.segment_bytes {
        let step = (format.segment_bytes - length).min(zeros.len() as u64);
        file.write(length, &zeros[..step as usize]).map_err(failed)?;
        length += step;
        if length == format.segment_bytes {
            file.sync().map_err(failed)?;
        }
    }
    Ok(file)
}

/// Encodes a change as part of a frame's payload.
pub(crate) fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    let value_length = entry.value.as_ref().map_or(u32::MAX, |value| value.len() as u32);
    out.extend_from_slice(&entry.revision.to_le_bytes());
    out.extend_from_slice(&entry.created.to_le_bytes());
    out.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
    out.extend_from_slice(&value_length.to_le_bytes());
    out.extend_from_slice(&entry.key);
    out.extend_from_slice(entry.value.as_deref().unwrap_or_default());
}

fn decode_entries(mut payload: Bytes) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while payload.has_remaining() {
        let revision = payload.try_get_u64_le().ok()?;
        let created = payload.try_get_u64_le().ok()?;
        let key_length = payload.try_get_u32_le().ok()? as usize;
        let value_length = payload.try_get_u32_le().ok()?;
        let key = take(&mut payload, key_length)?;
        let value = match value_length {
            u32::MAX => None,
            length => Some(take(&mut payload, length as usize)?),
        };
        entries.push(Entry {
            revision,
            created,
            key,
            value,
        });
    }
    Some(entries)
}

/// Copied out, so that a small entry does not hold on to its whole segment.
fn take(payload: &mut Bytes, length: usize) -> Option<Bytes> {
    if payload.remaining() < length {
        return None;
    }
    Some(Bytes::copy_from_slice(&payload.split_to(length)))
}

struct Segment {
    number: u64,
    frames: Vec<Frame>,
}

struct Frame {
    before: Revision,
    after: Revision,
    entries: Vec<Entry>,
    length: usize,
}

/// Reads the frames of a segment up to the torn end; `None` if the file holds no segment yet.
fn read_segment(
    file: &dyn DiskFile,
    format: &JournalFormat,
    revision: Revision,
) -> Result<Option<Segment>, OpenError> {
    let failed = |source| OpenError::Io {
        operation: "reading the journal",
        source,
    };
    let length = file.len().map_err(failed)?;
    let mut content = vec![0; length as usize];
    file.read(0, &mut content).map_err(failed)?;
    let content = Bytes::from(content);
    let Some(number) = segment_number(&content, format) else {
        return Ok(None);
    };
    let mut offset = BLOCK;
    let mut frames = Vec::new();
    while let Some(frame) = read_frame(&content, offset, number, format) {
        offset += frame_bytes(frame.length);
        frames.push(frame);
    }
    // A frame is only written when the one before it is durable. So a whole frame behind a broken
    // one means that the broken one was acknowledged and then damaged; or that the segment, which
    // is in the tables, was being overwritten by the next one when the power went.
    for behind in (offset + BLOCK..content.len()).step_by(BLOCK) {
        let frame = read_frame(&content, behind, number, format);
        if frame.is_some_and(|frame| frame.after > revision) {
            let reason = format!("{}: damaged at byte {offset}", file_name(number));
            return Err(OpenError::Corrupt { reason });
        }
    }
    Ok(Some(Segment { number, frames }))
}

fn segment_number(content: &[u8], format: &JournalFormat) -> Option<u64> {
    let header = content.get(..32)?;
    if header[..8] != SEGMENT_MAGIC || header[16..32] != format.store_id {
        return None;
    }
    let tag = format.authenticator.tag(b"segment1", &[header]);
    if !same(&tag, content.get(32..32 + TAG)?) {
        return None;
    }
    Some(u64::from_le_bytes(header[8..16].try_into().ok()?))
}

fn read_frame(content: &Bytes, offset: usize, number: u64, format: &JournalFormat) -> Option<Frame> {
    let header = content.get(offset..offset + FRAME_HEADER)?;
    if header[..8] != FRAME_MAGIC || header[8..16] != number.to_le_bytes() {
        return None;
    }
    let mut fields = &header[16..];
    let (before, after) = (fields.get_u64_le(), fields.get_u64_le());
    let length = fields.get_u32_le() as usize;
    let end = offset.checked_add(FRAME_HEADER)?.checked_add(length)?;
    let frame = content.get(offset..end)?;
    let tag = format.authenticator.tag(b"frame  1", &[&format.store_id, frame]);
    if !same(&tag, content.get(end..end + TAG)?) {
        return None;
    }
    let entries = decode_entries(content.slice(offset + FRAME_HEADER..end))?;
    Some(Frame {
        before,
        after,
        entries,
        length,
    })
}

/// The changes above `revision`, without a gap.
fn join(segments: &[Segment], revision: Revision) -> Result<Vec<Entry>, OpenError> {
    let mut reached = revision;
    let mut entries = Vec::new();
    for frame in segments.iter().flat_map(|segment| &segment.frames) {
        if frame.after <= reached {
            continue;
        }
        if frame.before > reached {
            let reason = format!(
                "journal: revisions {} to {} are missing",
                reached + 1,
                frame.before
            );
            return Err(OpenError::Corrupt { reason });
        }
        let new = frame.entries.iter().filter(|entry| entry.revision > reached);
        entries.extend(new.cloned());
        reached = frame.after;
    }
    Ok(entries)
}
