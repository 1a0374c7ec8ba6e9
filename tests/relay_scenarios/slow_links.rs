//! Batches are as long as the link carries.

use firehose_connector::relay::outcome::Outcome;

use crate::support::scenario::{DEFAULT, Scenario, Sent, Setup};

#[test]
fn too_long_an_answer_halves_the_batch_until_it_fits() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    for _ in 0..100 {
        s.publish_binary("", b"x");
    }
    s.at(1_000);
    for records in [100, 50, 25, 12, 6, 3, 1] {
        let batch = s.expect_sent(DEFAULT);
        assert_eq!(batch.data.len(), records);
        s.outcome(batch, Outcome::RetrySmaller);
        s.expect_no_status();
        s.wait();
    }
    // The one that failed alone has a delay of its own, which is over.
    for records in [1, 1, 2, 8, 16, 32, 40] {
        let batch = s.expect_sent(DEFAULT);
        assert_eq!(batch.data.len(), records, "doubles again while answers can be read");
        s.deliver(batch);
    }
    s.take_statuses();
    assert_eq!(s.relay().held(), 0);
}

#[test]
fn after_an_outage_batches_start_small_and_grow_on_a_quick_link() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    for _ in 0..2_000 {
        s.publish_binary("", &[b'x'; 6_000]);
    }
    let first = next_sent(&mut s);
    assert_eq!(first.data.len(), 500, "nothing has failed yet");
    s.fail(first);
    let mut sizes = Vec::new();
    while s.relay().held() > 0 {
        let sent = next_sent(&mut s);
        sizes.push(sent.data.iter().map(|data| data.len().div_ceil(3) * 4).sum::<usize>());
        s.after(100);
        s.deliver(sent);
    }
    assert!(sizes[0] <= 1024 * 1024 && sizes[0] > 900_000, "{sizes:?}");
    assert!(sizes[1] > 3 * sizes[0] / 2 && sizes[2] > 3 * sizes[1] / 2, "{sizes:?}");
    s.take_statuses();
}

#[test]
fn a_link_too_slow_for_a_full_batch_gets_smaller_ones_before_signatures_expire() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    for _ in 0..2_000 {
        s.publish_binary("", &[b'x'; 6_000]);
    }
    // A full batch takes eight minutes.
    let millis_for_a_record = 8 * 60_000 / 500;
    let (mut requests, mut wasted) = (0, 0);
    while s.relay().held() > 0 {
        let Some(sent) = s.take_sent() else {
            s.wait();
            continue;
        };
        let took = sent.data.len() as u64 * millis_for_a_record;
        s.after(took);
        requests += 1;
        if took < 300_000 {
            s.deliver(sent);
        } else {
            wasted += 1;
            s.fail(sent);
        }
        assert!(requests < 100, "{wasted} requests were too slow, {} records are held", s.relay().held());
    }
    assert_eq!(wasted, 1, "one too slow request is enough to know the link");
    s.take_statuses();
}

#[test]
fn on_a_slow_link_both_records_and_bytes_of_a_batch_are_halved() {
    let mut s = Scenario::new(Setup::default());
    for _ in 0..1_000 {
        s.publish_binary("", b"x");
    }
    let sent = s.expect_sent(DEFAULT);
    s.after(300_000).fail(sent);
    assert_eq!(next_sent(&mut s).data.len(), 250);

    let mut s = Scenario::new(Setup::default());
    for size in [1_000; 500].into_iter().chain([60_000; 50]) {
        s.publish_binary("", &vec![b'x'; size]);
    }
    let sent = s.expect_sent(DEFAULT);
    s.after(300_000).fail(sent);
    assert_eq!(next_sent(&mut s).data.len(), 6, "of 80 KB each: half of the mebibyte that a failure leaves");
}

/// Waits for the next request.
fn next_sent(s: &mut Scenario) -> Sent {
    loop {
        if let Some(sent) = s.take_sent() {
            return sent;
        }
        s.wait();
    }
}
