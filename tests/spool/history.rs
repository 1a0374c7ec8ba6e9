//! Random histories, and what has to hold after a power cut at any step of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use firehose_connector::spool::format::Name;
use firehose_connector::spool::operation::{Fault, File, Storage};
use firehose_connector::spool::{Event, Position, Settings};

use crate::disk::{Disk, Random};
use crate::run::{Plain, Run, STREAMS};

pub(crate) const SETTINGS: Settings = Settings { limit: 16 * 8192, segment: 8192, partial: 3, longest: 8192, seed: 7 };

/// With room to read all without settling any of it.
const ROOMY: Settings = Settings { partial: 64, ..SETTINGS };

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Appended, and not yet safe.
    Appended(Position),
    /// It may be there or not: power was cut before it was safe or before it was marked, or it was given up.
    Maybe,
    /// It has to come back.
    Safe,
    /// Delivered, and not yet in a commit.
    Settled,
    /// Delivered, and never to come back.
    Marked,
}

/// A history: a spool, its disk, and the entries.
pub(crate) struct History {
    run: Run,
    disk: Disk,
    /// One step in so many fails; zero: none.
    fails: usize,
    random: Random,
    states: BTreeMap<u32, State>,
    pub(crate) cuts: u64,
    pub(crate) repeats: u64,
}

/// Calls `after` when a step was done.
struct Watched<'a> {
    disk: &'a mut Disk,
    after: &'a RefCell<&'a mut dyn FnMut(&Disk)>,
}

impl Watched<'_> {
    fn then<T>(&mut self, result: T) -> T {
        (self.after.borrow_mut())(self.disk);
        result
    }
}

