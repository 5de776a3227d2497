//! The system calls of each role (seccomp(2)): a list of what is allowed.
//!
//! What is not on the list fails with EPERM, and the process goes on. Libraries probe: the
//! allocator and the standard library look into `/proc` and `/sys` and do without when they may
//! not. Ending the process instead would turn each such probe of a later version into a server
//! that never comes up, and gains nothing: a refused call has no effect either way. Calls of
//! another architecture end the process.

use std::collections::BTreeMap;

use libc::{SYS_clone, SYS_clone3, SYS_fcntl, SYS_mmap, SYS_mprotect, SYS_newfstatat, SYS_openat};
use libc::{SYS_prctl, SYS_prlimit64, SYS_statx, SYS_tgkill};
use libc::{c_int, c_long};
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::Role;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// Work on memory, threads and descriptors that are there.
const EVERYBODY: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Making memory objects.
const CREATING: &[c_long] =
    &[libc::SYS_fallocate, libc::SYS_fchmod, libc::SYS_ftruncate, libc::SYS_memfd_create];

/// Reading files. The flags of openat2(2) cannot be seen from here; Landlock sees what it opens.
const READING: &[c_long] = &[
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_newfstatat,
    libc::SYS_openat2,
    libc::SYS_readlinkat,
    libc::SYS_statfs,
    libc::SYS_statx,
];

/// What fcntl(2) may do: nothing that sends signals.
const DESCRIPTORS: &[c_int] =
    &[libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_GETFL, libc::F_GET_SEALS, libc::F_SETFD, libc::F_SETFL];

/// What prctl(2) may do: naming threads and memory. Nothing undoes what was given up.
const NAMING: &[c_int] = &[libc::PR_GET_NAME, libc::PR_SET_NAME, libc::PR_SET_VMA];

/// Restricts the calling thread and all that it will start to the calls of its role.
pub fn restrict(role: Role) -> Result<(), Error> {
    // Before the list, which does not allow to restrict any further.
    install(BTreeMap::from([(SYS_clone3, Vec::new())]), SeccompAction::Allow, no_such_call())?;
    install(rules(role)?, SeccompAction::Errno(bits(libc::EPERM)), SeccompAction::Allow)
}

/// For clone3(2), whose flags no filter can see: the C library then uses clone(2).
fn no_such_call() -> SeccompAction {
    SeccompAction::Errno(bits(libc::ENOSYS))
}

fn install(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> Result<(), Error> {
    let filter = SeccompFilter::new(rules, otherwise, listed, ARCHITECTURE)?;
    seccompiler::apply_filter(&seccompiler::BpfProgram::try_from(filter)?)
}

fn rules(role: Role) -> Result<Rules, Error> {
    let mut rules = everybody()?;
    let mut allow = |calls: &[c_long]| rules.extend(calls.iter().map(|call| (*call, Vec::new())));
    match role {
        // A resolver and an opener are not restricted at all, so this is stricter than they need.
        Role::Resolver | Role::Opener => {}
        Role::Forgetter => {
            allow(CREATING);
            rules.entry(SYS_fcntl).or_default().push(argument(1, libc::F_ADD_SEALS)?);
        }
        // It shows that it lives.
        Role::Server => rules.entry(SYS_fcntl).or_default().push(argument(1, libc::F_SETLK)?),
        Role::Decryptor => {
            allow(CREATING);
            // Unnamed files and nothing else, also where there is no Landlock.
            rules.insert(SYS_openat, vec![flags(2, libc::O_TMPFILE, libc::O_TMPFILE)?]);
            rules.entry(SYS_fcntl).or_default().push(argument(1, libc::F_ADD_SEALS)?);
        }
        Role::Verifier => {
            allow(CREATING);
            allow(READING);
            let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
            rules.insert(SYS_openat, vec![flags(2, writing, libc::O_RDONLY)?]);
            rules.entry(SYS_fcntl).or_default().push(argument(1, libc::F_ADD_SEALS)?);
        }
    }
    Ok(rules)
}

fn everybody() -> Result<Rules, Error> {
    let mut rules: Rules = EVERYBODY.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(SYS_clone3, Vec::new());
    rules.insert(SYS_clone, vec![flags(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?]);
    // No code but that of the program.
    for call in [SYS_mmap, SYS_mprotect] {
        rules.insert(call, vec![flags(2, libc::PROT_EXEC, 0)?]);
    }
    // Descriptors, not paths.
    rules.insert(SYS_newfstatat, vec![flags(3, libc::AT_EMPTY_PATH, libc::AT_EMPTY_PATH)?]);
    rules.insert(SYS_statx, vec![flags(2, libc::AT_EMPTY_PATH, libc::AT_EMPTY_PATH)?]);
    rules.insert(SYS_fcntl, any_of(1, DESCRIPTORS)?);
    rules.insert(SYS_prctl, any_of(0, NAMING)?);
    // Its own limits, and to read only.
    let own = vec![condition(0, Dword, Eq, 0)?, condition(2, Qword, Eq, 0)?];
    rules.insert(SYS_prlimit64, vec![SeccompRule::new(own)?]);
    // abort(3) signals itself.
    let myself = rustix::process::getpid().as_raw_pid();
    rules.insert(SYS_tgkill, vec![argument(0, myself)?]);
    Ok(rules)
}

fn any_of(index: u8, values: &[c_int]) -> Result<Vec<SeccompRule>, Error> {
    values.iter().map(|value| argument(index, *value)).collect()
}

/// Argument `index` is `value`.
fn argument(index: u8, value: c_int) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(vec![condition(index, Dword, Eq, value)?])?)
}

