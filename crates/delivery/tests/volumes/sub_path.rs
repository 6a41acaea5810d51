//! Parts of volumes (pods-and-kubelet §3.4).

use std::error::Error;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use strongroom_delivery::{Ownership, SubPath, Volume, bind_sub_path, unbind_sub_paths};

use crate::scratch::{Scratch, payload};

fn bind(volume: &Path, sub_path: &str, place: &Path) -> Result<(), String> {
    let request = SubPath {
        volume_mount: "v",
        container: "c",
        sub_path,
    };
    bind_sub_path(volume, &request, place).map_err(|error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

/// A published volume and its bookkeeping, which goes first.
struct Bound {
    places: tempfile::TempDir,
    volume: Volume,
    _scratch: Scratch,
}

impl Bound {
    fn new() -> Self {
        let scratch = Scratch::new();
        let mut volume = scratch.memory();
        let files = payload(&[("a", "1", 0o444), ("dir/sub/b", "2", 0o400)]);
        volume.publish(&files, &Ownership::default()).unwrap();
        Self {
            places: tempfile::tempdir().unwrap(),
            volume,
            _scratch: scratch,
        }
    }

    fn place(&self) -> std::path::PathBuf {
        self.places.path().join("subpaths/container/0")
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        unbind_sub_paths(&self.places.path().join("subpaths")).unwrap();
        assert!(!self.places.path().join("subpaths").exists());
    }
}

#[test]
fn files_and_directories_through_the_writers_links() {
    let bound = Bound::new();
    let place = bound.place();
    for sub_path in ["a", "./a", "..data/a"] {
        bind(bound.volume.path(), sub_path, &place).unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "1", "{sub_path}");
    }
    for sub_path in ["dir", "dir/", "dir/sub/.."] {
        let result = bind(bound.volume.path(), sub_path, &place);
        if sub_path.ends_with("..") {
            assert_eq!(
                result.unwrap_err(),
                "unable to provision SubPath `dir/sub/..`: must not contain '..'"
            );
        } else {
            result.unwrap();
            assert_eq!(std::fs::read_to_string(place.join("sub/b")).unwrap(), "2");
        }
    }
    bind(bound.volume.path(), "dir/sub/b", &place).unwrap();
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "2");
    bind(bound.volume.path(), "", &place).unwrap();
    assert!(place.join("..data").is_symlink());
}

#[test]
fn what_is_missing_becomes_a_directory() {
    let mut bound = Bound::new();
    bind(bound.volume.path(), "no/such", &bound.place()).unwrap();
    assert_eq!(std::fs::read_dir(bound.place()).unwrap().count(), 0);
    for made in ["no", "no/such"] {
        let status = std::fs::metadata(bound.volume.path().join(made)).unwrap();
        assert_eq!((status.is_dir(), status.mode() & 0o7777), (true, 0o777), "{made}");
    }
    // When a file of that name comes, it takes the directory's place; a node of Kubernetes fails for ever here.
    bound
        .volume
        .publish(&payload(&[("no", "1", 0o444)]), &Ownership::default())
        .unwrap();
    assert_eq!(
        std::fs::read_to_string(bound.volume.path().join("no")).unwrap(),
        "1"
    );
}

#[test]
fn what_is_bound_stays_as_it_was() {
    let mut bound = Bound::new();
    bind(bound.volume.path(), "a", &bound.place()).unwrap();
    for version in ["2", "3", "4"] {
        bound
            .volume
            .publish(&payload(&[("a", version, 0o444)]), &Ownership::default())
            .unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(1050));
    assert_eq!(bound.volume.sweep(), None);
    assert_eq!(std::fs::read_to_string(bound.place()).unwrap(), "1");
    bind(bound.volume.path(), "a", &bound.place()).unwrap();
    assert_eq!(std::fs::read_to_string(bound.place()).unwrap(), "4");
}

#[test]
fn what_leads_out_is_refused() {
    let bound = Bound::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "outside").unwrap();
    let volume = tempfile::tempdir().unwrap();
    std::fs::create_dir(volume.path().join("real")).unwrap();
    symlink(outside.path(), volume.path().join("absolute")).unwrap();
    symlink("../..", volume.path().join("up")).unwrap();
    symlink("real/../..", volume.path().join("over")).unwrap();
    symlink("nowhere", volume.path().join("dangling")).unwrap();
    symlink("/nowhere", volume.path().join("dangling-out")).unwrap();
    symlink("loop", volume.path().join("loop")).unwrap();
    symlink("/proc/self/root", volume.path().join("magic")).unwrap();
    std::fs::write(volume.path().join("file"), "").unwrap();
    let opaque = "failed to prepare subPath for volumeMount \"v\" of container \"c\"";
    for sub_path in [
        "absolute",
        "absolute/secret",
        "absolute/new",
        "up",
        "up/new",
        "over/x",
        "dangling",
        "dangling/x",
        "dangling-out",
        "dangling-out/x",
        "loop",
        "magic",
        "magic/etc",
        "file/x",
    ] {
        let error = bind(volume.path(), sub_path, &bound.place()).unwrap_err();
        assert!(error.starts_with(opaque), "{sub_path}: {error}");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
        assert!(!volume.path().parent().unwrap().join("new").exists());
    }
    for (sub_path, expect) in [
        ("/etc", "error SubPath `/etc` must not be an absolute path"),
        ("..", "unable to provision SubPath `..`: must not contain '..'"),
        (
            "a/../b",
            "unable to provision SubPath `a/../b`: must not contain '..'",
        ),
    ] {
        assert_eq!(bind(volume.path(), sub_path, &bound.place()).unwrap_err(), expect);
    }
}
