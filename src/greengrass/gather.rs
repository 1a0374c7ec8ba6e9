//! When messages gather before they are read: each comes by a write of its own, and to wake up for it costs more than to take it.

use crate::limits::GATHER;
use crate::limits::greengrass::{GATHER_LEAST, GATHER_PERCENT};
use crate::time::Duration;

/// How messages come.
#[derive(Debug)]
pub(super) struct Gather {
    /// Bytes of the kernel in which they may gather.
    room: u32,
    /// When some came last, counted as `now` is.
    heard: Duration,
    /// Bytes that the kernel held for what was read since.
    bytes: u32,
}

/// Bytes that the kernel holds for a frame until it is read, at most: a buffer for each write, of a power of two up to a page, and pages for
/// what is longer (`unix_stream_sendmsg` and `__alloc_skb` of Linux, on 64 bits).
fn kernel_bytes(frame: usize) -> usize {
    const STRUCTURE: usize = 256;
    const END: usize = 320;
    const PAGE: usize = 4096;
    let first = frame.min(PAGE - END);
    STRUCTURE + (first + END).next_power_of_two() + (frame - first).next_multiple_of(PAGE)
}

impl Gather {
    /// At a socket for which the kernel holds so many bytes until they are read.
    pub(super) fn new(buffer: usize) -> Self {
        let room = u32::try_from(buffer / 100 * GATHER_PERCENT).unwrap_or(u32::MAX);
        Self { room, heard: Duration::ZERO, bytes: 0 }
    }

    /// A message of so many bytes was read.
    pub(super) fn read(&mut self, frame: usize) {
        self.bytes = self.bytes.saturating_add(u32::try_from(kernel_bytes(frame)).unwrap_or(u32::MAX));
    }

    /// There were messages among the frames that were read; `is_all`: the socket held no more; `now`: since the connection began, finer
    /// than milliseconds. Answers how long the next ones may gather: until there is no more room for them, if they go on to come as they do.
    pub(super) fn came(&mut self, now: Duration, is_all: bool) -> Duration {
        if !is_all || self.bytes == 0 {
            return Duration::ZERO;
        }
        let bytes = core::mem::take(&mut self.bytes);
        let gap = now.saturating_sub(core::mem::replace(&mut self.heard, now));
        let wait = gap.min(GATHER) * self.room / bytes;
        if gap > 2 * GATHER { Duration::ZERO } else { wait.clamp(GATHER_LEAST, GATHER) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    const ONE: u32 = 2304;
    const BUFFER: usize = 212_992;
    const FULL: u32 = 149_030;

    fn came(gather: &mut Gather, at: Duration, bytes: u32, is_all: bool) -> Duration {
        gather.bytes += bytes;
        gather.came(at, is_all)
    }

    #[test]
    fn messages_that_come_one_soon_after_the_other_gather() {
        let mut gather = Gather::new(BUFFER);
        let mut came = |millis, bytes| came(&mut gather, Duration::from_millis(millis), bytes, true);
        assert_eq!(came(1000, ONE), Duration::ZERO, "nobody knows whether another comes");
        assert_eq!(came(1010, ONE), GATHER);
        assert_eq!(came(1138, 10 * ONE), GATHER);
        assert_eq!(came(2000, ONE), Duration::ZERO);
    }

    #[test]
    fn the_more_come_the_sooner_they_are_read() {
        let mut gather = Gather::new(BUFFER);
        let mut now = GATHER;
        let mut wait = came(&mut gather, now, 4 * FULL, true);
        assert_eq!(wait, GATHER / 4);
        for _ in 0..10 {
            now += wait;
            // A sixth in a millisecond, in two reads.
            let bytes = FULL / 6 * u32::try_from(wait.as_millis()).unwrap();
            assert_eq!(came(&mut gather, now, bytes / 2, false), Duration::ZERO, "there is more in the socket");
            wait = came(&mut gather, now, bytes / 2, true);
        }
        assert_eq!(wait.as_millis(), 6);
        let near = came(&mut gather, now + Duration::from_micros(200), FULL / 50, true);
        assert_eq!(near.as_millis(), 10, "a tenth in a millisecond");
        let flood = came(&mut gather, now + Duration::from_millis(1), 2 * FULL, true);
        assert_eq!(flood, GATHER_LEAST, "as soon as the timer can say");
    }

    #[test]
    fn what_gathers_fits_into_the_kernels_buffer_whatever_its_size() {
        for frame in (1..40)
            .map(|step| step * 250)
            .chain([192, 193, 703, 704, 705, 1727, 1728, 1729, 1810, 3776, 3777, 6400, 9999])
        {
            let (from, to) = UnixStream::pair().unwrap();
            from.set_nonblocking(true).unwrap();
            let buffer = socket2::SockRef::from(&to).send_buffer_size().unwrap();
            let bytes = vec![0; frame];
            let fit = (0..).take_while(|_| (&from).write(&bytes).is_ok_and(|count| count == frame)).count();
            let gather = buffer / 100 * GATHER_PERCENT / kernel_bytes(frame);
            assert!(gather < fit, "{frame} bytes: {gather} would gather, {fit} fit");
        }
    }
}
