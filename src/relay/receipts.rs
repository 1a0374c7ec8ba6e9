//! Which publishes may be acknowledged, in the order of receipt, and which of those that come were received before.
//!
//! Acknowledgements have to keep the order of the publishes (MQTT 5, section 4.6), so the source needs one number only:
//! all publishes below it are safe, see `Receipts::safe`. A ring of slots, one for each publish, remembers which are
//! safe, and a fingerprint of each. After a reconnect the source sends again what it got no acknowledgement for:
//!
//! - What we never acknowledged (an "orphan") comes again exactly once, perhaps under another packet id. So a publish
//!   with the fingerprint of an orphan is that one, and each of several equal orphans is matched once. A source that
//!   has ever marked a redelivery (`DUP`) marks them all, so from then on only marked publishes are matched.
//! - What we did acknowledge may come again, too, when the acknowledgement was lost with the connection: marked, and
//!   under its packet id, if the source does not use that for others soon; or before all that is new, if it is the only
//!   one with its fingerprint, and the source has not shown that it has the acknowledgement. What is neither is a new
//!   publish, because two readings may be equal, and to lose one is worse than to send one twice.

use super::record::Record;
use crate::limits::{REDELIVERY, SLOTS};
use crate::time::Instant;

/// How a source knows a publish that it wants acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Counts such publishes in the order of receipt, from the start of the process.
    pub number: u64,
    /// The source's name for it, which it uses again for other publishes once this one is acknowledged.
    pub packet_id: u16,
    /// The source says that it may have sent it before (`DUP`).
    pub repeated: bool,
    /// The source sent it at QoS 2, although that is not asked for. Its acknowledgement is another packet.
    pub exactly_once: bool,
}

/// A connection to the source begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The source kept the session from before, so it sends again what it has no acknowledgement for.
    pub resumed: bool,
    /// Tokens with a number below this were acknowledged over earlier connections.
    pub acknowledged: u64,
    /// And the source has shown for those below this that it has the acknowledgement.
    pub arrived: u64,
    /// Number of the first token of this connection.
    pub first: u64,
}

/// A publish that was received before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its record is still held, and is to be given the new token.
    Held(Record),
    /// Its record is delivered or has failed.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its record is held.
    Held,
    /// Its record is held, and failed when it was sent alone.
    FailedAlone,
    /// It may be acknowledged.
    Safe,
    /// Received over an earlier connection and not acknowledged there; its record is held.
    OrphanHeld,
    /// Likewise, and its record has ended since.
    OrphanSafe,
    /// Acknowledged over an earlier connection.
    Acknowledged,
    /// Likewise, and the source has not shown that it has the acknowledgement.
    Unsure,
    /// Not taken, recognised already, or forgotten: no publish is recognised by it any more.
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
    /// Index of the record's delivery stream.
    stream: u8,
    state: State,
}

const _: () = assert!(size_of::<Slot>() == 16 && SLOTS.is_power_of_two());

/// Bytes that all slots take.
pub const BYTES: usize = SLOTS * size_of::<Slot>();

/// The publishes of this connection, and those of earlier ones that may be delivered again.
#[derive(Debug)]
pub(super) struct Receipts {
    /// A ring: the slot of a number is at its remainder by [`SLOTS`].
    slots: Vec<Slot>,
    /// First number of this connection.
    first: u64,
    /// First number that is not safe.
    safe: u64,
    /// Number of the next publish.
    next: u64,
    /// Slots of orphans.
    orphans: usize,
    /// When these are forgotten, because the source will not send them again.
    orphans_until: Instant,
    /// Nothing new has come over this connection: what comes may be a publish whose acknowledgement was lost.
    only_known: bool,
    /// The source has marked a redelivery once, so what comes without the mark is new.
    marks: bool,
    /// Packet id of the last publish without that mark.
    last_id: u16,
    /// The source takes packet ids that are free again at once, and does not count through all.
    reuses_ids: bool,
}

