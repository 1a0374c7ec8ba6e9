//! Publishes that their source waits to have acknowledged, in the order of receipt, and those of before that may come again.
//!
//! An acknowledgement must not overtake another (MQTT 5, section 4.6), so all that a source needs to know is one number: all
//! below it are safe, see `Window::safe`. A ring of slots, one for each number, remembers which are, and what each publish
//! looked like. When the connection ends, the source sends again what it got no acknowledgement for:
//!
//! - A publish that we never acknowledged comes again exactly once, perhaps under another packet id. So one that looks the same is
//!   that one, and each of several equal ones is matched once; but from a source that has marked a repetition once, only if it is
//!   marked.
//! - The acknowledgement of another may have been lost with the connection. Then it comes again under its packet id and marked as
//!   repeated; without both it is a new one, for two readings may be equal, and to lose one is worse than to send one twice.

use super::record::Record;
use crate::limits::{REDELIVERY, SLOTS};
use crate::time::Instant;

/// How a source knows a publish that it wants acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Counts such publishes in the order of receipt, from the start of the process.
    pub number: u64,
    /// The source's name for it, which others have before and after it.
    pub packet_id: u16,
    /// The source says that it may have sent it before.
    pub repeated: bool,
    /// The source sent it at QoS 2, although that is not asked for. Its acknowledgement is another packet.
    pub exactly_once: bool,
}

/// A publish that was received before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its record is still held: it has the new token now.
    Held(Record),
    /// It is delivered or failed.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its record is held.
    Held,
    /// Likewise, and it failed when it was sent alone.
    Apart,
    /// It may be acknowledged.
    Safe,
    /// Held, and never acknowledged over the connection that is gone.
    OrphanHeld,
    /// Safe since, but never acknowledged.
    OrphanSafe,
    /// Acknowledged over a connection that is gone.
    Acknowledged,
    /// Not taken, or matched, or forgotten: is not to be recognised.
    Spent,
}

