//! Memory does not grow with the history, but for what is told of each step.

use std::{fmt::Write, fs, process::Stdio, thread, time::Duration};

use fixtures::{machine, vault::Vault};

use super::{NEEDS, scene::Repository};

const COMMITS: usize = 800;
/// Most KiB for each commit. What is told of one takes 3 here; a view of the repository for each left 15 to 23.
const FOR_EACH: usize = 8;

#[test]
fn a_long_history_takes_little_more_memory_than_a_short_one() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = (Repository::new(), Vault::with("token", "1").build());
    repository.put(&vault, "vault");
    repository.commit("2026-01-01", "a vault");
    let mut commits = String::new();
    for number in 0..COMMITS {
        let from = if number == 0 { "from refs/heads/main^0\n" } else { "" };
        let text = format!("note {number}\n");
        write!(
            commits,
            "commit refs/heads/main\ncommitter alice <alice@example.org> {} +0000\ndata 1\nx\n{from}\
             M 100644 inline vault/notes.txt\ndata {}\n{text}\n",
            1_770_000_000 + number,
            text.len()
        )
        .expect("a text");
    }
    repository.git(&["fast-import", "--quiet"]).input(commits).succeeds();
    let few = most_memory(&repository, &format!("main~{}..main", COMMITS / 8));
    let all = most_memory(&repository, &format!("main~{COMMITS}..main"));
    let grown = all.saturating_sub(few) / (COMMITS - COMMITS / 8);
    assert!(grown < FOR_EACH, "{few} KiB, then {all} KiB: {grown} for each commit");
}

/// The most that an audit held at once, in KiB, as the kernel says.
fn most_memory(repository: &Repository, range: &str) -> usize {
    let mut command = repository.audit(&["--json", range]).command();
    let mut audit = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("an audit");
    let status = format!("/proc/{}/status", audit.id());
    let mut most = 0;
    while audit.try_wait().expect("a process").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(now.unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(audit.wait().expect("a process").success() && most > 0);
    most
}
