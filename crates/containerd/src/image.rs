//! Images made here: a few files, a configuration, and the names they go by.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::daemon::Error;
use crate::tar::Tar;

/// A symbolic link of an image.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where, relative to the image's root.
    pub path: String,
    /// To what.
    pub target: String,
}

/// An image of one layer.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// Full names with tags, such as `docker.io/library/busybox:latest`.
    pub names: Vec<String>,
    /// Path relative to the root, permission bits, content.
    pub files: Vec<(String, u32, Vec<u8>)>,
    /// Symbolic links.
    pub links: Vec<Link>,
    /// Path relative to the root, permission bits; parents first.
    pub directories: Vec<(String, u32)>,
    /// `Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Cmd`.
    pub command: Vec<String>,
    /// `User`: a name or uid, empty for root.
    pub user: String,
    /// `NAME=value`, besides PATH.
    pub environment: Vec<String>,
}

impl Image {
    /// A busybox with all its applets, `sh` first, and the files a small system has.
    ///
    /// # Errors
    /// When `busybox` cannot be read or run.
    pub fn busybox(busybox: &Path, names: &[&str]) -> Result<Image, Error> {
        let program = std::fs::read(busybox).map_err(|source| Error::file(busybox, source))?;
        let mut list = Command::new(busybox);
        list.arg("--list");
        let applets = crate::daemon::output(&mut list)?;
        let links = applets
            .lines()
            .filter(|applet| *applet != "busybox")
            .map(|applet| Link {
                path: format!("bin/{applet}"),
                target: "busybox".to_owned(),
            })
            .collect();
        let mut image = Image {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            links,
            command: vec!["sh".to_owned()],
            ..Image::default()
        };
        for (path, mode) in [
            ("bin", 0o755),
            ("dev", 0o755),
            ("etc", 0o755),
            ("home", 0o755),
            ("proc", 0o755),
            ("root", 0o700),
            ("sys", 0o755),
            ("tmp", 0o1777),
            ("usr", 0o755),
            ("var", 0o755),
        ] {
            image.directories.push((path.to_owned(), mode));
        }
        image.files.push(("bin/busybox".to_owned(), 0o755, program));
        for (path, content) in [
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
            ),
            ("etc/group", "root:x:0:\nnobody:x:65534:\n"),
            ("etc/nsswitch.conf", "hosts: files dns\n"),
        ] {
            image.files.push((path.to_owned(), 0o644, content.into()));
        }
        Ok(image)
    }

    /// The image whose only process holds a pod's namespaces: it sleeps until it is killed.
    ///
    /// # Errors
    /// When `busybox` cannot be read.
    pub fn pause(busybox: &Path) -> Result<Image, Error> {
        let program = std::fs::read(busybox).map_err(|source| Error::file(busybox, source))?;
        Ok(Image {
            names: vec![crate::PAUSE_IMAGE.to_owned()],
            files: vec![("busybox".to_owned(), 0o755, program)],
            entrypoint: ["/busybox", "sleep", "2147483647"].map(str::to_owned).to_vec(),
            ..Image::default()
        })
    }

    /// As an archive that `ctr images import` and `docker load` read.
    pub fn archive(&self) -> Vec<u8> {
        let layer = self.layer();
        let mut environment =
            vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        environment.extend(self.environment.iter().cloned());
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "2020-01-01T00:00:00Z",
            "config": {
                "Env": environment,
                "Entrypoint": self.entrypoint,
                "Cmd": self.command,
                "User": self.user,
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hexadecimal(&layer))] },
        })
        .to_string();
        let config_name = format!("{}.json", hexadecimal(config.as_bytes()));
        let manifest = json!([{
            "Config": config_name,
            "RepoTags": self.names,
            "Layers": ["layer.tar"],
        }]);
        let mut archive = Tar::default();
        archive.file(&config_name, 0o644, config.as_bytes());
        archive.file("layer.tar", 0o644, &layer);
        archive.file("manifest.json", 0o644, manifest.to_string().as_bytes());
        archive.finish()
    }

    fn layer(&self) -> Vec<u8> {
        let mut layer = Tar::default();
        for (path, mode) in &self.directories {
            layer.directory(path, *mode);
        }
        for (path, mode, content) in &self.files {
            layer.file(path, *mode, content);
        }
        for link in &self.links {
            layer.symlink(&link.path, &link.target);
        }
        layer.finish()
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
