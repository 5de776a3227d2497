//! `--resume-timeout`: nobody waits for ever.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use fixtures::{machine, mount::wait_for, vault::Vault};

use crate::stand::{NEEDS, Stand, kill_all_servers};

/// How much longer than the second that was asked for it may take on a busy machine.
const SLACK: Duration = Duration::from_secs(9);

#[test]
fn waiting_readers_get_an_error_and_the_next_mount_works() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand =
        Stand::with(Vault::with("secret", vec![7; 100_000]).and("held", "h"), &["--resume-timeout", "1s"]);
    let (path, monitor) = (stand.place.join("secret"), stand.monitor);
    let held = File::open(stand.place.join("held")).expect("open");
    let failed = Arc::new(AtomicBool::new(false));
    let reader = {
        let (failed, path) = (Arc::clone(&failed), path.clone());
        thread::spawn(move || {
            loop {
                let start = Instant::now();
                match fs::read(&path) {
                    // Answered from what the kernel remembers, or by one that lived long enough.
                    Ok(bytes) => assert!(bytes == [7; 100_000]),
                    Err(error) => {
                        failed.store(true, Relaxed);
                        return (start.elapsed(), error);
                    }
                }
            }
        })
    };
    let killed = kill_all_servers(monitor, || failed.load(Relaxed));
    assert!(failed.load(Relaxed), "no reader was told, after {killed} deaths");
    let (waited, error) = reader.join().expect("no panic");
    assert!(waited < Duration::from_secs(1) + SLACK, "{waited:?}: {error}");

    wait_for("a mount that works", || fs::read(&path).is_ok_and(|bytes| bytes == [7; 100_000]));
    let late = held.read_at(&mut [0; 10], 0);
    assert!(late.is_err(), "what was open belongs to the mount that is gone");
    assert_eq!(stand.monitor, monitor);
}
