//! A value too long for a message, in a sealed memory object (memfd_create(2)). Never plaintext.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes `value` down for another process, which cannot change it any more.
///
/// # Errors
/// There is no memory for it.
pub fn write(name: &str, value: &impl Serialize) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut writer = BufWriter::new(File::from(rustix::fs::memfd_create(name, flags)?));
    serde_json::to_writer(&mut writer, value)?;
    let object = OwnedFd::from(writer.into_inner().map_err(io::IntoInnerError::into_error)?);
    rustix::fs::fcntl_add_seals(
        &object,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(object)
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
