//! Reloads back to back: an open that meets one of them, or two, still works.
//!
//! `ODBOX_RELOADS=300` reloads more often.

use std::{
    env,
    fs::File,
    io::Read,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use fixtures::{
    machine,
    vault::{Vault, VaultBuilder},
};

use crate::stand::{NEEDS, Stand, pattern};

const READERS: usize = 8;

/// A file that each state changes.
fn state(number: u32) -> VaultBuilder {
    Vault::with("secret", [number.to_le_bytes().to_vec(), pattern(number, 3000)].concat())
}

/// Reads the file as it is now, and tells of which state it is.
fn read(path: &Path) -> Result<u32, String> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    let number = bytes.first_chunk().map(|number| u32::from_le_bytes(*number)).ok_or("nothing")?;
    if bytes[4..] == pattern(number, 3000) { Ok(number) } else { Err("other bytes".to_owned()) }
}

#[test]
fn back_to_back_fail_nobody_and_take_nobody_back() {
    if !machine::has(&NEEDS) {
        return;
    }
    let reloads = env::var("ODBOX_RELOADS").ok().and_then(|reloads| reloads.parse().ok()).unwrap_or(40);
    let stand = Stand::of(state(0));
    let path = stand.place.join("secret");
    let (stop, opens, problems) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut last = 0;
                while !stop.load(Relaxed) {
                    match read(&path) {
                        Ok(number) if number >= last => last = number,
                        seen => problems.lock().expect("a list").push(format!("{seen:?} after {last}")),
                    }
                    opens.fetch_add(1, Relaxed);
                }
            });
        }
        for number in 1..=reloads {
            stand.change(state(number));
            assert_eq!(read(&path), Ok(number), "a reload that is done holds for everybody");
        }
        stop.store(true, Relaxed);
    });
    let problems = problems.into_inner().expect("a list");
    println!("{reloads} reloads, {opens:?} opens, {} failed", problems.len());
    assert!(
        problems.is_empty(),
        "{} of {opens:?}: {:?}",
        problems.len(),
        &problems[..problems.len().min(10)]
    );
}
