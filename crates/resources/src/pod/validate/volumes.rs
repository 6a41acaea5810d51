//! Volumes: one source each, and what is in the sources that a node of Strongroom can mount.

use std::collections::BTreeSet;

use strongroom_objects::{FieldError, Quantity};

use super::environment::{field_reference, resource_reference};
use super::{Volumes, paths};
use crate::names::label_name;
use crate::place::{Errors, Place};

const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// Fields that may not be empty, of sources about which there is no more to say.
const REQUIRED: [(&str, &[&str]); 17] = [
    ("gitRepo", &["repository"]),
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("nfs", &["server", "path"]),
    ("iscsi", &["targetPortal", "iqn"]),
    ("glusterfs", &["endpoints", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["image"]),
    ("cinder", &["volumeID"]),
    ("quobyte", &["registry", "volume"]),
    ("flexVolume", &["driver"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("azureDisk", &["diskName", "diskURI"]),
    ("csi", &["driver"]),
];

/// What a downward API volume can show of a pod.
const FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

/// Checks the volumes of a pod and returns those without a fault: what containers may mount.
pub(super) fn volumes<'a>(spec: &Place<'a>, errors: &mut Errors) -> Volumes<'a> {
    let mut sound = Volumes::new();
    for volume in spec.each("volumes") {
        let mut faults = Vec::new();
        sources(&volume, &mut faults);
        let name = volume.at("name");
        if name.str().is_empty() {
            name.required("", &mut faults);
        } else {
            name.problems(label_name(name.str()), &mut faults);
        }
        if sound.contains_key(name.str()) {
            name.duplicate(&mut faults);
        }
        if faults.is_empty() {
            sound.insert(name.str(), volume);
        }
        errors.append(&mut faults);
    }
    if spec.text("serviceAccountName").is_empty() {
        refuse_tokens(spec, errors);
    }
    sound
}

/// There are no tokens for nobody.
fn refuse_tokens(spec: &Place<'_>, errors: &mut Errors) {
    for volume in spec.each("volumes") {
        for source in volume.at("projected").each("sources") {
            if let Some(token) = source.find("serviceAccountToken") {
                let detail = "must not be specified when serviceAccountName is not set";
                token.forbidden(detail, errors);
            }
        }
    }
}

fn sources(volume: &Place<'_>, errors: &mut Errors) {
    let members = volume.value.as_object().into_iter().flatten();
    let names = members
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != "name");
    let mut count = 0;
    for name in names {
        count += 1;
        let source = volume.at(name);
        if count > 1 {
            source.forbidden("may not specify more than 1 volume type", errors);
        } else {
            one_source(name, &source, errors);
        }
    }
    if count == 0 {
        volume.required("must specify a volume type", errors);
    }
}

fn one_source(name: &str, source: &Place<'_>, errors: &mut Errors) {
    match name {
        "emptyDir" => {
            let limit = Quantity::parse(source.text("sizeLimit"));
            if limit.is_some_and(Quantity::is_negative) {
                let detail = "SizeLimit field must be a valid resource quantity";
                source.at("sizeLimit").forbidden(detail, errors);
            }
        }
        "hostPath" => {
            let path = source.at("path");
            if path.str().is_empty() {
                path.required("", errors);
            } else {
                paths::no_backsteps(path.str(), &path, errors);
                source.at("type").none_or_one_of(&HOST_PATH_TYPES, errors);
            }
        }
        "secret" => {
            source.at("secretName").required_text(errors);
            paths::mode(&source.at("defaultMode"), errors);
            items(source, errors);
        }
        "configMap" => {
            source.at("name").required_text(errors);
            paths::mode(&source.at("defaultMode"), errors);
            items(source, errors);
        }
        "downwardAPI" => {
            paths::mode(&source.at("defaultMode"), errors);
            source
                .each("items")
                .for_each(|file| downward_file(&file, source, errors));
        }
        "projected" => projected(source, errors),
        _ => {
            let required = REQUIRED.iter().find(|(known, _)| *known == name);
            for field in required.map_or(&[][..], |(_, fields)| *fields) {
                source.at(field).required_text(errors);
            }
        }
    }
}

fn items(source: &Place<'_>, errors: &mut Errors) {
    source.each("items").for_each(|item| key_to_path(&item, errors));
}

