//! Where the plaintext is, as the kernel sees it.

use std::fs;

use vaultd::sys::memory::Residency;

use crate::stand::{file, generation, possible};

/// The lines of `/proc/self/smaps` about the mapping that holds `address`.
fn mapping(address: usize) -> String {
    let maps = fs::read_to_string("/proc/self/smaps").expect("smaps");
    let mut found = String::new();
    let mut inside = false;
    for line in maps.lines() {
        let range = line
            .split_once(' ')
            .and_then(|(range, _)| range.split_once('-'));
        let parse = |text: &str| usize::from_str_radix(text, 16).ok();
        if let Some((Some(start), Some(end))) = range.map(|(a, b)| (parse(a), parse(b))) {
            inside = (start..end).contains(&address);
        }
        if inside {
            found.push_str(line);
            found.push('\n');
        }
    }
    found
}

fn value<'a>(mapping: &'a str, key: &str) -> &'a str {
    let line = mapping.lines().find_map(|line| line.strip_prefix(key));
    line.expect("a field of smaps").trim()
}

#[test]
fn is_locked_undumpable_read_only_and_not_inherited() {
    if !possible() {
        return;
    }
    let generation = generation(&[file("secret", 0o400, vec![1; 100_000])]);
    let mapping = mapping(generation.arena().bytes().as_ptr() as usize);

    assert_eq!(generation.residency(), Residency::Locked);
    assert_eq!(
        value(&mapping, "Size:"),
        value(&mapping, "Rss:"),
        "{mapping}"
    );
    assert_ne!(value(&mapping, "Locked:"), "0 kB", "{mapping}");
    assert!(mapping.contains(" r--s "), "{mapping}");
    let flags: Vec<&str> = value(&mapping, "VmFlags:").split(' ').collect();
    for flag in ["lo", "dd", "dc"] {
        assert!(flags.contains(&flag), "{flag}: {mapping}");
    }
}

#[test]
fn errors_and_debug_output_show_no_plaintext() {
    if !possible() {
        return;
    }
    let generation = generation(&[file("secret", 0o400, "correct horse")]);
    let shown = format!("{generation:?}");
    assert!(
        !shown.contains("horse") && !shown.contains("99, 111, 114"),
        "{shown}"
    );
}
