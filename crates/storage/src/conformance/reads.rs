//! Pages, totals, reading the past, compaction.

use std::sync::Arc;

use bytes::Bytes;

use super::{Engine, bytes, commit, delete, list, put, put_of, shown};
use crate::error::StoreError;
use crate::store::{Page, Range, Revision, Store};

pub(super) async fn run(engine: &impl Engine) {
    prefixes(engine.make(100).await).await;
    totals(engine.make(100).await).await;
    pages(engine.make(100).await).await;
    pages_by_size(engine.make(100).await).await;
    pages_under_writes(engine.make(100).await).await;
    the_past(engine.make(100).await).await;
    compaction(engine.make(100).await).await;
}

async fn prefixes(store: Arc<dyn Store>) {
    let store = store.as_ref();
    for key in ["/a", "/a/", "/a/1", "/a0", "/b/1", "z", "/a/\u{ff}"] {
        put(store, key, "v").await;
    }
    let keys = |page: Page| -> Vec<String> {
        let keys = page.records.iter();
        keys.map(|record| String::from_utf8_lossy(&record.key).into_owned())
            .collect()
    };
    assert_eq!(keys(list(store, "/a/", None).await), ["/a/", "/a/1", "/a/\u{ff}"]);
    assert_eq!(
        keys(list(store, "/a", None).await),
        ["/a", "/a/", "/a/1", "/a/\u{ff}", "/a0"]
    );
    assert_eq!(keys(list(store, "/c", None).await), Vec::<String>::new());
    let everything = ["/a", "/a/", "/a/1", "/a/\u{ff}", "/a0", "/b/1", "z"];
    assert_eq!(keys(list(store, "", None).await), everything);
    let from = Range {
        start: Some(bytes("/a/1")),
        ..Range::prefix(bytes("/a"))
    };
    assert_eq!(
        keys(store.range(from).await.unwrap()),
        ["/a/1", "/a/\u{ff}", "/a0"]
    );
    let before = Range {
        start: Some(bytes("/")),
        ..Range::prefix(bytes("/b"))
    };
    assert_eq!(keys(store.range(before).await.unwrap()), ["/b/1"]);
}

async fn totals(store: Arc<dyn Store>) {
    let store = store.as_ref();
    for key in ["/s/x/1", "/s/x/2", "/s/y/1", "/t/1", "top"] {
        put(store, key, "v").await;
    }
    put(store, "/s/x/1", "again").await;
    delete(store, "/s/x/2").await;
    delete(store, "/t/1").await;
    for (prefix, total) in [
        ("", Some(3)),
        ("/s/", Some(2)),
        ("/s/x/", Some(1)),
        ("/t/", Some(0)),
        ("/none/", Some(0)),
        ("/s", None),
    ] {
        assert_eq!(list(store, prefix, None).await.total, total, "{prefix}");
    }
    assert_eq!(
        list(store, "/s/", Some(3)).await.total,
        None,
        "not counted for the past"
    );
    assert_eq!(store.status().keys, 3);
}

async fn pages(store: Arc<dyn Store>) {
    let store = store.as_ref();
    for index in 0..7 {
        put(store, &format!("/p/{index}"), "v").await;
    }
    delete(store, "/p/6").await;
    for (limit, sizes) in [(1, vec![1; 6]), (2, vec![2, 2, 2]), (4, vec![4, 2]), (6, vec![6])] {
        let range = Range {
            limit,
            ..Range::prefix(bytes("/p/"))
        };
        let pages = all_pages(store, range).await;
        assert_eq!(
            pages.iter().map(|page| page.records.len()).collect::<Vec<_>>(),
            sizes
        );
        assert!(
            pages
                .iter()
                .all(|page| page.total == Some(6) || page.total.is_none())
        );
    }
}

async fn pages_by_size(store: Arc<dyn Store>) {
    let store = store.as_ref();
    for index in 0..4 {
        put(store, &format!("/p/{index}"), &"v".repeat(100)).await;
    }
    for (max_bytes, sizes) in [
        (1, vec![1; 4]),
        (100, vec![1; 4]),
        (101, vec![2, 2]),
        (500, vec![4]),
    ] {
        let range = Range {
            max_bytes,
            ..Range::prefix(bytes("/p/"))
        };
        let pages = all_pages(store, range).await;
        assert_eq!(
            pages.iter().map(|page| page.records.len()).collect::<Vec<_>>(),
            sizes
        );
    }
}

