//! A value too long for a message, in a sealed memory object (memfd_create(2)). Never plaintext.
//!
//! Between the processes of one mount, which are all the same program, it is written in binary (postcard); for
//! commands, which may be of another version than the monitor, in JSON.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::snapshot;
use crate::sys::mapping::Mapping;

/// Longest value in bytes: a thousand for each of as many files as a lock can name.
const MAX_BLOB: usize = 1 << 30;

/// Writes `value` down for another process of this mount, which cannot change it any more.
///
/// # Errors
/// There is no memory for it.
pub fn write(name: &str, value: &impl Serialize) -> io::Result<OwnedFd> {
    let bytes = postcard::to_stdvec(value).map_err(io::Error::other)?;
    object(name, |writer| writer.write_all(&bytes))
}

/// As [`write()`], for a command.
///
/// # Errors
/// There is no memory for it.
pub fn write_json(name: &str, value: &impl Serialize) -> io::Result<OwnedFd> {
    object(name, |writer| Ok(serde_json::to_writer(writer, value)?))
}

fn object(name: &str, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut writer = BufWriter::new(File::from(rustix::fs::memfd_create(name, flags)?));
    write(&mut writer)?;
    let object = OwnedFd::from(writer.into_inner().map_err(io::IntoInnerError::into_error)?);
    rustix::fs::fcntl_add_seals(
        &object,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(object)
}

/// Reads what [`write()`] wrote. The object's position is neither used nor changed: other processes share it, and may
/// read at the same time.
///
/// # Errors
/// It holds something else, or is no memory object that nobody can change any more.
pub fn read<T: DeserializeOwned>(object: &OwnedFd) -> io::Result<T> {
    let bytes = sealed(object)?;
    match postcard::take_from_bytes(bytes.bytes()) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a memory object is longer than its value")),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

/// Reads what [`write_json`] wrote, as [`read`].
///
/// # Errors
/// As [`read`].
pub fn read_json<T: DeserializeOwned>(object: &OwnedFd) -> io::Result<T> {
    Ok(serde_json::from_slice(sealed(object)?.bytes())?)
}

/// The bytes of an object that nobody can change any more.
fn sealed(object: &OwnedFd) -> io::Result<Mapping> {
    // A child may hand over anything: a pipe that never ends, or a file that is cut off while it is mapped.
    if !snapshot::is_sealed(object)? {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a memory object is not sealed"));
    }
    let bytes = Mapping::whole(object).map_err(io::Error::other)?;
    if bytes.bytes().len() > MAX_BLOB {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a memory object is too long"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Barrier;
    use std::thread;

    use rustix::fs::MemfdFlags;

    use super::{Write, read, write};

    #[test]
    fn is_read_by_several_at_the_same_time() {
        let numbers: Vec<u64> = (0..100_000).collect();
        let object = write("numbers", &numbers).expect("an object");
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let same = object.try_clone().expect("a duplicate");
                    start.wait();
                    assert_eq!(read::<Vec<u64>>(&same).expect("numbers"), numbers);
                });
            }
        });
    }

    #[test]
    fn is_refused_while_somebody_could_change_it() {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut open = File::from(rustix::fs::memfd_create("open", flags).expect("an object"));
        open.write_all(b"7").expect("written");
        assert!(read::<u8>(&OwnedFd::from(open)).is_err());
        let two = write("two", &[7_u8, 8]).expect("an object");
        assert_eq!(read::<[u8; 2]>(&two).expect("both"), [7, 8]);
        assert!(read::<u8>(&two).is_err(), "there is more");
        let (reader, _writer) = UnixStream::pair().expect("a pair");
        assert!(read::<u8>(&OwnedFd::from(reader)).is_err());
    }
}
