//! A disk that loses what was not synced: each sector of a write for itself, and each making or deleting of a file.

use std::collections::BTreeMap;

use firehose_connector::spool::format::Name;
use firehose_connector::spool::operation::{Fault, File, Storage};

/// A sector is written whole or not at all.
const SECTOR: usize = 512;

/// Random numbers that a seed gives again (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    /// True one time in `count`.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// What of the unsynced outlives a power cut.
#[derive(Clone, Copy)]
enum Survives {
    Nothing,
    All,
    First(usize),
    Last(usize),
    Any,
}

impl Survives {
    fn pick(random: &mut Random) -> Self {
        match random.below(5) {
            0 => Self::Nothing,
            1 => Self::All,
            2 => Self::First(random.below(16)),
            3 => Self::Last(random.below(16)),
            _ => Self::Any,
        }
    }

    fn does(self, at: usize, of: usize, random: &mut Random) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::First(count) => at < count,
            Self::Last(count) => at + count >= of,
            Self::Any => random.one_in(2),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Content {
    synced: Vec<u8>,
    seen: Vec<u8>,
}

impl Content {
    /// Has some of the unsynced sectors be synced.
    fn keep(&mut self, random: &mut Random) {
        let survives = Survives::pick(random);
        if self.synced.len() < self.seen.len() {
            if !survives.does(0, 1, random) {
                return;
            }
            self.synced.resize(self.seen.len(), 0);
        }
        let end = |at: usize| self.seen.len().min((at + 1) * SECTOR);
        let differs = |at: &usize| self.synced[at * SECTOR..end(*at)] != self.seen[at * SECTOR..end(*at)];
        let sectors: Vec<usize> = (0..self.seen.len().div_ceil(SECTOR)).filter(differs).collect();
        for (at, sector) in sectors.iter().enumerate() {
            if survives.does(at, sectors.len(), random) {
                let range = sector * SECTOR..self.seen.len().min((sector + 1) * SECTOR);
                self.synced[range.clone()].copy_from_slice(&self.seen[range]);
            }
        }
    }
}

/// Steps done, by kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Steps {
    pub(crate) all: u64,
    /// Blocks of 4 KiB that a sync has written.
    pub(crate) blocks: u64,
    /// Blocks among them that were never written before.
    pub(crate) first: u64,
    pub(crate) creates: u64,
    pub(crate) reads: u64,
}

/// A disk in memory. A clone is another disk with the same content.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    files: BTreeMap<Name, Content>,
    /// Names as they are after a power cut, when nothing more is synced.
    synced_names: BTreeMap<Name, ()>,
    /// Files that were deleted and may come back.
    deleted: BTreeMap<Name, Content>,
    pub(crate) random: Random,
    /// One step in so many fails; zero: none.
    pub(crate) fails: usize,
    /// Files there is room for.
    pub(crate) most: usize,
    pub(crate) steps: Steps,
    blocks_written: BTreeMap<(Name, usize), bool>,
    pub(crate) counts_blocks: bool,
}

