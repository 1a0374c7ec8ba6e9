//! Power is cut after every step of random histories.
//!
//! `SPOOL_CUTS=10000000` for more of them; `SPOOL_SEED=1234` for one history again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::history::History;

/// Random steps of a history.
const STEPS: usize = 600;
/// Power cuts, at least. 32-bit processors are emulated.
const CUTS: u64 = if cfg!(target_pointer_width = "32") { 3_000 } else { 100_000 };

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whenever_power_is_cut_what_was_safe_comes_back_and_nothing_else() {
    if let Some(seed) = number("SPOOL_SEED") {
        History::new(seed).live(STEPS);
        return;
    }
    let least = number("SPOOL_CUTS").unwrap_or(CUTS);
    let work = |first: u64| {
        let (mut cuts, mut repeats, mut seed) = (0, 0, first);
        while cuts < least / 2 {
            match catch_unwind(AssertUnwindSafe(|| History::new(seed).live(STEPS))) {
                Ok(history) => (cuts, repeats) = (cuts + history.cuts, repeats + history.repeats),
                Err(_) => panic!("failed with SPOOL_SEED={seed}"),
            }
            seed += 2;
        }
        (cuts, repeats)
    };
    let (odd, even) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| work(1));
        let even = work(2);
        (odd.join().unwrap(), even)
    });
    println!("{} power cuts, {} entries repeated", odd.0 + even.0, odd.1 + even.1);
}
