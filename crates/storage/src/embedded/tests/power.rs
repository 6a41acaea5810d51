//! Power cuts: a recorded run is cut after any step, with any fate of what was not synced. The
//! store must open and hold every acknowledged commit, and nothing that was never asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::simulated_disk::{PowerCut, Step, Unsynced};
use super::{Random, SimulatedDisk, commit, count, delete_of, open, put_of};
use crate::store::{Range, Revision, Store, Write};

type Content = BTreeMap<Bytes, Bytes>;

/// The content after every revision; index 0 is the empty store.
struct History(Vec<Content>);

impl History {
    fn commit(&mut self, writes: &[Write]) {
        let mut content = self.0.last().expect("content").clone();
        for write in writes {
            match write {
                Write::Put { key, value } => content.insert(key.clone(), value.clone()),
                Write::Delete { key } => content.remove(key),
            };
        }
        self.0.push(content);
    }
}

fn writes(random: &mut Random, round: u64) -> Vec<Write> {
    let value = vec![random.below(256) as u8; random.below(1_500) as usize];
    // Always a change, so that the revision rises.
    let marker = put_of("/marker", &round.to_le_bytes());
    let key = format!("/k/{}", random.below(10));
    match random.below(4) {
        0 => vec![delete_of(&key), marker],
        1 => vec![
            put_of(&key, &value),
            put_of(&format!("/l/{}", random.below(4)), b"x"),
            marker,
        ],
        _ => vec![put_of(&key, &value), marker],
    }
}

async fn record(rounds: u64, random: &mut Random) -> (Vec<Step>, History) {
    let disk = SimulatedDisk::recording(BTreeMap::new());
    let mut history = History(vec![Content::new()]);
    let store = open(&disk).expect("open");
    for round in 0..rounds {
        let writes = writes(random, round);
        history.commit(&writes);
        let revision = commit(&store, writes).await.expect("commit");
        assert_eq!(revision as usize, history.0.len() - 1);
        disk.acknowledged(revision);
        if round % 40 == 39 {
            store.compact(revision - 20).await.expect("compact");
        }
    }
    store.close().await;
    (disk.steps(), history)
}

/// Opens an image; it must hold a state of the history at or after what was acknowledged.
async fn check(disk: &Arc<SimulatedDisk>, acknowledged: Revision, history: &History, what: &str) {
    let store = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let revision = store.revision();
    assert!(
        revision >= acknowledged,
        "{what}: {acknowledged} acknowledged, {revision} found"
    );
    let page = store.range(Range::prefix(Bytes::new())).await.expect(what);
    assert_eq!(page.corrupt, Vec::<Bytes>::new(), "{what}");
    let content: Content = page
        .records
        .into_iter()
        .map(|record| (record.key, record.value))
        .collect();
    assert_eq!(
        Some(&content),
        history.0.get(revision as usize),
        "{what}: at {revision}"
    );
    assert_eq!(page.total, Some(content.len() as u64), "{what}");
    let next = commit(&store, vec![put_of("/after", b"x")]).await.expect(what);
    assert_eq!(next, revision + 1, "{what}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_power_cut_leaves_what_was_acknowledged() {
    let mut random = Random(count("STRONGROOM_SEED", 5));
    let images = count("STRONGROOM_POWER_IMAGES", 400);
    let (steps, history) = record(150, &mut random).await;
    let mut cuts: Vec<u64> = (0..images).map(|_| random.below(steps.len() as u64)).collect();
    cuts.sort_unstable();
    let mut power = PowerCut::default();
    let mut next = 0;
    for (image, cut) in cuts.into_iter().enumerate() {
        while next <= cut as usize {
            power.step(&steps[next]);
            next += 1;
        }
        let unsynced =
            [Unsynced::Lost, Unsynced::Kept, Unsynced::Some, Unsynced::Torn][random.below(4) as usize];
        let files = power.image(unsynced, &mut random);
        let what = format!(
            "image {image}: cut after step {cut} of {}, {unsynced:?}",
            steps.len()
        );
        let again = image % 4 == 0;
        let disk = if again {
            SimulatedDisk::recording(files.clone())
        } else {
            SimulatedDisk::with_files(files.clone())
        };
        check(&disk, power.acknowledged, &history, &what).await;
        if again {
            cut_during_recovery(
                files,
                &disk.steps(),
                power.acknowledged,
                &history,
                &mut random,
                &what,
            )
            .await;
        }
    }
}

/// The power goes again while the store recovers from the first cut.
async fn cut_during_recovery(
    files: BTreeMap<String, Vec<u8>>,
    steps: &[Step],
    acknowledged: Revision,
    history: &History,
    random: &mut Random,
    what: &str,
) {
    // `/after` is only asked for at the end; up to its frame's sync the content is one of history's.
    let first_frame = steps
        .iter()
        .position(|step| matches!(step, Step::Write { data, .. } if data.starts_with(b"SRframe1")));
    let end = first_frame.unwrap_or(steps.len());
    let mut power = PowerCut::from(files);
    let cut = random.below(end as u64 + 1) as usize;
    for step in &steps[..cut] {
        power.step(step);
    }
    let image = power.image(Unsynced::Torn, random);
    let what = format!("{what}, and again after step {cut} of {end}");
    check(&SimulatedDisk::with_files(image), acknowledged, history, &what).await;
}