/// No room, no device, an error of the device.
const FAULTS: [i32; 3] = [28, 19, 5];

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            deleted: BTreeMap::new(),
            random: Random(seed),
            fails: 0,
            most: usize::MAX,
            steps: Steps::default(),
            blocks_written: BTreeMap::new(),
            counts_blocks: false,
        }
    }

    /// The disk with these files.
    pub(crate) fn with(files: impl IntoIterator<Item = (Name, Vec<u8>)>) -> Self {
        let mut disk = Self::new(1);
        for (name, bytes) in files {
            disk.synced_names.insert(name, ());
            disk.files.insert(name, Content { synced: bytes.clone(), seen: bytes });
        }
        disk
    }

    /// What is on it.
    pub(crate) fn files(&self) -> impl Iterator<Item = (Name, &[u8])> {
        self.files.iter().map(|(name, content)| (*name, &content.seen[..]))
    }

    /// The disk after a power cut.
    pub(crate) fn cut(&self, random: &mut Random) -> Self {
        let mut after = Self::new(random.next());
        let survives = Survives::pick(random);
        let all: BTreeMap<&Name, &Content> = self.deleted.iter().chain(&self.files).collect();
        let unsynced: Vec<Name> = all.keys().map(|name| **name).filter(|name| self.is_unsynced(name)).collect();
        for (name, content) in all {
            let is_there = match unsynced.iter().position(|unsynced| unsynced == name) {
                // What happened to it outlives the cut, or not.
                Some(at) => survives.does(at, unsynced.len(), random) == self.files.contains_key(name),
                None => self.files.contains_key(name),
            };
            if is_there {
                let mut content = content.clone();
                content.keep(random);
                content.seen.clone_from(&content.synced);
                after.synced_names.insert(*name, ());
                after.files.insert(*name, content);
            }
        }
        after
    }

    fn is_unsynced(&self, name: &Name) -> bool {
        self.files.contains_key(name) != self.synced_names.contains_key(name)
    }

    /// Whether the step fails.
    fn fault(&mut self) -> Result<(), Fault> {
        self.steps.all += 1;
        if self.fails > 0 && self.random.one_in(self.fails) {
            return Err(Fault(FAULTS[self.random.below(FAULTS.len())]));
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn list(&mut self) -> Result<Vec<File>, Fault> {
        self.fault()?;
        Ok(self.files().map(|(name, bytes)| File { name, length: bytes.len() as u64 }).collect())
    }

    fn create(&mut self, name: Name, length: u32) -> Result<(), Fault> {
        let fault = self.fault();
        self.steps.creates += 1;
        assert!(!self.files.contains_key(&name), "a name is used once");
        if self.files.len() >= self.most {
            return Err(Fault(FAULTS[0]));
        }
        if fault.is_ok() || self.random.one_in(2) {
            self.files.insert(name, Content { synced: Vec::new(), seen: vec![0; length as usize] });
        }
        fault
    }

    fn write(&mut self, name: Name, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let fault = self.fault();
        let part = if fault.is_ok() { bytes.len() } else { self.random.below(bytes.len() + 1) };
        let content = self.files.get_mut(&name).unwrap();
        let end = offset as usize + bytes.len();
        assert!(end <= content.seen.len(), "nothing is written behind the end");
        content.seen[offset as usize..][..part].copy_from_slice(&bytes[..part]);
        if self.counts_blocks {
            for block in offset as usize / 4096..=(end - 1) / 4096 {
                self.blocks_written.entry((name, block)).and_modify(|dirty| *dirty = true).or_insert_with(|| {
                    self.steps.first += 1;
                    true
                });
            }
        }
        fault
    }

    fn sync(&mut self, name: Name) -> Result<(), Fault> {
        let fault = self.fault();
        let mut random = self.random.clone();
        let content = self.files.get_mut(&name).unwrap();
        match fault {
            Ok(()) => content.synced.clone_from(&content.seen),
            Err(_) => content.keep(&mut random),
        }
        self.random = random;
        for ((file, _), dirty) in &mut self.blocks_written {
            self.steps.blocks += u64::from(*file == name && core::mem::take(dirty));
        }
        fault
    }

    fn sync_directory(&mut self) -> Result<(), Fault> {
        let fault = self.fault();
        let names: Vec<Name> = self.files.keys().chain(self.deleted.keys()).copied().collect();
        for name in names {
            if self.is_unsynced(&name) && (fault.is_ok() || self.random.one_in(2)) {
                if self.files.contains_key(&name) {
                    self.synced_names.insert(name, ());
                } else {
                    self.synced_names.remove(&name);
                    self.deleted.remove(&name);
                }
            }
        }
        fault
    }

    fn read(&mut self, name: Name, offset: u32, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.steps.reads += 1;
        self.fault()?;
        let rest = self.files.get(&name).unwrap().seen.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn delete(&mut self, name: Name) -> Result<(), Fault> {
        self.fault()?;
        if let Some(content) = self.files.remove(&name) {
            self.deleted.insert(name, content);
        }
        Ok(())
    }
}
