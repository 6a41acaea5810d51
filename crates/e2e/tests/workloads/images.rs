//! Images of programs that the machine has, made here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use strongroom_containerd::{Image, Programs};
use strongroom_e2e::{containers, tool};

/// Gives the node an image with busybox and these programs, in `/usr/bin`, with the libraries that they are linked with;
/// some may lie below `root`.
pub fn import(name: &str, root: &Path, programs: &[&str]) {
    let busybox = Programs::unpacked_at(&tool("runtime")).busybox;
    let mut image = Image::busybox(&busybox, &[name]).expect("an image");
    let libraries = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for program in programs {
        let path = root.join("usr/bin").join(program);
        let output = Command::new("ldd")
            .arg(&path)
            .env("LD_LIBRARY_PATH", root.join("usr").join(&libraries))
            .output()
            .expect("ldd runs");
        for word in String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            let library = Path::new(word);
            let name = library.file_name().expect("a name").to_string_lossy();
            let place = if name.starts_with("ld-") {
                word.trim_start_matches('/').to_owned()
            } else {
                format!("{libraries}/{name}")
            };
            files.insert(place, library.to_owned());
        }
        files.insert(format!("usr/bin/{program}"), path);
    }
    for (place, path) in files {
        image.files.push((place, 0o755, fs::read(&path).expect("a file")));
    }
    containers().containerd.import(&image).expect("an import");
}
