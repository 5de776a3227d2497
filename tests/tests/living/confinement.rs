//! What a server that serves may do, as `/proc` tells.

use std::{
    collections::BTreeMap,
    fs::{self, File},
};

use fixtures::{caller::Caller, machine, vault::Vault};

use crate::stand::{LARGE, NEEDS, Stand, pattern};

/// The capability to lock memory, which is kept where there is no other way to be allowed to.
const IPC_LOCK: u64 = 1 << 14;

/// Whether root may set its own limits here; not so in many containers.
fn may_lift_limits() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = u64::from_str_radix(held.expect("CapEff").trim(), 16).expect("capabilities");
    held & (1 << 24) != 0
}

#[test]
fn a_server_has_nothing_but_what_it_was_given() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(Vault::with("small", "s").and("large", pattern(1, LARGE)));
    assert_eq!(stand.read("small"), b"s");
    let server = stand.server().expect("a server").as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/{server}/status")).expect("status");
    let status: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    for key in ["Uid", "Gid"] {
        assert!(status[key].split_whitespace().all(|number| number != "0"), "{key} {}", status[key]);
    }
    assert_eq!(status["Groups"], "");
    for key in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let held = u64::from_str_radix(status[key], 16).expect("capabilities");
        assert!(held == 0 || (held == IPC_LOCK && !may_lift_limits()), "{key} {held:x}");
    }
    assert_eq!((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"));
    assert_ne!(status["VmLck"], "0 kB");
    assert_eq!(fs::read(format!("/proc/{server}/environ")).expect("environ"), b"");

    let descriptors = fs::read_dir(format!("/proc/{server}/fd")).expect("descriptors").flatten();
    for descriptor in descriptors {
        let target = fs::read_link(descriptor.path()).expect("a descriptor");
        let target = target.to_string_lossy();
        let given = ["/dev/fuse", "/dev/null", "socket:", "pipe:", "/#", "/memfd:", "anon_inode:"];
        assert!(given.iter().any(|start| target.starts_with(start)), "{target}");
    }

    let user: u32 = status["Uid"].split_whitespace().next().and_then(|uid| uid.parse().ok()).expect("a user");
    for file in ["mem", "environ", "maps"] {
        let path = format!("/proc/{server}/{file}");
        assert!(Caller::user(user).run(|| File::open(path)).is_err(), "{file} is open to the same user");
    }
}