impl Receipts {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            first: 0,
            safe: 0,
            next: 0,
            orphans: 0,
            orphans_until: Instant::default(),
            only_known: false,
            marks: false,
            last_id: 0,
            reuses_ids: false,
        }
    }

    /// All tokens with a number below this may be acknowledged.
    pub(super) const fn safe(&self) -> u64 {
        self.safe
    }

    /// Publishes from the first that is not safe on. Safe ones behind it count, as they cannot be acknowledged before
    /// it.
    pub(super) fn outstanding(&self) -> usize {
        usize::try_from(self.next - self.safe).unwrap_or(usize::MAX)
    }

    /// A connection begins. Unless the session is resumed, the source has forgotten it and sends nothing again.
    pub(super) fn begin(&mut self, now: Instant, Begin { resumed, acknowledged, arrived, first }: Begin) {
        self.skip_to(first);
        self.orphans = 0;
        if !resumed {
            self.last_id = 0;
        }
        for number in self.oldest()..self.next {
            let slot = &mut self.slots[place(number)];
            slot.state = match slot.state {
                _ if !resumed => State::Spent,
                State::Held | State::FailedAlone => State::OrphanHeld,
                State::Safe if number < arrived => State::Acknowledged,
                State::Safe if number < acknowledged => State::Unsure,
                State::Safe => State::OrphanSafe,
                // Something new came behind all that was to come again.
                State::Unsure if !self.only_known => State::Acknowledged,
                state => state,
            };
            self.orphans += usize::from(slot.state.is_orphan());
        }
        (self.first, self.safe) = (self.next, self.next);
        self.orphans_until = now + REDELIVERY;
        self.only_known = true;
    }

    /// Gives a publish its slot. Returns what is known of it if it was received before; a new one is not safe before
    /// [`Receipts::settle`].
    pub(super) fn receive(&mut self, now: Instant, token: Token, fingerprint: u64) -> Option<Known> {
        if self.orphans > 0 && now >= self.orphans_until {
            self.forget_orphans();
        }
        self.skip_to(token.number);
        self.marks |= token.repeated;
        if !token.repeated {
            let back = self.last_id.checked_sub(token.packet_id);
            self.reuses_ids |= back.is_some_and(|back| back < u16::MAX / 2);
            self.last_id = token.packet_id;
        }
        let found = self.find(token, fingerprint);
        self.only_known &= found.is_some();
        let mut slot = Slot { fingerprint, packet_id: token.packet_id, ..Slot::SPENT };
        let known = found.map(|number| {
            slot.state = State::Safe;
            if number >= self.first {
                // The earlier one keeps its slot, and this one is acknowledged after it.
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

    /// Does not take a publish. It will come again over another connection; over this one, nothing behind it is
    /// acknowledged.
    pub(super) fn leave(&mut self, token: Token) {
        self.skip_to(token.number);
        self.push(Slot::SPENT);
    }

    /// The publish with this number is held as `record`, in the delivery stream with index `stream`.
    pub(super) fn hold(&mut self, number: u64, record: Record, stream: usize) {
        if let Some(slot) = self.slot_of(number) {
            let stream = u8::try_from(stream).unwrap_or_default();
            *slot = Slot { state: State::Held, record, stream, ..*slot };
        }
    }

    /// The publish with this number is safe.
    pub(super) fn settle(&mut self, number: u64) {
        let is_earlier = number < self.first;
        let Some(slot) = self.slot_of(number) else { return };
        slot.record = Record::NONE;
        slot.state = match slot.state {
            State::OrphanHeld => State::OrphanSafe,
            state if is_earlier => state,
            _ => State::Safe,
        };
        self.advance();
    }

    /// The record of the publish with this number failed when it was sent alone.
    pub(super) fn failed_alone(&mut self, number: u64) {
        if let Some(slot) = self.slot_of(number).filter(|slot| slot.state == State::Held) {
            slot.state = State::FailedAlone;
        }
    }

    /// Whether the source will send the publish with this number again.
    pub(super) fn will_be_redelivered(&self, number: u64) -> bool {
        (self.oldest()..self.next).contains(&number)
            && matches!(self.slots[place(number)].state, State::Held | State::FailedAlone | State::OrphanHeld)
    }

    /// Makes publishes safe although their records are only held: of all but the last `most` that are outstanding,
    /// those that failed alone, and those of the delivery streams whose bit in `streams` is set. Returns how many.
    pub(super) fn acknowledge_held(&mut self, most: usize, streams: u32) -> usize {
        let end = self.next.saturating_sub(most as u64);
        let mut count = 0;
        for number in self.safe..end {
            let slot = &mut self.slots[place(number)];
            let goes = match slot.state {
                State::Held => streams >> slot.stream & 1 == 1,
                State::FailedAlone => true,
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

    /// The number under which this publish was received before: for a marked one the last with its packet id, if the
    /// fingerprint is the same and that is no chance; otherwise the first orphan with the same fingerprint, or the only
    /// publish with it that the source may send again.
    fn find(&self, token: Token, fingerprint: u64) -> Option<u64> {
        let slot = |number: &u64| &self.slots[place(*number)];
        let looks_alike = |number: &u64| slot(number).fingerprint == fingerprint;
        let has_id = |number: &u64| slot(number).packet_id == token.packet_id && slot(number).state != State::Spent;
        let mut same = None;
        if token.repeated {
            // Only the last one: the source may have used the packet id again since. If it does so soon, then perhaps for
            // this one, too, which never got here.
            let was_acknowledged = |number: &u64| matches!(slot(number).state, State::Acknowledged | State::Unsure);
            same = (self.oldest()..self.next).rev().find(has_id).filter(looks_alike);
            same = same.filter(|number| !self.reuses_ids || !was_acknowledged(number));
        }
        if same.is_none() && self.orphans > 0 && (token.repeated || !self.marks) {
            let is_orphan = |number: &u64| slot(number).state.is_orphan();
            same = (self.oldest()..self.first).find(|number| looks_alike(number) && is_orphan(number));
        }
        if same.is_none() && self.only_known && (!self.marks || token.repeated && self.reuses_ids) {
            let is_alike = |number: &u64| looks_alike(number) && slot(number).state != State::Spent;
            let is_meant = |number: &u64| {
                slot(number).state == State::Unsure && (!token.repeated || slot(number).packet_id == token.packet_id)
            };
            let mut alike = (self.oldest()..self.next).filter(is_alike);
            same = alike.next().filter(is_meant).filter(|_| alike.next().is_none());
        }
        same
    }

    fn forget_orphans(&mut self) {
        self.slots.iter_mut().filter(|slot| slot.state.is_orphan()).for_each(|slot| slot.state = State::Spent);
        self.orphans = 0;
    }

    /// Moves `safe` past all publishes that are.
    fn advance(&mut self) {
        while self.safe < self.next && self.slots[place(self.safe)].state == State::Safe {
            self.safe += 1;
        }
    }

    /// The slot of a number, unless a later number has taken its place.
    fn slot_of(&mut self, number: u64) -> Option<&mut Slot> {
        (self.oldest()..self.next).contains(&number).then(|| &mut self.slots[place(number)])
    }

    /// The first number that still has its slot.
    fn oldest(&self) -> u64 {
        self.next - self.slots.len() as u64
    }

    /// Fills the slots of numbers whose publishes never got here.
    fn skip_to(&mut self, number: u64) {
        while self.next < number {
            self.push(Slot::SPENT);
        }
    }

    fn push(&mut self, slot: Slot) {
        debug_assert!(self.outstanding() < SLOTS, "the source stops long before");
        if self.slots.len() < SLOTS {
            // Allocated once; pages become resident as publishes come.
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