/// Of the bits `mask` in argument `index`, exactly those of `value` are set.
fn flags(index: u8, mask: c_int, value: c_int) -> Result<SeccompRule, Error> {
    let comparison = MaskedEq(u64::from(bits(mask)));
    Ok(SeccompRule::new(vec![condition(index, Dword, comparison, value)?])?)
}

fn condition(
    index: u8,
    length: SeccompCmpArgLen,
    comparison: SeccompCmpOp,
    value: c_int,
) -> Result<SeccompCondition, Error> {
    Ok(SeccompCondition::new(index, length, comparison, u64::from(bits(value)))?)
}

/// C's constants are signed, what the kernel compares is not.
fn bits(value: c_int) -> u32 {
    u32::from_ne_bytes(value.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Role, restrict, rules};
    use std::io;
    use std::thread;

    /// What would let a process out, each for itself.
    const NEVER: &[libc::c_long] = &[
        libc::SYS_bpf,
        libc::SYS_capset,
        libc::SYS_chroot,
        libc::SYS_connect,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_fchmodat,
        libc::SYS_fchown,
        libc::SYS_io_uring_setup,
        libc::SYS_ioctl,
        libc::SYS_keyctl,
        libc::SYS_kill,
        libc::SYS_landlock_restrict_self,
        libc::SYS_linkat,
        libc::SYS_mount,
        libc::SYS_move_mount,
        libc::SYS_munlockall,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_open_tree,
        libc::SYS_perf_event_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_ptrace,
        libc::SYS_renameat2,
        libc::SYS_seccomp,
        libc::SYS_setns,
        libc::SYS_setresuid,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_tkill,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
    ];

    #[test]
    fn nothing_dangerous_is_on_any_list() {
        for role in [Role::Server, Role::Forgetter, Role::Decryptor, Role::Verifier] {
            let rules = rules(role).expect("rules");
            for call in NEVER {
                assert!(!rules.contains_key(call), "{role:?} may make call {call}");
            }
        }
    }

    #[test]
    fn a_server_opens_nothing() {
        let rules = rules(Role::Server).expect("rules");
        for call in [libc::SYS_openat, libc::SYS_openat2, libc::SYS_memfd_create, libc::SYS_getdents64] {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }

    /// The error of a call that a server makes; filters are each thread's own.
    fn error_of(call: fn() -> libc::c_long) -> Option<i32> {
        let server = thread::spawn(move || {
            restrict(Role::Server).expect("a filter");
            (call() == -1).then(|| io::Error::last_os_error().raw_os_error()).flatten()
        });
        server.join().expect("a thread")
    }

    #[test]
    fn there_is_no_second_process_and_no_new_code() {
        // SAFETY: refused before anything happens; were it not, the child would end at once.
        let fork = || unsafe {
            match libc::fork() {
                0 => libc::_exit(0),
                outcome => outcome.into(),
            }
        };
        assert_eq!(error_of(fork), Some(libc::EPERM));
        // SAFETY: refused before anything happens; were it not, the null pointer would be EFAULT.
        let clone3 = || unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<u8>(), 0) };
        assert_eq!(error_of(clone3), Some(libc::ENOSYS));
        let map = || {
            let (protection, flags) =
                (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new mapping at an address that the kernel picks; it is never used.
            unsafe { libc::mmap(std::ptr::null_mut(), 1, protection, flags, -1, 0) as libc::c_long }
        };
        assert_eq!(error_of(map), Some(libc::EPERM));
    }
}
