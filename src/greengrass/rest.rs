//! Until when the socket need not be watched: while it is, each message and each answer wakes the process. It has no clock and no
//! socket.

use tokio::time::Instant;

use super::gather::Gather;
use crate::clock::Beat;
use crate::limits::GATHER;
use crate::limits::greengrass::GATHER_ANSWERS;
use crate::time::Duration;

/// What rests are made of, on one connection.
#[derive(Debug)]
pub(super) struct Rest {
    /// With which rests for messages end; `None`: there are none.
    beat: Option<Beat>,
    /// When the connection began.
    start: Instant,
    gather: Gather,
    /// Until then messages may gather.
    until: Option<Instant>,
    /// Something was written since the last rest.
    wrote: bool,
    /// How long the next rest is while no status can be taken.
    answers: Duration,
}

impl Rest {
    /// At a socket for which the kernel holds so many bytes until they are read.
    pub(super) fn new(beat: Option<Beat>, buffer: usize, now: Instant) -> Self {
        Self { beat, start: now, gather: Gather::new(buffer), until: None, wrote: false, answers: GATHER_ANSWERS }
    }

    /// A message of so many `bytes` was read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.gather.read(bytes);
    }

    /// There were messages among the frames; `is_all`: the socket held no more.
    pub(super) fn came(&mut self, now: Instant, is_all: bool) {
        let longest = self.gather.came(now - self.start, is_all);
        self.until = self.beat.filter(|_| !longest.is_zero()).map(|beat| beat.end_of_rest(now, longest));
    }

    /// Something was written, which may be answered.
    pub(super) const fn wrote(&mut self) {
        self.wrote = true;
    }

    /// Until when to rest. `has_room`: a status would be taken, which interrupts the rest for a moment. `awaited`: statuses that wait for
    /// their answers.
    pub(super) fn end(&mut self, now: Instant, has_room: bool, awaited: usize) -> Option<Instant> {
        self.beat?;
        let wrote = core::mem::take(&mut self.wrote);
        let until = self.until.filter(|until| now < *until);
        if has_room {
            self.answers = GATHER_ANSWERS;
            // The answer to a single one is not worth a rest.
            return until.or_else(|| (wrote && awaited > 1).then(|| now + GATHER_ANSWERS));
        }
        if awaited == 0 || until.is_none() && !wrote {
            return None;
        }
        let end = now + self.answers;
        self.answers = GATHER.min(self.answers * 2);
        Some(until.map_or(now + GATHER_ANSWERS, |until| end.min(until)))
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// A connection whose clock is set by hand, in milliseconds since a boundary of the beat.
    struct Test {
        start: Instant,
        millis: Cell<u64>,
        rest: Rest,
    }

    impl Test {
        /// Some messages came one soon after the other, the last ones at 128.
        fn flowing() -> Self {
            let start = Instant::now();
            let rest = Rest::new(Some(Beat::new(start)), 212_992, start);
            let mut test = Self { start, millis: Cell::new(0), rest };
            for millis in [64, 128] {
                test.message(millis);
            }
            test
        }

        fn now(&self) -> Instant {
            self.start + Duration::from_millis(self.millis.get())
        }

        fn message(&mut self, millis: u64) {
            self.millis.set(millis);
            self.rest.read(1300);
            self.rest.came(self.now(), true);
        }

        /// When the next rest ends.
        fn end(&mut self, millis: u64, has_room: bool, awaited: usize) -> Option<u128> {
            self.millis.set(millis);
            let end = self.rest.end(self.now(), has_room, awaited)?;
            Some((end - self.start).as_millis())
        }
    }

    #[test]
    fn a_rest_for_messages_goes_on_after_a_status_interrupted_it() {
        let mut test = Test::flowing();
        assert_eq!(test.end(128, true, 0), Some(256));
        for (at, awaited) in [(150, 1), (151, 21)] {
            test.rest.wrote();
            assert_eq!(test.end(at, true, awaited), Some(256), "answers gather as well");
        }
        assert_eq!(test.end(256, true, 21), None, "now all is read");
    }

    #[test]
    fn answers_gather_when_no_messages_do() {
        let mut test = Test::flowing();
        test.rest.wrote();
        assert_eq!(test.end(1000, true, 21), Some(1008));
        assert_eq!(test.end(1008, true, 21), None, "nothing was written since");
        test.rest.wrote();
        assert_eq!(test.end(1010, true, 1), None, "for a single one that would be a wake-up more");
    }

    #[test]
    fn while_no_status_can_be_taken_rests_for_answers_become_longer_until_messages_have_to_be_read() {
        let mut test = Test::flowing();
        let mut ends = vec![];
        let mut now = 128;
        while let Some(end) = test.end(now, false, 32) {
            ends.push(end);
            now = u64::try_from(end).unwrap();
        }
        assert_eq!(ends, [136, 152, 184, 248, 256]);
        test.message(256);
        assert_eq!(test.end(256, false, 32), Some(384), "there is still no answer");
        assert_eq!(test.end(300, true, 3), Some(384));
        assert_eq!(test.end(300, false, 32), Some(308), "there was one meanwhile");
        assert_eq!(test.end(384, false, 0), None, "of none there is an answer to wait for");
    }

    #[test]
    fn without_a_beat_there_are_no_rests() {
        let start = Instant::now();
        let mut rest = Rest::new(None, 212_992, start);
        rest.read(1300);
        rest.came(start + GATHER, true);
        rest.wrote();
        assert_eq!(rest.end(start + GATHER, true, 21), None);
    }
}
