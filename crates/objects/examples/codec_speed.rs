//! How fast the codecs are on one core: `cargo run --release -p strongroom-objects --example codec_speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use strongroom_objects::json::{self, Limits};
use strongroom_objects::{Map, Value, conform, protobuf, schema};

fn main() {
    let start = processor_time();
    let secret = schema().kind("", "v1", "Secret").expect("in the table");
    println!("table parsed in {:?}", processor_time() - start);
    let object = secret_of_one_kilobyte();
    let raw = protobuf::encode(secret, &object).expect("conforms");
    let mut text = Vec::new();
    json::write(&Value::Object(object.clone()), &mut text);
    println!("message {} bytes, JSON {} bytes", raw.len(), text.len());

    let mut out = Vec::with_capacity(4096);
    measure("protobuf to JSON text (GET)", || {
        out.clear();
        protobuf::transcode_json(secret, &raw, Some(("v1", "Secret")), Some(812), &mut out).expect("valid");
        black_box(&out);
    });
    measure("protobuf with resourceVersion", || {
        out.clear();
        protobuf::set_resource_version(&raw, 812, &mut out).expect("valid");
        black_box(&out);
    });
    measure("protobuf to tree", || {
        drop(black_box(protobuf::decode(secret, &raw, &Limits::REQUEST)))
    });
    measure("tree to protobuf", || {
        drop(black_box(protobuf::encode(secret, &object)))
    });
    measure("JSON text to tree", || {
        drop(black_box(json::parse(&text, &Limits::REQUEST)))
    });
    measure("JSON text to conforming tree (POST)", || {
        let parsed = json::parse(&text, &Limits::REQUEST).expect("valid");
        drop(black_box(conform::conform(secret, parsed.value)));
    });
}

/// Time on the processor, so that a busy machine does not matter much.
fn measure(name: &str, mut run: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let (wall, start) = (Instant::now(), processor_time());
        let mut runs = 0_u32;
        while wall.elapsed() < Duration::from_millis(200) {
            (0..100).for_each(|_| run());
            runs += 100;
        }
        best = best.min((processor_time() - start).as_secs_f64() / f64::from(runs));
    }
    println!(
        "{name:<38} {:>10.0} per second, {:>6.2} µs",
        1.0 / best,
        best * 1e6
    );
}

fn processor_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = statistics
        .split(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    Duration::from_nanos(nanoseconds)
}

fn secret_of_one_kilobyte() -> Map {
    let value = serde_json::json!({
        "metadata": {
            "name": "database-credentials", "namespace": "payments", "uid": "6d4c1c52-96fd-4b3f-8f22-5d9f1f1a2b3c",
            "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"app": "payments", "tier": "backend"},
            "managedFields": [{"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1",
                "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {".": {}, "f:password": {}, "f:tls.crt": {}, "f:username": {}}, "f:type": {}}}],
        },
        "data": {"username": "cGF5bWVudHM=", "password": "QUJD".repeat(8), "tls.crt": "QUJD".repeat(200)},
        "type": "Opaque",
    });
    let Value::Object(object) = value else {
        unreachable!("a literal object")
    };
    object
}
