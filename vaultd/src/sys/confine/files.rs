//! Landlock (landlock(7)): no access to files but beneath given descriptors, no TCP, no signals
//! or abstract sockets out of the process. As much of it as the kernel has.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

/// The newest rules that were tried.
const TRIED: ABI = ABI::V7;

/// Restricts the calling thread; the version of the rules that hold from now on.
pub(super) fn restrict(
    readable: &[BorrowedFd<'_>],
    writable: &[BorrowedFd<'_>],
) -> Result<Option<u32>, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read | AccessFs::WriteFile | AccessFs::Truncate;
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(TRIED))?
        .handle_access(AccessNet::from_all(TRIED))?
        .scope(Scope::from_all(TRIED))?
        .create()?;
    let rules = allow(rules, readable, read)?;
    let status = allow(rules, writable, write)?.restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => Some(effective_abi.min(TRIED) as u32),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
    })
}

fn allow(
    rules: RulesetCreated,
    folders: &[BorrowedFd<'_>],
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    folders.iter().try_fold(rules, |rules, folder| rules.add_rule(PathBeneath::new(folder, access)))
}
