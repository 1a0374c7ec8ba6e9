//! A disk in memory for scenarios: nothing is lost on it, unless it is told to fail.

use std::collections::BTreeMap;

use firehose_connector::spool::format::Name;
use firehose_connector::spool::operation::{Fault, File, Storage};

/// The segments, and how the disk is.
#[derive(Debug, Default)]
pub struct Files {
    segments: BTreeMap<Name, Vec<u8>>,
    /// Every operation ends with this.
    pub fault: Option<Fault>,
    /// Bytes written since the start.
    pub written: usize,
}

impl Files {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    fn up(&self) -> Result<(), Fault> {
        self.fault.map_or(Ok(()), Err)
    }
}

impl Storage for Files {
    fn list(&mut self) -> Result<Vec<File>, Fault> {
        self.up()?;
        Ok(self.segments.iter().map(|(name, bytes)| File { name: *name, length: bytes.len() as u64 }).collect())
    }

    fn create(&mut self, name: Name, length: u32) -> Result<(), Fault> {
        self.up()?;
        self.segments.insert(name, vec![0; length as usize]);
        Ok(())
    }

    fn write(&mut self, name: Name, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.up()?;
        self.written += bytes.len();
        self.segments.get_mut(&name).unwrap()[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, _name: Name) -> Result<(), Fault> {
        self.up()
    }

    fn sync_directory(&mut self) -> Result<(), Fault> {
        self.up()
    }

    fn read(&mut self, name: Name, offset: u32, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.up()?;
        let bytes = &self.segments[&name][offset as usize..];
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn delete(&mut self, name: Name) -> Result<(), Fault> {
        self.up()?;
        self.segments.remove(&name);
        Ok(())
    }
}
