//! Which guarantees hold on this machine, tried out where that is possible.

mod kernel;
mod machine;

use serde::Serialize;

/// A guarantee that not every machine gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// Its name, for programs too.
    pub name: &'static str,
    /// Whether it holds; unknown where only root can tell, or nobody.
    pub holds: Option<bool>,
    /// What was found.
    pub found: String,
    /// What it is for.
    pub purpose: &'static str,
    /// What vaultd does, or what is to be feared, where it does not hold.
    pub without: &'static str,
}

/// What a look at the machine told.
pub(super) struct Finding {
    holds: Option<bool>,
    found: String,
}

impl Finding {
    fn new(holds: bool, found: impl Into<String>) -> Self {
        Self { holds: Some(holds), found: found.into() }
    }

    fn unknown(found: impl Into<String>) -> Self {
        Self { holds: None, found: found.into() }
    }

    fn named(self, name: &'static str, purpose: &'static str, without: &'static str) -> Feature {
        Feature { name, holds: self.holds, found: self.found, purpose, without }
    }
}

/// All features, in the order of what they protect from. Changes nothing on the machine.
#[must_use]
pub fn all() -> Vec<Feature> {
    let fuse = kernel::fuse();
    vec![
        kernel::no_swap().named(
            "noswap",
            "plaintext stays out of swap and is served on when a process dies",
            "memory is locked instead, and a dead monitor ends the mount",
        ),
        kernel::memory_lock().named(
            "memory-lock",
            "memory of the processes with plaintext is never swapped",
            "vaultd refuses to serve, unless --allow-swappable",
        ),
        fuse.resend().named(
            "resend",
            "readers notice nothing when the server is killed",
            "readers in flight get an error, never a hang",
        ),
        fuse.passthrough().named(
            "passthrough",
            "large files are read at the speed of tmpfs",
            "the server answers each read",
        ),
        kernel::landlock().named(
            "landlock",
            "the processes that handle the vault reach no other file",
            "the permissions of their user and a list of system calls remain",
        ),
        kernel::seccomp().named(
            "seccomp",
            "each process makes only the system calls that it needs",
            "vaultd refuses to serve",
        ),
        machine::init_on_free().named(
            "init-on-free",
            "the kernel wipes each page that it frees",
            "vaultd wipes what it knows of, not the kernel's copies; boot with init_on_free=1",
        ),
        machine::no_hibernation().named(
            "no-hibernation",
            "memory is never written to disk as a whole",
            "a hibernation image holds plaintext; boot with nohibernate",
        ),
        machine::no_kdump().named(
            "no-kdump",
            "a crash of the kernel writes no memory to disk",
            "a crash dump holds plaintext; unload kdump",
        ),
        machine::safe_swap().named(
            "safe-swap",
            "what consumers make of a secret does not reach a disk in the clear",
            "vaultd's own memory is safe, the consumers' is not; encrypt swap or switch it off",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::all;
    use fixtures::machine::{Need, has};

    fn holds(name: &str) -> Option<bool> {
        all().into_iter().find(|feature| feature.name == name).expect("a feature").holds
    }

    /// Linux `major.minor` or later.
    fn kernel_is(wanted: (u32, u32)) -> bool {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
    }

    #[test]
    fn is_found_where_the_kernel_is_new_enough_and_nowhere_else() {
        if !has(&[Need::Root, Need::Fuse]) {
            return;
        }
        for (name, since) in [("noswap", (6, 4)), ("resend", (6, 9)), ("passthrough", (6, 9))] {
            // A kernel may be built without passthrough, or a container keep us from noswap.
            assert!(holds(name) != Some(true) || kernel_is(since), "{name}");
        }
        assert_eq!(holds("resend"), Some(kernel_is((6, 9))));
        assert_eq!(holds("seccomp"), Some(true));
    }

    #[test]
    fn trying_restricts_nobody() {
        let _ = all();
        assert!(std::fs::File::open("/proc/self/status").is_ok());
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("status");
        assert!(status.contains("\nSeccomp:\t0\n"), "{status}");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().into_iter().map(|feature| feature.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
