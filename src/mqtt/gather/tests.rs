use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LARGE: Room = Room { window: 500, outstanding: 0, buffer: 512 * 1024 };

/// What became of publishes that came at an even rate.
#[derive(Debug, Default)]
struct Seen {
    /// Times that the source was read, and how many publishes at once, at most.
    wakes: u32,
    most: usize,
    /// The longest that one was there unread.
    oldest: Duration,
}

/// Ten seconds with `rate` publishes a second of so many bytes, each acknowledged a second after it was read.
fn ten_seconds(rate: u32, bytes: usize, waits: bool, room: Room) -> Seen {
    let start = Instant::now();
    let mut gather = Gather::new(Some(Beat::new(start)), start);
    let (gap, mut seen, mut now, mut came) = (SECOND / rate, Seen::default(), start, 0);
    let mut unacknowledged = std::collections::VecDeque::new();
    while now < start + 10 * SECOND {
        let first = start + gap * (came + 1);
        now = now.max(first);
        let count = u32::try_from((now - first).as_nanos() / gap.as_nanos()).unwrap() + 1;
        came += count;
        seen.wakes += 1;
        seen.most = seen.most.max(count as usize);
        seen.oldest = seen.oldest.max(now - first);
        (0..count).for_each(|_| gather.read(bytes, waits));
        unacknowledged.retain(|(read, _)| *read + SECOND > now);
        unacknowledged.push_back((now, count as usize));
        let outstanding = if waits { unacknowledged.iter().map(|(_, count)| count).sum() } else { 0 };
        // The thread takes a moment.
        now += Duration::from_micros(200);
        now = gather.rest(now, Room { outstanding, ..room }).unwrap_or(now);
    }
    seen
}

#[test]
fn wake_ups_do_not_follow_the_rate() {
    for rate in [10, 20, 50, 100, 200, 400, 1000] {
        let seen = ten_seconds(rate, 1100, false, LARGE);
        assert!(seen.wakes <= 85 && seen.oldest <= GATHER, "{rate} a second: {seen:?}");
    }
    let seen = ten_seconds(400, 1100, true, LARGE);
    assert!(seen.wakes <= 90 && seen.oldest <= GATHER, "{seen:?}");
}

#[test]
fn a_publish_that_comes_alone_is_read_at_once() {
    for rate in [1, 2, 5] {
        let seen = ten_seconds(rate, 1100, true, LARGE);
        assert!(seen.wakes <= 10 * rate && seen.oldest.is_zero(), "{rate} a second: {seen:?}");
    }
}

#[test]
fn no_more_gather_than_a_share_of_the_window_and_of_the_buffer() {
    for window in [500, 100, 20, 8] {
        let seen = ten_seconds(300, 100, true, Room { window, ..LARGE });
        assert!(seen.most <= window * 3 / 4 + 1, "window {window}: {seen:?}");
    }
    for (rate, bytes) in [(100, 16 * 1024), (1000, 4 * 1024), (10, 200 * 1024)] {
        let seen = ten_seconds(rate, bytes, false, LARGE);
        assert!(seen.most * bytes <= LARGE.buffer / 2, "{rate}: {seen:?}");
    }
}

#[test]
fn a_source_that_waits_for_each_acknowledgement_is_read_at_once() {
    for window in [0, 1, 2] {
        let seen = ten_seconds(100, 100, true, Room { window, ..LARGE });
        assert_eq!(seen.most, 1, "window {window}: {seen:?}");
    }
    assert!(ten_seconds(100, 100, false, Room { window: 0, ..LARGE }).most > 10, "nothing is waited for at QoS 0");
}

#[test]
fn at_full_rate_nothing_rests() {
    let start = Instant::now();
    let mut gather = Gather::new(Some(Beat::new(start)), start);
    for milli in 1..100 {
        (0..60).for_each(|_| gather.read(1100, false));
        assert_eq!(gather.rest(start + SECOND * milli / 1000, LARGE), None);
    }
}

#[test]
fn where_each_is_to_be_read_at_once_nothing_rests() {
    let start = Instant::now();
    let mut gather = Gather::new(None, start);
    for milli in 1..100 {
        gather.read(1100, false);
        assert_eq!(gather.rest(start + SECOND * milli / 100, LARGE), None);
    }
}

#[test]
fn a_source_that_always_fills_its_window_is_never_kept_waiting() {
    // A window's worth comes in pieces within a millisecond of the acknowledgements, which take 20 ms.
    // Of the last nobody knows that it is a quarter of what we announced.
    for (window, known) in [(20, 20), (100, 100), (500, 500), (250, 1000)] {
        let start = Instant::now();
        let mut gather = Gather::new(Some(Beat::new(start)), start);
        let room = Room { window: known, ..LARGE };
        let mut now = start;
        for round in 0..100 {
            now += Duration::from_millis(20);
            let mut outstanding = 0;
            while outstanding < window {
                let piece = 18.min(window - outstanding);
                (0..piece).for_each(|_| gather.read(1100, true));
                outstanding += piece;
                let rest = gather.rest(now, Room { outstanding, ..room });
                assert_eq!(
                    rest.filter(|_| round > 0),
                    None,
                    "window {window}, round {round}, {outstanding} outstanding"
                );
                now += Duration::from_micros(100);
            }
        }
    }
}
