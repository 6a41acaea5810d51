//! How long the tracking of fields takes: `cargo run --release -p strongroom-merge --example speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use strongroom_merge::managed_fields::{Writer, apply, track_update};
use strongroom_merge::{json_patch, merge_patch, strategic_merge_patch};
use strongroom_objects::schema::schema;

fn main() {
    let ty = schema()
        .kind("", "v1", "Secret")
        .expect("Secret is in the schema");
    let writer = Writer {
        manager: "speed",
        api_version: "v1",
        subresource: "",
        now: "2026-01-01T00:00:00Z",
    };
    for keys in [5, 100_000] {
        let value = "x".repeat(if keys == 5 { 200 } else { 8 });
        let object = secret(keys, &value);
        let live = apply(ty, None, object.clone(), &writer, true).expect("the configuration fits");
        let changed = secret(keys + 1, &value);
        let patch = json!({"data": {"k0": "eA=="}});
        println!("{keys} keys");
        time("create", || track_update(ty, None, &object, &writer));
        time("update", || track_update(ty, Some(&live), &changed, &writer));
        time("no-op update", || track_update(ty, Some(&live), &live, &writer));
        time("first apply", || apply(ty, None, object.clone(), &writer, false));
        time("apply again", || {
            apply(ty, Some(&live), object.clone(), &writer, false)
        });
        time("apply one less", || {
            apply(ty, Some(&live), secret(keys - 1, &value), &writer, false)
        });
        time("merge patch", || merge_patch(live.clone(), patch.clone()));
        time("strategic merge patch", || {
            strategic_merge_patch(live.clone(), patch.clone(), ty)
        });
        time("JSON patch", || {
            json_patch(&live, br#"[{"op":"add","path":"/data/k0","value":"eA=="}]"#)
        });
    }
}

fn secret(keys: usize, value: &str) -> Value {
    let data: Map<String, Value> = (0..keys).map(|key| (format!("k{key}"), value.into())).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
        "metadata": {"name": "s", "namespace": "n", "uid": "u", "labels": {"app": "x"}}})
}

/// Prints the fastest run: others share the machine.
fn time<T>(what: &str, run: impl Fn() -> T) {
    let started = Instant::now();
    let mut fastest = Duration::MAX;
    while started.elapsed() < Duration::from_millis(500) {
        let run_started = Instant::now();
        black_box(run());
        fastest = fastest.min(run_started.elapsed());
    }
    println!("  {what:22} {:>10.1} µs", fastest.as_secs_f64() * 1e6);
}