impl State {
    const fn is_orphan(self) -> bool {
        matches!(self, Self::OrphanHeld | Self::OrphanSafe)
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    fingerprint: u64,
    record: Record,
    packet_id: u16,
    /// Of the record's delivery stream.
    stream: u8,
    state: State,
}

const _: () = assert!(size_of::<Slot>() == 16 && SLOTS.is_power_of_two());

/// Bytes that the slots take.
pub const BYTES: usize = SLOTS * size_of::<Slot>();

/// The publishes of this connection, and those of earlier ones that may be delivered again.
#[derive(Debug)]
pub(super) struct Window {
    /// The slot of a number is at its remainder.
    slots: Vec<Slot>,
    /// First number of this connection.
    first: u64,
    safe: u64,
    next: u64,
    /// Slots of publishes that will come again.
    orphans: usize,
    /// Then they are forgotten.
    orphans_until: Instant,
    /// The source has marked a repetition once, so one without the mark is none.
    marks: bool,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            first: 0,
            safe: 0,
            next: 0,
            orphans: 0,
            orphans_until: Instant::default(),
            marks: false,
        }
    }

    /// All tokens with a number below this may be acknowledged.
    pub(super) const fn safe(&self) -> u64 {
        self.safe
    }

    /// Publishes received over this connection that may not be acknowledged yet.
    pub(super) fn outstanding(&self) -> usize {
        usize::try_from(self.next - self.safe).unwrap_or(usize::MAX)
    }

    /// A new connection begins with the number `first`. All below `acknowledged` were acknowledged over earlier ones; if the
    /// source does not remember the session, none comes again.
    pub(super) fn begin(&mut self, now: Instant, resumed: bool, acknowledged: u64, first: u64) {
        self.skip_to(first);
        self.orphans = 0;
        for number in self.oldest()..self.next {
            let slot = &mut self.slots[place(number)];
            slot.state = match slot.state {
                _ if !resumed => State::Spent,
                State::Held | State::Apart => State::OrphanHeld,
                State::Safe if number < acknowledged => State::Acknowledged,
                State::Safe => State::OrphanSafe,
                state => state,
            };
            self.orphans += usize::from(slot.state.is_orphan());
        }
        (self.first, self.safe) = (self.next, self.next);
        self.orphans_until = now + REDELIVERY;
    }

    /// Gives a publish its slot. Answers what is known of it, if it was received before; otherwise it is not safe until
    /// [`Window::hold`] or [`Window::settle`] say more.
    pub(super) fn receive(&mut self, now: Instant, token: Token, fingerprint: u64) -> Option<Known> {
        if self.orphans > 0 && now >= self.orphans_until {
            self.forget_orphans();
        }
        self.skip_to(token.number);
        self.marks |= token.repeated;
        let found = self.find(token, fingerprint);
        let mut slot = Slot { fingerprint, packet_id: token.packet_id, ..Slot::SPENT };
        let known = found.map(|number| {
            slot.state = State::Safe;
            if number >= self.first {
                // It keeps its own slot, behind which this one is acknowledged.
                return Known::Over;
            }
            let before = &mut self.slots[place(number)];
            let Slot { state, record, stream, .. } = *before;
            before.state = State::Spent;
            self.orphans -= usize::from(state.is_orphan());
            if state != State::OrphanHeld {
                return Known::Over;
            }
            slot = Slot { state: State::Held, record, stream, ..slot };
            Known::Held(record)
        });
        self.push(slot);
        self.advance();
        known
    }

    /// A publish is not taken: nothing behind it is acknowledged before it has come again over another connection.
    pub(super) fn leave(&mut self, token: Token) {
        self.skip_to(token.number);
        self.push(Slot::SPENT);
    }

    /// The publish with this number has its record in the delivery stream at `stream`.
    pub(super) fn hold(&mut self, number: u64, record: Record, stream: usize) {
        if let Some(slot) = self.live(number) {
            let stream = u8::try_from(stream).unwrap_or_default();
            *slot = Slot { state: State::Held, record, stream, ..*slot };
        }
    }

    /// The publish with this number is safe.
    pub(super) fn settle(&mut self, number: u64) {
        let is_earlier = number < self.first;
        let Some(slot) = self.live(number) else { return };
        slot.record = Record::NONE;
        slot.state = match slot.state {
            State::OrphanHeld => State::OrphanSafe,
            state if is_earlier => state,
            _ => State::Safe,
        };
        self.advance();
    }

    /// The record of the publish with this number failed alone.
    pub(super) fn set_apart(&mut self, number: u64) {
        if let Some(slot) = self.live(number).filter(|slot| slot.state == State::Held) {
            slot.state = State::Apart;
        }
    }

    /// Whether the source will send the publish with this number again.
    pub(super) fn comes_again(&self, number: u64) -> bool {
        (self.oldest()..self.next).contains(&number)
            && matches!(self.slots[place(number)].state, State::Held | State::Apart | State::OrphanHeld)
    }

    /// Makes publishes safe although their records are only held, the first ones first, until no more than `most` are
    /// outstanding: those that failed alone, and those of the delivery streams whose bit in `streams` is set. Answers how many
    /// these are.
    pub(super) fn let_go(&mut self, most: usize, streams: u32) -> usize {
        let end = self.next.saturating_sub(most as u64);
        let mut count = 0;
        for number in self.safe..end {
            let slot = &mut self.slots[place(number)];
            let goes = match slot.state {
                State::Held => streams >> slot.stream & 1 == 1,
                State::Apart => true,
                _ => false,
            };
            if goes {
                (slot.state, slot.record) = (State::Safe, Record::NONE);
                count += 1;
            }
        }
        self.advance();
        count
    }

    /// The slot that looks like this publish: the last that has its packet id, if it may be a repetition, or else the first that
    /// comes again for sure.
    fn find(&self, token: Token, fingerprint: u64) -> Option<u64> {
        let slot = |number: &u64| &self.slots[place(*number)];
        let looks_alike = |number: &u64| slot(number).fingerprint == fingerprint;
        let has_id = |number: &u64| slot(number).packet_id == token.packet_id && slot(number).state != State::Spent;
        let mut same = None;
        if token.repeated {
            // The id may have been used again since, for another.
            same = (self.oldest()..self.next).rev().find(has_id).filter(looks_alike);
        }
        if same.is_none() && self.orphans > 0 && (token.repeated || !self.marks) {
            let is_orphan = |number: &u64| slot(number).state.is_orphan();
            same = (self.oldest()..self.first).find(|number| looks_alike(number) && is_orphan(number));
        }
        same
    }

    fn forget_orphans(&mut self) {
        self.slots.iter_mut().filter(|slot| slot.state.is_orphan()).for_each(|slot| slot.state = State::Spent);
        self.orphans = 0;
    }

    fn advance(&mut self) {
        while self.safe < self.next && self.slots[place(self.safe)].state == State::Safe {
            self.safe += 1;
        }
    }

    fn live(&mut self, number: u64) -> Option<&mut Slot> {
        (self.oldest()..self.next).contains(&number).then(|| &mut self.slots[place(number)])
    }

    /// The first number that still has its slot.
    fn oldest(&self) -> u64 {
        self.next - self.slots.len() as u64
    }

    /// Numbers that were given to publishes which never got here.
    fn skip_to(&mut self, number: u64) {
        while self.next < number {
            self.push(Slot::SPENT);
        }
    }

    fn push(&mut self, slot: Slot) {
        debug_assert!(self.outstanding() < SLOTS, "the source stops long before");
        if self.slots.len() < SLOTS {
            // Once; its pages are touched as publishes come.
            self.slots.reserve_exact(SLOTS - self.slots.len());
            self.slots.push(slot);
        } else {
            let before = core::mem::replace(&mut self.slots[place(self.next)], slot);
            self.orphans -= usize::from(before.state.is_orphan());
        }
        self.next += 1;
    }
}

impl Slot {
    const SPENT: Self = Self { fingerprint: 0, record: Record::NONE, packet_id: 0, stream: 0, state: State::Spent };
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below SLOTS")]
const fn place(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests;
