//! Revisions, conditions, what a transaction may hold.

use std::sync::Arc;

use bytes::Bytes;

use super::{Engine, commit, delete, delete_of, get, list, put, put_of, show, shown};
use crate::error::StoreError;
use crate::store::{Committed, Condition, Store, Transaction, Write};

pub(super) async fn run(engine: &impl Engine) {
    revisions(engine.make(100).await).await;
    conditions(engine.make(100).await).await;
    several_keys(engine.make(100).await).await;
    recreation(engine.make(100).await).await;
    nothing_to_do(engine.make(100).await).await;
    refusals(engine.make(100).await).await;
    large_values(engine.make(100).await).await;
    concurrent_writers(engine.make(10_000).await).await;
}

async fn revisions(store: Arc<dyn Store>) {
    let store = store.as_ref();
    assert_eq!(store.revision(), 0);
    assert_eq!(put(store, "/a", "1").await, 1);
    assert_eq!(put(store, "/b", "1").await, 2);
    assert_eq!(put(store, "/a", "2").await, 3);
    assert_eq!(store.revision(), 3);
    assert_eq!(show(&get(store, "/a").await.unwrap()), "/a=2@1/3");
    assert_eq!(show(&get(store, "/b").await.unwrap()), "/b=1@2/2");
    assert_eq!(get(store, "/c").await, None);
    assert_eq!(delete(store, "/a").await, 4);
    assert_eq!(get(store, "/a").await, None);
}

async fn conditions(store: Arc<dyn Store>) {
    let store = store.as_ref();
    let key = Bytes::from_static(b"/a");
    let value = Bytes::from_static(b"v");
    let failed = Committed::ConditionFailed { key: key.clone() };
    let attempt = |transaction| async { store.commit(transaction).await.expect("commit") };
    let create = || Transaction::create(key.clone(), value.clone());
    let replace = |modified| Transaction::replace(key.clone(), value.clone(), modified);
    let remove = |modified| Transaction::remove(key.clone(), modified);

    assert_eq!(attempt(replace(7)).await, failed, "it does not exist");
    assert_eq!(attempt(create()).await, Committed::Applied { revision: 1 });
    assert_eq!(attempt(create()).await, failed, "it exists");
    assert_eq!(attempt(replace(1)).await, Committed::Applied { revision: 2 });
    assert_eq!(attempt(replace(1)).await, failed, "it has moved on");
    assert_eq!(attempt(remove(1)).await, failed);
    assert_eq!(attempt(remove(2)).await, Committed::Applied { revision: 3 });
    assert_eq!(attempt(remove(2)).await, failed);
    assert_eq!(store.revision(), 3, "a failed condition takes no revision");
}

async fn several_keys(store: Arc<dyn Store>) {
    let store = store.as_ref();
    commit(
        store,
        vec![put_of("/a", "1"), put_of("/b", "1"), put_of("/c", "1")],
    )
    .await;
    let condition = |key: &str, modified| Condition {
        key: super::bytes(key),
        modified,
    };
    let transaction = Transaction {
        conditions: vec![condition("/a", 1), condition("/x", 0), condition("/b", 9)],
        writes: vec![put_of("/a", "2"), delete_of("/c")],
    };
    let answer = store.commit(transaction.clone()).await.unwrap();
    assert_eq!(
        answer,
        Committed::ConditionFailed {
            key: Bytes::from_static(b"/b")
        }
    );
    assert_eq!(
        shown(&list(store, "/", None).await),
        ["/a=1@1/1", "/b=1@1/1", "/c=1@1/1"]
    );

    let conditions = vec![condition("/a", 1), condition("/x", 0)];
    let answer = store
        .commit(Transaction {
            conditions,
            ..transaction
        })
        .await
        .unwrap();
    assert_eq!(answer, Committed::Applied { revision: 2 });
    assert_eq!(shown(&list(store, "/", None).await), ["/a=2@1/2", "/b=1@1/1"]);
}

