//! How long sealing and opening take: `cargo run --release -p strongroom-encryption --example sealing_speed`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use strongroom_encryption::{Keyring, LocalKey};
use strongroom_hardening::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator::new();

const PLACE: &[u8] = b"/registry/secrets/default/some-name";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = Arc::new(LocalKey::new(&[1; 32])?);
    let keyring = Keyring::new("strongroom", service.clone(), [2; 32], &[3; 12])?;
    let after_restart = Keyring::new("strongroom", service, [4; 32], &[5; 12])?;
    println!(
        "{:>9} {:>12} {:>12} {:>22}",
        "bytes", "seal", "open", "open (another seed)"
    );
    for length in [64, 1024, 4096, 16 * 1024, 64 * 1024, 1024 * 1024] {
        let value = vec![6; length];
        let sealed = keyring.seal(PLACE, &value, &[7; 44])?;
        let seal = time(length, || keyring.seal(PLACE, &value, &[7; 44]).is_ok());
        let open = time(length, || keyring.open(PLACE, &sealed).is_ok());
        let open_other = time(length, || after_restart.open(PLACE, &sealed).is_ok());
        println!("{length:>9} {seal:>9.2} µs {open:>9.2} µs {open_other:>19.2} µs");
    }
    Ok(())
}

/// Microseconds per call, best of many rounds, each too short for other work on the machine to hit all of them.
fn time(length: usize, work: impl Fn() -> bool) -> f64 {
    let calls = (800_000 / (length + 1000)).max(1);
    let round = |_| {
        let start = Instant::now();
        (0..calls).for_each(|_| assert!(black_box(work())));
        start.elapsed().as_secs_f64() * 1e6 / calls as f64
    };
    (0..300).map(round).fold(f64::INFINITY, f64::min)
}