/// All pages of a list, the later ones at the revision of the first.
async fn all_pages(store: &dyn Store, mut range: Range) -> Vec<Page> {
    let mut pages = Vec::new();
    loop {
        let page = store.range(range.clone()).await.expect("range");
        range.at = Some(page.revision);
        range.start = page.next_start();
        pages.push(page);
        if range.start.is_none() {
            return pages;
        }
    }
}

/// The second page shows the revision of the first, whatever has been written since.
async fn pages_under_writes(store: Arc<dyn Store>) {
    let store = store.as_ref();
    for index in 0..6 {
        put(store, &format!("/p/{index}"), "old").await;
    }
    let first = Range {
        limit: 2,
        ..Range::prefix(bytes("/p/"))
    };
    let first = store.range(first).await.unwrap();
    put(store, "/p/0", "new").await;
    put(store, "/p/2", "new").await;
    put(store, "/p/2", "newer").await;
    delete(store, "/p/3").await;
    delete(store, "/p/4").await;
    put(store, "/p/4", "recreated").await;
    put(store, "/p/41", "added").await;
    let rest = Range {
        start: first.next_start(),
        at: Some(first.revision),
        ..Range::prefix(bytes("/p/"))
    };
    let rest = store.range(rest).await.unwrap();
    assert_eq!(
        shown(&rest),
        ["/p/2=old@3/3", "/p/3=old@4/4", "/p/4=old@5/5", "/p/5=old@6/6"]
    );
    assert_eq!(rest.revision, first.revision);
    let now = [
        "/p/0=new@1/7",
        "/p/1=old@2/2",
        "/p/2=newer@3/9",
        "/p/4=recreated@12/12",
    ];
    assert_eq!(shown(&list(store, "/p/", None).await)[..4], now);
}

async fn the_past(store: Arc<dyn Store>) {
    let store = store.as_ref();
    commit(store, vec![put_of("/a", "1"), put_of("/b", "1")]).await;
    put(store, "/a", "2").await;
    delete(store, "/b").await;
    put(store, "/b", "3").await;
    let past: [&[&str]; 5] = [
        &[],
        &["/a=1@1/1", "/b=1@1/1"],
        &["/a=2@1/2", "/b=1@1/1"],
        &["/a=2@1/2"],
        &["/a=2@1/2", "/b=3@4/4"],
    ];
    for (revision, expected) in past.iter().enumerate() {
        let page = list(store, "/", Some(revision as Revision)).await;
        assert_eq!(shown(&page), *expected, "at {revision}");
    }
    let future = Range {
        at: Some(5),
        ..Range::prefix(Bytes::new())
    };
    let error = store.range(future).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::FutureRevision {
            requested: 5,
            current: 4
        }
    ));
}

async fn compaction(store: Arc<dyn Store>) {
    let store = store.as_ref();
    for value in ["1", "2", "3", "4"] {
        put(store, "/a", value).await;
    }
    put(store, "/gone", "x").await;
    delete(store, "/gone").await;
    put(store, "/a", "7").await;
    store.compact(6).await.unwrap();
    assert_eq!(store.status().compacted, 6);
    let old = Range {
        at: Some(5),
        ..Range::prefix(Bytes::new())
    };
    let error = store.range(old).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Compacted {
            requested: 5,
            compacted: 6
        }
    ));
    assert_eq!(
        shown(&list(store, "/", Some(6)).await),
        ["/a=4@1/4"],
        "the boundary stays"
    );
    assert_eq!(shown(&list(store, "/", None).await), ["/a=7@1/7"]);
    store.compact(3).await.unwrap();
    assert_eq!(store.status().compacted, 6, "never back");
    let error = store.compact(8).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::FutureRevision {
            requested: 8,
            current: 7
        }
    ));
    assert_eq!(put(store, "/a", "8").await, 8, "revisions go on");
}