async fn recreation(store: Arc<dyn Store>) {
    let store = store.as_ref();
    put(store, "/a", "1").await;
    delete(store, "/a").await;
    put(store, "/a", "2").await;
    assert_eq!(show(&get(store, "/a").await.unwrap()), "/a=2@3/3");
    assert_eq!(shown(&list(store, "/", Some(1)).await), ["/a=1@1/1"]);
    assert_eq!(shown(&list(store, "/", Some(2)).await), Vec::<String>::new());
}

async fn nothing_to_do(store: Arc<dyn Store>) {
    let store = store.as_ref();
    put(store, "/a", "1").await;
    assert_eq!(delete(store, "/absent").await, 1, "no revision for no change");
    assert_eq!(commit(store, Vec::new()).await, 1);
    assert_eq!(
        commit(store, vec![delete_of("/absent"), put_of("/b", "1")]).await,
        2
    );
    let condition = Condition {
        key: Bytes::from_static(b"/a"),
        modified: 1,
    };
    let only_ask = Transaction {
        conditions: vec![condition],
        writes: Vec::new(),
    };
    assert_eq!(
        store.commit(only_ask).await.unwrap(),
        Committed::Applied { revision: 2 }
    );
}

async fn refusals(store: Arc<dyn Store>) {
    let refused = |writes: Vec<Write>| {
        let store = Arc::clone(&store);
        async move {
            let transaction = Transaction {
                conditions: Vec::new(),
                writes,
            };
            store.commit(transaction).await.expect_err("refused")
        }
    };
    let twice = refused(vec![put_of("/a", "1"), delete_of("/a")]).await;
    assert!(matches!(twice, StoreError::DuplicateKey { key } if key == "/a"));
    assert!(matches!(
        refused(vec![put_of("", "1")]).await,
        StoreError::EmptyKey
    ));
    let value = Bytes::from(vec![0; 5_000_000]);
    let large = refused(vec![Write::Put {
        key: Bytes::from_static(b"/a"),
        value,
    }])
    .await;
    assert!(matches!(large, StoreError::TooLarge { .. }));
    assert_eq!(store.revision(), 0);
}

async fn large_values(store: Arc<dyn Store>) {
    let key = Bytes::from_static(b"/large");
    for size in [0, 1, 4_096, 65_536, 1_048_576, 3_200_000] {
        let value = Bytes::from((0..size).map(|index| (index % 251) as u8).collect::<Vec<u8>>());
        let write = Write::Put {
            key: key.clone(),
            value: value.clone(),
        };
        commit(store.as_ref(), vec![write]).await;
        assert_eq!(
            store.get(&key).await.unwrap().unwrap().value,
            value,
            "{size} bytes"
        );
    }
}

/// Every writer's transaction gets a revision of its own, and compare-and-swap loses no update.
async fn concurrent_writers(store: Arc<dyn Store>) {
    put(store.as_ref(), "/counter", "0").await;
    let tasks: Vec<_> = (0..8)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                for step in 0..20 {
                    let own = format!("/own/{writer}");
                    revisions.push(put(store.as_ref(), &own, &step.to_string()).await);
                    revisions.push(increment(store.as_ref()).await);
                }
                revisions
            })
        })
        .collect();
    let mut revisions = Vec::new();
    for task in tasks {
        let own = task.await.expect("writer");
        assert!(own.is_sorted(), "a writer's revisions rise");
        revisions.extend(own);
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (2..=1 + 8 * 20 * 2).collect::<Vec<_>>());
    assert_eq!(get(store.as_ref(), "/counter").await.unwrap().value, "160");
}

async fn increment(store: &dyn Store) -> u64 {
    loop {
        let record = get(store, "/counter").await.unwrap();
        let count: u64 = std::str::from_utf8(&record.value).unwrap().parse().unwrap();
        let value = Bytes::from((count + 1).to_string());
        let transaction = Transaction::replace(record.key, value, record.modified);
        if let Committed::Applied { revision } = store.commit(transaction).await.unwrap() {
            return revision;
        }
    }
}
