//! What each role may do.

use std::os::unix::process::ExitStatusExt;

use crate::child::Confined;

const ROLES: [&str; 3] = ["server", "decryptor", "verifier"];

/// Of every role.
const ALWAYS: [&str; 8] = [
    "use memory",
    "use threads",
    "read descriptors",
    "pass descriptors",
    "map an object",
    "tell the time",
    "get random bytes",
    "panic",
];

/// Of some roles.
const SOME: [(&str, &[&str]); 3] = [
    ("create a memfd", &["decryptor", "verifier"]),
    ("create an object", &["decryptor"]),
    ("read the folder", &["verifier"]),
];

/// Of no role, and it takes Landlock to keep the verifier and the decryptor from it.
const NOWHERE_ELSE: [&str; 4] =
    ["open a file", "open a program's memory", "write by openat2", "create an object elsewhere"];

/// Of no role.
const NEVER: [&str; 16] = [
    "write in the folder",
    "create in the folder",
    "create a name in the store",
    "write to the object",
    "make a socket",
    "listen",
    "exec",
    "start a program",
    "be traced",
    "read a process",
    "mount",
    "become root",
    "gain capabilities",
    "be dumpable",
    "raise the core limit",
    "send a signal",
];

pub fn each_role_may_do_what_it_is_for() {
    for role in ROLES {
        let Some(mut child) = Confined::start(role) else { return };
        let some = SOME.iter().filter(|(_, roles)| roles.contains(&role)).map(|(attempt, _)| attempt);
        for attempt in ALWAYS.iter().chain(some) {
            assert_eq!(child.tries(attempt), Ok(()), "{role}: {attempt}; {}", child.greeting);
        }
    }
}

pub fn no_role_may_do_anything_else() {
    for role in ROLES {
        let Some(mut child) = Confined::start(role) else { return };
        let some = SOME.iter().filter(|(_, roles)| !roles.contains(&role)).map(|(attempt, _)| attempt);
        let landlock = !child.greeting.contains("landlock: None");
        let elsewhere = if landlock { NOWHERE_ELSE.as_slice() } else { &[] };
        for attempt in NEVER.iter().chain(elsewhere).chain(some) {
            let outcome = child.tries(attempt);
            // EBADF: the descriptor is for reading.
            let refused =
                |error: &String| error.starts_with("PermissionDenied") || error.contains("os error 9");
            assert!(outcome.as_ref().is_err_and(refused), "{role}: {attempt}: {outcome:?}");
        }
    }
}

/// Also the proof that the attempts of the others fail for their confinement and nothing else.
pub fn a_resolver_is_only_another_user() {
    let Some(mut child) = Confined::start("resolver") else { return };
    let allowed = ["open a file", "read the folder", "create in the folder", "create an object"];
    let also = ["create a memfd", "create a name in the store", "make a socket", "listen"];
    let system = ["start a program", "read a process", "send a signal", "be dumpable"];
    for attempt in ALWAYS.iter().chain(&allowed).chain(&also).chain(&system).chain(&NOWHERE_ELSE[2..]) {
        assert_eq!(child.tries(attempt), Ok(()), "{attempt}");
    }
    for attempt in ["become root", "gain capabilities", "raise the core limit", "mount"] {
        assert!(child.tries(attempt).is_err(), "{attempt}");
    }
}

pub fn ends_as_any_program_does() {
    for role in ROLES {
        let Some(child) = Confined::start(role) else { return };
        assert_eq!(child.ends("exit").code(), Some(7), "{role}");
        let child = Confined::start(role).expect("root");
        assert_eq!(child.ends("abort").signal(), Some(libc::SIGABRT), "{role}");
    }
}
