use std::fs;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::chain::OpenLine;
use crate::event::Opened;
use crate::head::HeadSigner;

/// A log of small lines in files of `sizes` lines each, and the head of its end.
fn log(sizes: &[usize]) -> (TempDir, Vec<PathBuf>, Head) {
    let directory = tempfile::tempdir().unwrap();
    let mut end = Position::default();
    let mut files = Vec::new();
    for (index, size) in sizes.iter().enumerate() {
        let mut text = Vec::new();
        for _ in 0..*size {
            let (line, next) =
                OpenLine::new(br#"{"verb":"get","annotations":{"#.to_vec(), Opened::default()).close(&end);
            text.extend(line);
            end = next;
        }
        let path = directory.path().join(format!("{index}.log"));
        fs::write(&path, text).unwrap();
        files.push(path);
    }
    let signer = HeadSigner::from_pkcs8(&HeadSigner::generate().unwrap()).unwrap();
    let head = signer.sign(end.sequence, end.hash, Timestamp::UNIX_EPOCH);
    (directory, files, head)
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn error(files: &[PathBuf], head: &Head) -> String {
    let error = verify(files, Some(head), Some(&head.public_key));
    let directory = format!("{}/", files[0].parent().unwrap().display());
    error
        .expect_err("it must not verify")
        .to_string()
        .replace(&directory, "")
}

#[test]
fn an_untouched_log_verifies_in_any_order() {
    let (_directory, mut files, head) = log(&[3, 4, 0, 2]);
    let expected = [&files[0], &files[1], &files[3]].map(Clone::clone);
    files.swap(0, 3);
    files.push(files[1].clone());
    let summary = verify(&files, Some(&head), Some(&head.public_key)).unwrap();
    assert_eq!(summary.files, expected);
    assert_eq!(
        (summary.records, summary.first_sequence, summary.last_sequence),
        (9, 1, 9)
    );
    assert_eq!(summary.head, HeadCheck::Holds { behind: 0 });
    assert_eq!(summary.last_hash, head.hash);
    assert_eq!(verify(&files, None, None).unwrap().head, HeadCheck::NotGiven);
}

#[test]
fn every_changed_byte_is_found() {
    let (_directory, files, head) = log(&[2, 3, 2]);
    for file in &files {
        let good = fs::read(file).unwrap();
        for at in 0..good.len() {
            for byte in [good[at] ^ 1, good[at] ^ 0x80, b'\n', b'0', b'}'] {
                if byte == good[at] {
                    continue;
                }
                let mut bad = good.clone();
                bad[at] = byte;
                fs::write(file, bad).unwrap();
                let outcome = verify(&files, Some(&head), Some(&head.public_key));
                let error = outcome
                    .expect_err(&format!("{} byte {at}", file.display()))
                    .to_string();
                assert!(error.contains(".log line "), "{error}");
            }
        }
        fs::write(file, good).unwrap();
    }
    verify(&files, Some(&head), None).unwrap();
}

#[test]
fn every_removed_or_repeated_line_every_swap_and_every_cut_is_found() {
    let (_directory, files, head) = log(&[3, 3, 2]);
    let good: Vec<Vec<String>> = files.iter().map(|file| lines(file)).collect();
    let places: Vec<(usize, usize)> = (0..3)
        .flat_map(|file| (0..good[file].len()).map(move |line| (file, line)))
        .collect();
    let fails = |changed: &[Vec<String>], what: &str| {
        for (file, lines) in files.iter().zip(changed) {
            fs::write(file, lines.concat()).unwrap();
        }
        assert!(verify(&files, Some(&head), None).is_err(), "{what}");
    };
    for &(file, line) in &places {
        let mut removed = good.clone();
        removed[file].remove(line);
        // The first record of all may have gone with retention: only who asks for all of them misses it.
        if (file, line) != (0, 0) {
            fails(&removed, &format!("removed {file} {line}"));
        }
        let mut repeated = good.clone();
        let again = repeated[file][line].clone();
        repeated[file].insert(line, again);
        fails(&repeated, &format!("repeated {file} {line}"));
        for &(other_file, other_line) in places.iter().filter(|place| **place > (file, line)) {
            let mut swapped = good.clone();
            swapped[file][line] = good[other_file][other_line].clone();
            swapped[other_file][other_line] = good[file][line].clone();
            fails(
                &swapped,
                &format!("swapped {file} {line} with {other_file} {other_line}"),
            );
        }
    }
    for (file, lines) in good.iter().enumerate() {
        let whole = lines.concat();
        for length in 1..whole.len() {
            let mut cut = good.clone();
            cut[file] = vec![whole[..length].to_owned()];
            fails(&cut, &format!("cut {file} at {length}"));
        }
    }
}

#[test]
fn errors_name_file_line_and_record() {
    let (_directory, files, head) = log(&[2, 2, 2]);
    let missing_middle = [files[0].clone(), files[2].clone()];
    let expected = "2.log line 1: this is record 5, but record 3 should be here: records 3 to 4 are missing";
    assert_eq!(error(&missing_middle, &head), expected);
    let missing_end = [files[0].clone(), files[1].clone()];
    let expected = "1.log line 2: the files end with record 4, but the signed head is at record 6: records 5 to 6 are \
                    missing";
    assert_eq!(error(&missing_end, &head), expected);
    let good = fs::read_to_string(&files[1]).unwrap();
    let spoil = |text: String| {
        fs::write(&files[1], text).unwrap();
        error(&files, &head)
    };
    assert_eq!(
        spoil(good.replacen("get", "put", 1)),
        "1.log line 1: record 3 was changed, or its hash in record 4 (line 2 of 1.log) was: they do not agree"
    );
    let second = lines(&files[1])[1].clone();
    assert_eq!(
        spoil(good.replace(&second, &second.replace("get", "put"))),
        "1.log line 2: record 4 was changed, or its hash in record 5 (line 1 of 2.log) was: they do not agree"
    );
    let expected = "1.log line 2: this is not an audit record with its place in the chain; after record 3, something was \
                    changed or inserted";
    fs::write(&files[1], &good).unwrap();
    assert_eq!(spoil(good.replace(&second, "{}\n")), expected);
    assert_eq!(
        spoil(good[..good.len() - 1].to_owned()),
        "1.log line 2: the file ends in the middle of a line, after record 3"
    );
    let last = fs::read_to_string(&files[2]).unwrap();
    fs::write(&files[1], &good).unwrap();
    let end = last.rfind("get").unwrap();
    fs::write(&files[2], format!("{}put{}", &last[..end], &last[end + 3..])).unwrap();
    let expected =
        "2.log line 2: record 6 was changed, or its hash in the signed head was: they do not agree";
    assert_eq!(error(&files, &head), expected);
}

#[test]
fn retention_is_told_apart_from_removal() {
    let (_directory, files, head) = log(&[2, 2, 2]);
    let kept = &files[1..];
    let summary = verify(kept, Some(&head), None).unwrap();
    assert_eq!((summary.first_sequence, summary.records), (3, 4));
    let options = VerifyOptions {
        complete: true,
        ..VerifyOptions::default()
    };
    let incomplete = verify_with(kept, &options).unwrap_err().to_string();
    assert!(
        incomplete.ends_with("1.log line 1: the files begin with record 3; records 1 to 2 are missing"),
        "{incomplete}"
    );
    assert!(verify_with(&files, &options).is_ok());
}

#[test]
fn heads_are_held_against_the_files() {
    let (_directory, files, head) = log(&[2, 2]);
    let other = HeadSigner::from_pkcs8(&HeadSigner::generate().unwrap()).unwrap();
    let forged = verify(&files, Some(&head), Some(other.public_key()));
    assert!(matches!(forged, Err(VerifyError::Head(_))));
    let at = |sequence: u64, hash: Hash| other.sign(sequence, hash, Timestamp::UNIX_EPOCH);
    let second = chain::hash(lines(&files[0])[1].trim_end().as_bytes());
    let earlier = verify(&files, Some(&at(2, second)), None).unwrap();
    assert_eq!(earlier.head, HeadCheck::Holds { behind: 2 });
    assert!(matches!(
        verify(&files, Some(&at(2, [1; 32])), None),
        Err(VerifyError::Changed { .. })
    ));
    let before = verify(&files[1..], Some(&at(2, second)), None).unwrap();
    assert_eq!(before.head, HeadCheck::Holds { behind: 2 });
    assert!(matches!(
        verify(&files[1..], Some(&at(2, [1; 32])), None),
        Err(VerifyError::Changed { .. })
    ));
    assert!(matches!(
        verify(&files[1..], Some(&at(1, second)), None),
        Err(VerifyError::HeadTooOld { .. })
    ));
    assert!(verify(&files, Some(&at(0, [0; 32])), None).is_ok());
    assert!(matches!(
        verify(&[], Some(&at(3, second)), None),
        Err(VerifyError::Empty)
    ));
    assert!(verify(&[], Some(&at(0, [0; 32])), None).is_ok());
}
