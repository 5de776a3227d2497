//! What the kernel says of a confined process.

use rustix::process::Resource;
use rustix::thread::CapabilitySet;

use crate::child::Confined;

const ROLES: [&str; 4] = ["server", "decryptor", "verifier", "resolver"];
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
/// CAP_DAC_READ_SEARCH.
const READING: &str = "0000000000000004";
/// CAP_IPC_LOCK.
const LOCKING: &str = "0000000000004000";
const NONE: &str = "0000000000000000";

/// Whether this machine lets us lock memory without a limit, so that no capability is needed for it.
fn unlimited() -> bool {
    let capabilities = rustix::thread::capabilities(None).expect("capabilities").effective;
    let limit = rustix::process::getrlimit(Resource::Memlock).current;
    limit.is_none() || capabilities.contains(CapabilitySet::SYS_RESOURCE)
}

pub fn nothing_is_left_of_root() {
    for role in ROLES {
        let Some(child) = Confined::start(role) else { return };
        for key in ["Uid", "Gid"] {
            assert_eq!(child.status(key), "61042\t61042\t61042\t61042", "{role}: {key}");
        }
        assert_eq!(child.status("Groups"), "", "{role}");
        let locked = matches!(role, "server" | "decryptor");
        for set in SETS {
            let locks = locked && !unlimited() && matches!(set, "CapPrm" | "CapEff" | "CapBnd");
            assert_eq!(child.status(set), if locks { LOCKING } else { NONE }, "{role}: {set}");
        }
        assert_eq!(child.status("NoNewPrivs"), "1", "{role}");
        let filtered = if role == "resolver" { "0" } else { "2" };
        assert_eq!(child.status("Seccomp"), filtered, "{role}");
        assert_eq!(child.status("VmLck") != "0 kB", locked, "{role}");
    }
}

pub fn keeps_exactly_what_it_is_told_to() {
    let Some(child) = Confined::start("reading verifier") else { return };
    for set in SETS {
        let expected = if matches!(set, "CapPrm" | "CapEff" | "CapBnd") { READING } else { NONE };
        assert_eq!(child.status(set), expected, "{set}");
    }
}

pub fn is_refused_to_several_threads() {
    let Some(child) = Confined::start("threads") else { return };
    assert_eq!(child.greeting, "cannot confine a process of 2 threads");
}
