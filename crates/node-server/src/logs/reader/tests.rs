use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::Uri;
use k8s_openapi::api::core::v1::Pod;
use strongroom_node_plan::logs::Stream;
use strongroom_streams::remote_command::Streams;

use super::*;
use crate::node::{Refused, RunningContainer};

#[test]
fn tails() {
    let check = |text: &str, lines, expect| {
        let start = tail_start(&mut Cursor::new(text.as_bytes()), lines).unwrap();
        assert_eq!(
            start,
            expect,
            "{lines} lines of {:?}",
            &text[..text.len().min(40)]
        );
    };
    check("", 1, 0);
    check("a\nb\nc\n", 0, 6);
    check("a\nb\nc\n", 1, 4);
    check("a\nb\nc\n", 2, 2);
    check("a\nb\nc\n", 3, 0);
    check("a\nb\nc\n", 9, 0);
    check("a\nb\nc", 1, 4);
    check("\n\n\n", 2, 1);
    let long = "x\n".repeat(100_000);
    check(&long, 70_000, 60_000);
}

/// A node with one container, whose log is where it is told.
struct OneContainer {
    path: PathBuf,
    running: AtomicBool,
}

#[async_trait]
impl Node for OneContainer {
    fn pods(&self) -> Vec<Arc<Pod>> {
        Vec::new()
    }

    async fn container(&self, _container_id: &str) -> Result<RunningContainer, Refused> {
        Ok(RunningContainer {
            log_path: self.path.clone(),
            running: self.running.load(Ordering::Relaxed),
        })
    }

    async fn exec(&self, _: &str, _: &[String], _: Streams) -> Result<Uri, Refused> {
        Err(Refused::Failed(String::new()))
    }

    async fn attach(&self, _: &str, _: Streams) -> Result<Uri, Refused> {
        Err(Refused::Failed(String::new()))
    }

    async fn port_forward(&self, _: &Pod, _: &[u16]) -> Result<Uri, Refused> {
        Err(Refused::Failed(String::new()))
    }
}

const LOG: &str = "\
2026-01-02T03:04:05.1Z stdout F one
2026-01-02T03:04:06.1Z stderr F two
2026-01-02T03:04:07.1Z stdout P thr
2026-01-02T03:04:08.1Z stdout F ee
nonsense
2026-01-02T03:04:09.1Z stdout F four
";

async fn read(path: &Path, selection: Selection, follow: Option<Follow>) -> String {
    let reader = LogReader::open(path.to_owned(), selection).unwrap();
    let (pieces, mut sent) = mpsc::channel(1);
    let reading = tokio::spawn(async move { reader.run(follow, &pieces).await });
    let mut all = Vec::new();
    while let Some(piece) = sent.recv().await {
        all.extend_from_slice(&piece);
    }
    reading.await.unwrap();
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn selections() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    std::fs::write(&path, LOG).unwrap();
    let check = async |selection: Selection, expect: &str| {
        assert_eq!(read(&path, selection, None).await, expect);
    };
    let all = Selection::default;
    check(all(), "one\ntwo\nthree\nfour\n").await;
    let tail_lines = Some(3);
    check(Selection { tail_lines, ..all() }, "ee\nfour\n").await;
    let stream = Some(Stream::Stderr);
    check(Selection { stream, ..all() }, "two\n").await;
    let since = Some("2026-01-02T03:04:08Z".parse().unwrap());
    check(Selection { since, ..all() }, "ee\nfour\n").await;
    let limit_bytes = Some(6);
    check(Selection { limit_bytes, ..all() }, "one\ntw").await;
    let stamped = Selection {
        timestamps: true,
        tail_lines: Some(1),
        ..all()
    };
    check(stamped, "2026-01-02T03:04:09.100000000Z four\n").await;
}

#[tokio::test]
async fn a_last_line_without_an_end_and_one_without_sense() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let mut text = "x".repeat(3 * MAX_LINE);
    text.push_str("\n2026-01-02T03:04:05.1Z stdout F one\n2026-01-02T03:04:05.2Z stdout F end");
    std::fs::write(&path, text).unwrap();
    assert_eq!(read(&path, Selection::default(), None).await, "one\nend\n");
}

#[tokio::test]
async fn a_log_is_followed_through_rotations_to_the_end_of_its_container() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0.log");
    let line = |text: &str| format!("2026-01-02T03:04:05.1Z stdout F {text}\n");
    std::fs::write(&path, line("one")).unwrap();
    let node = Arc::new(OneContainer {
        path: path.clone(),
        running: AtomicBool::new(true),
    });
    let follow = Follow {
        node: Arc::clone(&node) as Arc<dyn Node>,
        container: "a".to_owned(),
    };
    let following = tokio::spawn({
        let path = path.clone();
        async move { read(&path, Selection::default(), Some(follow)).await }
    });
    let pause = || tokio::time::sleep(Duration::from_millis(250));
    pause().await;
    let mut old = File::options().append(true).open(&path).unwrap();
    old.write_all(line("two").as_bytes()).unwrap();
    pause().await;
    std::fs::rename(&path, dir.path().join("0.log.20260102")).unwrap();
    old.write_all(line("three").as_bytes()).unwrap();
    pause().await;
    std::fs::write(&path, line("four")).unwrap();
    pause().await;
    assert!(!following.is_finished());
    node.running.store(false, Ordering::Relaxed);
    let all = tokio::time::timeout(Duration::from_secs(5), following)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(all, "one\ntwo\nthree\nfour\n");
}
