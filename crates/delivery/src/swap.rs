//! Could memory be written to a disk? (RELIABILITY S21)

use crate::error::DeliveryError;

/// The first swap device in use.
pub(crate) fn device() -> Option<String> {
    first_device(&std::fs::read_to_string("/proc/swaps").unwrap_or_default())
}

fn first_device(swaps: &str) -> Option<String> {
    swaps
        .lines()
        .skip(1)
        .find_map(|line| line.split_whitespace().next().map(str::to_owned))
}

/// Refuses when a swap device is in use.
pub(crate) fn refuse() -> Result<(), DeliveryError> {
    match device() {
        Some(device) => Err(DeliveryError::SwapIsOn { device }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::first_device;

    #[test]
    fn devices_in_use() {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        for (swaps, expect) in [
            (String::new(), None),
            (head.to_owned(), None),
            (
                format!("{head}/dev/zram0  partition\t100\t0\t-2\n"),
                Some("/dev/zram0"),
            ),
            (
                format!("{head}/a\\040b file 1 0 -2\n/dev/sda2 partition 1 0 -3\n"),
                Some("/a\\040b"),
            ),
        ] {
            assert_eq!(first_device(&swaps).as_deref(), expect, "{swaps:?}");
        }
    }
}