impl Storage for Watched<'_> {
    fn list(&mut self) -> Result<Vec<File>, Fault> {
        self.disk.list()
    }

    fn create(&mut self, name: Name, length: u32) -> Result<(), Fault> {
        let created = self.disk.create(name, length);
        self.then(created)
    }

    fn write(&mut self, name: Name, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let written = self.disk.write(name, offset, bytes);
        self.then(written)
    }

    fn sync(&mut self, name: Name) -> Result<(), Fault> {
        let synced = self.disk.sync(name);
        self.then(synced)
    }

    fn sync_directory(&mut self) -> Result<(), Fault> {
        let synced = self.disk.sync_directory();
        self.then(synced)
    }

    fn read(&mut self, name: Name, offset: u32, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.disk.read(name, offset, buffer)
    }

    fn delete(&mut self, name: Name) -> Result<(), Fault> {
        let deleted = self.disk.delete(name);
        self.then(deleted)
    }
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let disk = Disk::new(random.next());
        let fails = [0, 0, 40, 15][random.below(4)];
        let run = Run::new(Settings { seed: random.next(), ..SETTINGS });
        Self { run, disk, fails, random, states: BTreeMap::new(), cuts: 0, repeats: 0 }
    }

    /// So many random steps, then all is read back.
    pub(crate) fn live(mut self, steps: usize) -> Self {
        for _ in 0..steps {
            self.step();
        }
        self.end();
        self
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..30 => self.append(),
            30..55 => self.operate(),
            55..70 => {
                let room = 1 + self.random.below(8);
                self.run.read_back(room);
                self.check_read();
            }
            70..84 => {
                if let Some(number) = self.any_out() {
                    self.run.settle(number);
                    self.states.insert(number, State::Settled);
                }
            }
            84..86 => {
                if let Some(position) = self.any_out().and_then(|number| self.run.out.remove(&number)) {
                    self.run.spool.give_back(position);
                    self.run.spool.look_again();
                }
            }
            86..90 => self.run.spool.commit(),
            90..94 => self.run.wait(700),
            94..96 => {
                let stream = STREAMS[self.random.below(STREAMS.len())];
                if self.run.bad.remove(stream) {
                    self.run.spool.look_again();
                } else if self.random.one_in(2) {
                    self.run.bad.insert(stream);
                }
            }
            96 => self.run.spool.look_again(),
            97 => self.run.wait(60_000),
            _ if self.random.one_in(10) => self.restart(),
            _ => self.operate(),
        }
    }

    fn append(&mut self) {
        let number = u32::try_from(self.states.len()).unwrap();
        if let Ok(position) = Plain::new(number).append(&mut self.run.spool, self.run.now) {
            self.states.insert(number, State::Appended(position));
        }
    }

    fn any_out(&mut self) -> Option<u32> {
        let at = self.random.below(self.run.out.len());
        self.run.out.keys().nth(at).copied()
    }

    /// One operation, with a power cut after each of its steps.
    fn operate(&mut self) {
        let Self { run, disk, fails, random, states, cuts, repeats } = self;
        // Where marks cannot be read, what they mark comes again.
        disk.fails = if run.spool.is_recovered() { *fails } else { 0 };
        let mut killed = None;
        let mut after = |disk: &Disk| {
            *cuts += 1;
            if random.one_in(80) {
                killed = Some(disk.clone());
            }
            *repeats += examine(&disk.cut(random), states);
        };
        let after: RefCell<&mut dyn FnMut(&Disk)> = RefCell::new(&mut after);
        let done = run.operate(&mut Watched { disk, after: &after });
        if let Some(disk) = killed {
            // The process ends there, and what it wrote stays with the system, synced or not.
            self.disk = disk;
            self.restart();
            return;
        }
        let events = core::mem::take(&mut run.events);
        for event in &events {
            for state in states.values_mut() {
                match (*state, event) {
                    (State::Appended(at), Event::Synced(up_to)) if at <= *up_to => *state = State::Safe,
                    (State::Appended(_), Event::GivenUp) => *state = State::Maybe,
                    _ => {}
                }
            }
        }
        if done == Some("write") && run.spool.fault().is_none() {
            // All that was settled before it was issued is marked by it.
            states.values_mut().filter(|state| **state == State::Settled).for_each(|state| *state = State::Marked);
        }
    }

    fn check_read(&mut self) {
        for number in core::mem::take(&mut self.run.read) {
            let state = self.states.get(&number).unwrap();
            assert!(!matches!(state, State::Settled | State::Marked), "{number} came back: {state:?}");
            self.repeats += u64::from(*state == State::Maybe);
        }
    }

    /// The process ends, with or without the power.
    fn restart(&mut self) {
        if self.random.one_in(2) {
            self.disk = self.disk.cut(&mut self.random);
        }
        self.run = Run::new(Settings { seed: self.random.next(), ..SETTINGS });
        for state in self.states.values_mut() {
            if matches!(state, State::Appended(_) | State::Settled) {
                *state = State::Maybe;
            }
        }
    }

    /// The disk is well, all streams take records: nothing is missing, and at the end nothing is there.
    fn end(&mut self) {
        self.disk.fails = 0;
        self.run.wait(600_000);
        // What could not be read is read after a start.
        self.restart();
        self.run = Run::new(Settings { seed: self.random.next(), ..ROOMY });
        self.run.read_all(&mut self.disk);
        let mut missing =
            self.states.iter().filter(|(number, state)| **state == State::Safe && !self.run.out.contains_key(*number));
        assert_eq!(missing.next(), None, "entries are missing at the end");
        for number in self.run.out.keys() {
            assert_ne!(self.states[number], State::Marked, "{number} came back at the end");
        }
        while let Some(number) = self.any_out() {
            self.run.settle(number);
        }
        self.run.read_all(&mut self.disk);
        assert!(self.run.spool.is_empty(), "{:?}", self.run.spool.counters());
        assert_eq!(self.disk.files().count(), 0, "no file stays");
    }
}

/// Starts on what a power cut has left. Answers how many came that may come, and need not.
fn examine(left: &Disk, states: &BTreeMap<u32, State>) -> u64 {
    let mut disk = left.clone();
    let mut run = Run::new(ROOMY);
    let read = run.read_all(&mut disk);
    let (mut safe, mut repeats) = (0, 0);
    for number in read {
        match states.get(&number) {
            None => panic!("{number} was never appended"),
            Some(State::Marked) => panic!("{number} was marked, and came back"),
            Some(State::Safe) => safe += 1,
            Some(State::Settled) => repeats += 1,
            Some(State::Appended(_) | State::Maybe) => {}
        }
    }
    if safe != states.values().filter(|state| **state == State::Safe).count() {
        let missing: Vec<_> = states
            .iter()
            .filter(|(number, state)| **state == State::Safe && !run.out.contains_key(*number))
            .map(|(number, _)| number)
            .collect();
        panic!("safe entries are missing: {missing:?}");
    }
    assert_eq!(run.spool.counters().damaged, 0, "a power cut damages nothing");
    repeats
}
