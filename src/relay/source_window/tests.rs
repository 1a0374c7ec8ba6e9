//! A source that may send so many, and one that has no more to send.

use super::*;

const MAXIMUM: usize = RECEIVE_MAXIMUM as usize;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A source that may have `size` publishes outstanding sends as soon as it may, in `rounds`. Returns the milliseconds
/// it had to wait in each.
fn stalls(window: &mut SourceWindow, size: usize, rounds: usize) -> Vec<u64> {
    let mut now = 1_000_000;
    let mut waits = Vec::new();
    for _ in 0..rounds {
        let mut outstanding = 0;
        while outstanding < size && window.due(outstanding, 0).is_none_or(|at| at.as_millis() > now) {
            outstanding += 1;
            window.receive(at(now), outstanding);
        }
        let due = window.due(outstanding, 0).unwrap().as_millis().max(now);
        waits.push(due - now);
        now = due + 20;
        window.acknowledge(at(now), outstanding, outstanding);
    }
    waits
}

#[test]
fn a_window_that_is_not_said_is_found_after_a_pause_or_two_and_then_never_waited_for() {
    for (size, waits) in
        [(1, [10_000, 10_000, 0, 0]), (4, [10_000, 10_000, 0, 0]), (5, [10_000, 0, 0, 0]), (100, [10_000, 0, 0, 0])]
    {
        let mut window = SourceWindow::new();
        assert_eq!(stalls(&mut window, size, 4), waits, "{size}");
        window.begin();
        assert_eq!(stalls(&mut window, size, 2), [0, 0], "it is most probably the same over another connection");
    }
    assert_eq!(stalls(&mut SourceWindow::new(), MAXIMUM, 3), [0, 0, 0], "the one that was announced is known");
}

#[test]
fn a_window_that_grows_is_noticed() {
    let mut window = SourceWindow::new();
    stalls(&mut window, 20, 4);
    let in_flight = 15;
    (16..=21).for_each(|outstanding| window.receive(at(0), outstanding));
    assert!(window.due(21, in_flight).is_none_or(|at| at > Instant::default()), "21 are more than 20");
}

#[test]
fn a_producer_that_is_slow_costs_few_early_batches() {
    for period in [300, 1300, 9000, 11_000, 45_000] {
        let (mut window, mut outstanding, mut early, mut begun) = (SourceWindow::new(), 0, 0, 0);
        for now in (0..3_600_000_u64).step_by(50) {
            if now % period == 0 {
                outstanding += 1;
                begun = if outstanding == 1 { now } else { begun };
                window.receive(at(now), outstanding);
            }
            let is_early = window.due(outstanding, 0).is_some_and(|due| due <= at(now));
            if outstanding > 0 && (is_early || now >= begun + 60_000) {
                early += usize::from(is_early);
                window.acknowledge(at(now), outstanding, outstanding);
                outstanding = 0;
            }
        }
        assert!(early <= 7, "{early} early batches in an hour at one record in {period} ms");
    }
}

#[test]
fn what_is_on_its_way_is_not_waited_for_with_half_batches() {
    let window = SourceWindow::new();
    let at_once = |outstanding, in_flight| window.due(outstanding, in_flight) == Some(Instant::default());
    assert!(!at_once(749, 0) && at_once(750, 0));
    assert!(!at_once(751, 750) && !at_once(750 + 186, 750) && at_once(750 + 187, 750));
    assert!(!at_once(1000, 1000) && !at_once(1200, 1200), "there is nothing more to send");
}
