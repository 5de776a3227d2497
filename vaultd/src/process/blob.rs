//! A value too long for a message, in a sealed memory object (memfd_create(2)). Never plaintext.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::os::fd::OwnedFd;

use memfd::{FileSeal, MemfdOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes `value` down for another process, which cannot change it any more.
///
/// # Errors
/// There is no memory for it.
pub fn write(name: &str, value: &impl Serialize) -> io::Result<OwnedFd> {
    let object = MemfdOptions::default().allow_sealing(true).create(name).map_err(io::Error::other)?;
    let mut writer = BufWriter::new(object.as_file());
    serde_json::to_writer(&mut writer, value)?;
    writer.flush()?;
    drop(writer);
    let seals = [FileSeal::SealWrite, FileSeal::SealShrink, FileSeal::SealGrow, FileSeal::SealSeal];
    object.add_seals(&seals).map_err(io::Error::other)?;
    Ok(object.into_file().into())
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// It holds something else.
pub fn read<T: DeserializeOwned>(object: OwnedFd) -> io::Result<T> {
    // Whoever has a duplicate of it shares the offset.
    let mut file = File::from(object);
    file.rewind()?;
    Ok(serde_json::from_reader(BufReader::new(file))?)
}
