//! Where a child stands: whom it runs as, and how strict it is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::process::{Gid, Uid};
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

use super::Role;
use crate::sys::confine::{Account, ConfineError, Confined, Confinement, confine};
use crate::sys::memory::Locking;

/// What every child is told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Station {
    user: u32,
    group: u32,
    locking: Locking,
}

impl Station {
    /// The user `name` of this machine, or numbers that nobody has.
    ///
    /// # Errors
    /// The users cannot be read.
    pub fn of_user(name: &str, locking: Locking) -> io::Result<Self> {
        Ok(Self::of(Account::of_service(name)?, locking))
    }

    /// Who makes the memory objects that the others read.
    #[must_use]
    pub fn of_decryptor(locking: Locking) -> Self {
        Self::of(Account::of_decryptor(), locking)
    }

    fn of(account: Account, locking: Locking) -> Self {
        Self { user: account.user.as_raw(), group: account.group.as_raw(), locking }
    }

    /// Who the children are.
    #[must_use]
    pub fn user(&self) -> Uid {
        Uid::from_raw(self.user)
    }

    /// What the children do where memory cannot be locked.
    #[must_use]
    pub fn locking(&self) -> Locking {
        self.locking
    }

    /// Confines this process, a child with one thread, for good. It may read below what is `readable`, and also
    /// write below what is `writable`.
    ///
    /// # Errors
    /// [`ConfineError`]: it must not go on.
    pub fn take(
        &self,
        role: Role,
        readable: Option<&impl AsFd>,
        writable: Option<&impl AsFd>,
    ) -> Result<Confined, ConfineError> {
        let account = Account { user: self.user(), group: Gid::from_raw(self.group) };
        // A vault may be root's alone: the verifier sees all of the folder that it is given.
        let kept = match role {
            Role::Verifier => CapabilitySet::DAC_READ_SEARCH,
            _ => CapabilitySet::empty(),
        };
        let readable: Vec<BorrowedFd<'_>> = readable.into_iter().map(AsFd::as_fd).collect();
        let writable: Vec<BorrowedFd<'_>> = writable.into_iter().map(AsFd::as_fd).collect();
        confine(&Confinement {
            role,
            account,
            kept,
            locking: self.locking,
            readable: &readable,
            writable: &writable,
        })
    }
}
