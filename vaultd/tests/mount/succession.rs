//! One server after the other, as on a kernel that sends nothing again.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::stand::{File, Stand, file};

const READERS: usize = 8;
const SERVERS: usize = 20;

#[test]
fn a_server_that_rests_leaves_nothing_unanswered() {
    let names: Vec<&str> = (0..500).map(|number| &*format!("{number:03}").leak()).collect();
    let files: Vec<File> = names.iter().map(|name| file(name, 0o444, *name)).collect();
    let Some(mut stand) = Stand::serving(&files) else { return };
    let (is_over, operations) = (AtomicBool::new(false), AtomicUsize::new(0));
    let root = stand.root().to_owned();
    thread::scope(|scope| {
        for reader in 0..READERS {
            let (names, root, is_over, operations) = (&names, &root, &is_over, &operations);
            scope.spawn(move || {
                for name in names.iter().cycle().skip(reader * 61) {
                    assert_eq!(fs::read(root.join(name)).expect(name), name.as_bytes());
                    assert!(fs::metadata(root.join(format!("no-{name}"))).is_err());
                    operations.fetch_add(1, Ordering::Relaxed);
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        for _ in 0..SERVERS {
            let before = operations.load(Ordering::Relaxed);
            stand.next_server();
            while operations.load(Ordering::Relaxed) < before + READERS {
                thread::yield_now();
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    stand.end();
}
