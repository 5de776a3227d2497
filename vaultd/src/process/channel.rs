//! Messages and descriptors between two processes (unix(7), `SOCK_SEQPACKET`).
//!
//! One packet is one message. Messages are small; what is long travels as a [blob](super::blob).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg,
    sendmsg, shutdown, socket_with, socketpair, sockopt,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest message in bytes.
const MAX_MESSAGE: usize = 64 * 1024;

/// Most descriptors in one packet; the kernel's limit is 253 (`SCM_MAX_FD`).
const MAX_DESCRIPTORS: usize = 128;

/// Most descriptors that belong to one message: some generations, each with some hundred objects.
const MAX_ALL_DESCRIPTORS: usize = 32 * 1024;

/// A packet: the message, and how many descriptors come with it, in this packet and in those after it.
#[derive(Serialize, Deserialize)]
struct Packet<M> {
    descriptors: usize,
    message: M,
}

/// One end of a connection between two processes.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// One to whoever listens at that path.
    ///
    /// # Errors
    /// Nobody does.
    pub fn connect(path: &str) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Self(socket))
    }

    /// Two ends.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
    }

    /// The end that a child was started with.
    ///
    /// # Errors
    /// Standard input is closed.
    pub fn of_child() -> io::Result<Self> {
        Ok(Self(io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// The same end once more.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn duplicate(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Waits at most this long for a packet, from now on.
    ///
    /// # Errors
    /// This is no socket.
    pub fn wait_at_most(&self, limit: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_timeout(&self.0, sockopt::Timeout::Recv, limit)?)
    }

    /// Waits at most this long for the other end to make room for what is sent, from now on.
    ///
    /// # Errors
    /// This is no socket.
    pub fn push_at_most(&self, limit: Duration) -> io::Result<()> {
        Ok(sockopt::set_socket_timeout(&self.0, sockopt::Timeout::Send, Some(limit))?)
    }

    /// Ends the connection for everybody who has a duplicate of either end: who waits for a packet gets none.
    pub fn hang_up(&self) {
        // It fails where the other end is gone, and the connection with it.
        let _ = shutdown(&self.0, Shutdown::Both);
    }

    /// Sends a message and duplicates of `descriptors`.
    ///
    /// # Errors
    /// The other end is closed, or the message is too long.
    pub fn send(&self, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let packet = serde_json::to_vec(&Packet { descriptors: descriptors.len(), message })?;
        if packet.len() > MAX_MESSAGE || descriptors.len() > MAX_ALL_DESCRIPTORS {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"));
        }
        let mut parts = descriptors.chunks(MAX_DESCRIPTORS);
        self.send_packet(&packet, parts.next().unwrap_or_default())?;
        parts.try_for_each(|part| self.send_packet(b"+", part))
    }

    fn send_packet(&self, packet: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // A dead reader is an error here, not a signal to all of this process.
        sendmsg(&self.0, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for a message and its descriptors; nothing when the other end is closed.
    ///
    /// # Errors
    /// The packet is not what was expected, or none came in time.
    pub fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let mut received = Vec::new();
        let length = self.receive_packet(&mut buffer, &mut received)?;
        if length == 0 {
            return Ok(None);
        }
        let packet: Packet<M> = serde_json::from_slice(&buffer[..length])?;
        if packet.descriptors > MAX_ALL_DESCRIPTORS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while received.len() < packet.descriptors {
            let before = received.len();
            if self.receive_packet(&mut buffer, &mut received)? == 0 || received.len() == before {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Some((packet.message, received)))
    }

    fn receive_packet(&self, buffer: &mut [u8], received: &mut Vec<OwnedFd>) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(buffer)];
        let packet = loop {
            match recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                outcome => break outcome?,
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                received.extend(descriptors);
            }
        }
        if packet.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message was cut off"));
        }
        Ok(packet.bytes)
    }

    /// Sends bytes as they are, as one packet.
    ///
    /// # Errors
    /// The other end is closed.
    pub fn send_raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_packet(bytes, &[])
    }

    /// Waits for one packet and gives its bytes as they are; nothing when the other end is closed.
    ///
    /// # Errors
    /// It is longer than a message may be, or did not come in time.
    pub fn receive_raw(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let length = self.receive_packet(&mut buffer, &mut Vec::new())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl From<OwnedFd> for Channel {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::thread;
    use std::time::Duration;

    use super::{Channel, MAX_MESSAGE};

    #[test]
    fn carries_messages_and_many_descriptors() {
        let (one, other) = Channel::pair().expect("a pair");
        let files: Vec<File> = (0..300).map(|_| File::open("/dev/null").expect("a file")).collect();
        let descriptors: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        thread::scope(|scope| {
            scope.spawn(|| one.send(&("hello", 7), &descriptors).expect("sent"));
            let (message, received) = other.receive::<(String, u8)>().expect("a message").expect("some");
            assert_eq!(message, ("hello".to_owned(), 7));
            assert_eq!(received.len(), 300);
        });
    }

    #[test]
    fn tells_the_end_from_an_error() {
        let (one, other) = Channel::pair().expect("a pair");
        one.send_raw(b"{").expect("sent");
        assert!(other.receive::<u8>().is_err());
        drop(one);
        assert!(other.receive::<u8>().expect("the end").is_none());
        assert!(other.send(&1, &[]).is_err());
    }

    #[test]
    fn nobody_waits_for_one_who_does_not_listen() {
        let (one, other) = Channel::pair().expect("a pair");
        one.push_at_most(Duration::from_millis(10)).expect("a limit");
        let full = (0..100_000).find_map(|_| one.send(&"x".repeat(10_000), &[]).err());
        assert_eq!(full.expect("a full socket").kind(), std::io::ErrorKind::WouldBlock);
        thread::scope(|scope| {
            let (waiting, end) = Channel::pair().expect("a pair");
            let waiting = scope.spawn(move || waiting.receive::<u8>().expect("the end").is_none());
            end.hang_up();
            assert!(waiting.join().expect("no panic"));
        });
        drop(other);
    }

    #[test]
    fn refuses_what_is_too_long() {
        let (one, _other) = Channel::pair().expect("a pair");
        assert!(one.send(&"x".repeat(MAX_MESSAGE), &[]).is_err());
    }
}
