use std::fs::Permissions;

use super::*;

struct Place {
    _dir: tempfile::TempDir,
    data_dir: DataDir,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(Some(&dir.path().join("data"))).unwrap();
    data_dir.create().unwrap();
    Place { _dir: dir, data_dir }
}

fn by_file(path: Option<PathBuf>) -> KeySettings {
    KeySettings {
        key_service: KeyServiceKind::File,
        root_key_file: path,
        passphrase_file: None,
    }
}

fn by_passphrase(file: &Path) -> KeySettings {
    KeySettings {
        key_service: KeyServiceKind::Passphrase,
        root_key_file: None,
        passphrase_file: Some(file.to_owned()),
    }
}

fn refusal(place: &Place, settings: &KeySettings) -> String {
    let refused = open(&place.data_dir, settings, Sealed::Yes)
        .map(drop)
        .unwrap_err();
    format!("{refused:#}")
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_made_once_and_read_again() {
    let place = place();
    let first = open(&place.data_dir, &by_file(None), Sealed::NotYet).unwrap();
    let file = place.data_dir.keys().join("root.key");
    assert_eq!(first.place, file.display().to_string());
    assert_eq!((mode(&file), mode(&place.data_dir.keys())), (0o600, 0o700));
    let second = open(&place.data_dir, &by_file(None), Sealed::Yes).unwrap();
    assert_eq!(first.key.key_id(), second.key.key_id());
    let named = open(&place.data_dir, &by_file(Some(file)), Sealed::Yes).unwrap();
    assert_eq!(first.key.key_id(), named.key.key_id());
}

#[test]
fn a_missing_or_wrong_key_is_never_replaced() {
    let place = place();
    open(&place.data_dir, &by_file(None), Sealed::NotYet).unwrap();
    let file = place.data_dir.keys().join("root.key");
    let kept = std::fs::read(&file).unwrap();

    std::fs::remove_file(&file).unwrap();
    assert!(refusal(&place, &by_file(None)).contains("root.key is missing"));
    assert!(!file.exists());

    write_private(&file, &[7; 32]).unwrap();
    assert!(refusal(&place, &by_file(None)).contains("sealed with another root key"));

    write_private(&file, b"not a key\n").unwrap();
    assert!(refusal(&place, &by_file(None)).contains("is no root key"));

    write_private(&file, &kept).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    assert!(refusal(&place, &by_file(None)).contains("chmod 600"));
}

#[test]
fn a_passphrase_gives_the_same_key_again() {
    let place = place();
    let file = place.data_dir.path().join("passphrase.txt");
    std::fs::write(&file, "correct horse\r\nignored\n").unwrap();
    let settings = by_passphrase(&file);
    let first = open(&place.data_dir, &settings, Sealed::NotYet).unwrap();
    std::fs::write(&file, "correct horse").unwrap();
    let second = open(&place.data_dir, &settings, Sealed::Yes).unwrap();
    assert_eq!(first.key.key_id(), second.key.key_id());

    std::fs::write(&file, "wrong horse\n").unwrap();
    assert!(refusal(&place, &settings).contains("not the passphrase"));
    std::fs::write(&file, "\n").unwrap();
    assert!(refusal(&place, &settings).contains("is empty"));
    assert!(refusal(&place, &by_file(None)).contains("--key-service passphrase"));
}
