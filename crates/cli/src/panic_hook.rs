//! What a panic may tell.

/// Replaces the standard message of a panic. Its payload could be built from a value (`expect` prints
/// what it was given), so only the place is told.
pub fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        eprintln!(
            "strongroom: internal error at {place}; please report it with this line. What was stored is safe."
        );
    }));
}
