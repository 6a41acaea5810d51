//! What a node may say of a pod.

use strongroom_objects::Object;

use crate::tree::{object_mut, part, text};

/// The quality of service follows from the spec; a node cannot change it.
pub(super) fn keep_quality(new: &mut Object, old: &Object) {
    let quality = text(part(old, "status"), "qosClass");
    let status = object_mut(&mut new.body, "status");
    if quality.is_empty() {
        status.remove("qosClass");
    } else {
        status.insert("qosClass".to_owned(), quality.into());
    }
}