fn key_to_path(item: &Place<'_>, errors: &mut Errors) {
    item.at("key").required_text(errors);
    let path = item.at("path");
    path.required_text(errors);
    paths::not_reserved(path.str(), &path, errors);
    paths::mode(&item.at("mode"), errors);
}

/// A file of a downward API volume. Kubernetes complains about the volume, without the file's index.
fn downward_file(file: &Place<'_>, volume: &Place<'_>, errors: &mut Errors) {
    let at = |name: &str| Place {
        value: file.at(name).value,
        path: format!("{}.{name}", volume.path),
    };
    at("path").required_text(errors);
    paths::not_reserved(file.text("path"), &at("path"), errors);
    match (file.find("fieldRef"), file.find("resourceFieldRef")) {
        (Some(_), resource) => {
            field_reference(&at("fieldRef"), &FIELDS, errors);
            if resource.is_some() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                volume.invalid_as("resource", detail, errors);
            }
        }
        (None, Some(_)) => resource_reference(&at("resourceFieldRef"), true, errors),
        (None, None) => volume.required("one of fieldRef and resourceFieldRef is required", errors),
    }
    paths::mode(&at("mode"), errors);
}

fn projected(projected: &Place<'_>, errors: &mut Errors) {
    paths::mode(&projected.at("defaultMode"), errors);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for source in projected.each("sources") {
        let mut once = |path, name: &str, errors: &mut Errors| {
            let is_new = str::is_empty(path) || seen.insert(path);
            if !is_new {
                projected.invalid_as(name, "conflicting duplicate paths", errors);
            }
        };
        for kind in ["secret", "configMap"] {
            let Some(object) = source.find(kind) else { continue };
            object.at("name").required_text(errors);
            for item in object.each("items") {
                key_to_path(&item, errors);
                once(item.text("path"), object.text("name"), errors);
            }
        }
        if let Some(downward) = source.find("downwardAPI") {
            for file in downward.each("items") {
                downward_file(&file, &downward, errors);
                once(file.text("path"), file.text("path"), errors);
            }
        }
        if let Some(token) = source.find("serviceAccountToken") {
            service_account_token(&token, projected, errors);
        }
        if let Some(bundle) = source.find("clusterTrustBundle") {
            trust_bundle(&bundle, errors);
            once(bundle.text("path"), bundle.text("path"), errors);
        }
        if let Some(certificate) = source.find("podCertificate") {
            let detail = "Strongroom does not issue certificates to pods";
            certificate.forbidden(detail, errors);
        }
        if source.value.as_object().is_some_and(|kinds| kinds.len() > 1) {
            let detail = "may not specify more than 1 volume type per source";
            errors.push(FieldError::forbidden(&source.path, detail));
        }
    }
}

fn service_account_token(token: &Place<'_>, projected: &Place<'_>, errors: &mut Errors) {
    let seconds = token.integer("expirationSeconds").unwrap_or(0);
    let lifetime = token.at("expirationSeconds");
    if seconds < 600 {
        lifetime.invalid("may not specify a duration less than 10 minutes", errors);
    }
    if seconds > 1 << 32 {
        lifetime.invalid("may not specify a duration larger than 2^32 seconds", errors);
    }
    let path = Place {
        value: token.at("path").value,
        path: format!("{}.path", projected.path),
    };
    path.required_text(errors);
    paths::not_reserved(path.str(), &path, errors);
}

fn trust_bundle(bundle: &Place<'_>, errors: &mut Errors) {
    match (bundle.find("name"), bundle.find("signerName")) {
        (Some(_), Some(_)) => bundle.invalid("only one of name and signerName may be used", errors),
        (None, None) => bundle.required("either name or signerName must be specified", errors),
        (Some(name), None) => {
            if name.str().is_empty() {
                name.required("must be a valid object name", errors);
            }
            if let Some(selector) = bundle.find("labelSelector") {
                selector.invalid("labelSelector must be unset if name is specified", errors);
            }
        }
        (None, Some(signer)) if signer.str().is_empty() => {
            signer.required("must be a valid signer name", errors);
        }
        (None, Some(_)) => {}
    }
    let path = bundle.at("path");
    path.required_text(errors);
    paths::not_reserved(path.str(), &path, errors);
}
