//! Opens that meet switches.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fuser::Errno;
use vault_format::Digest;

use super::{Attempts, Doorkeeper, Handles, Served, View};
use crate::configuration::Record;
use crate::generation::index::Entry;
use crate::generation::{Content, Facts, Generation, Index};
use crate::sys::mapping::Mapping;

/// What becomes of nothing within this time was not to be.
const WHILE: Duration = Duration::from_millis(300);

/// A generation with one file, whose bytes are not of interest.
fn generation(number: u64, before: Option<&Generation>) -> Arc<Generation> {
    let entry = Entry {
        path: "file".to_owned(),
        facts: Facts { owner: 0, group: 0, mode: 0o400, modified: SystemTime::UNIX_EPOCH },
        services: Arc::default(),
        content: Content { object: 0, span: 0..1, digest: Digest::of(&number.to_ne_bytes()) },
    };
    let mut index = Index::grow(&[entry]).expect("a tree");
    if let Some(before) = before {
        index.follow(before.index(), &HashMap::new()).expect("numbers");
    }
    let object = tempfile::tempfile().expect("an object");
    object.set_len(1).expect("a byte");
    let object = Arc::new(Mapping::whole(&object.into()).expect("a mapping"));
    Arc::new(Generation::open(number, index, vec![object], vec![None]).expect("a generation"))
}

fn file(generation: &Generation) -> u64 {
    generation.index().at("file").expect("a file").number
}

fn served(first: &Arc<Generation>) -> Served {
    let object = || tempfile::tempfile().expect("an object");
    let view = View::of(vec![Arc::clone(first)]).expect("a view");
    let handles = Handles::take_over(object()).expect("handles");
    let attempts = Attempts::take_over(object()).expect("attempts");
    // Nobody is asked.
    let lines = [object().into(), object().into(), object().into()];
    let doorkeeper = Doorkeeper::new(lines, Record::Off);
    Served::new(view, handles, attempts, doorkeeper, mpsc::channel().0)
}

/// Three states, and a server that shows the second one, to which somebody came with a number of the first.
fn refused_once() -> (Served, [Arc<Generation>; 3]) {
    let first = generation(1, None);
    let second = generation(2, Some(&first));
    let third = generation(3, Some(&second));
    let served = served(&first);
    served.switch_to(&second);
    assert!(matches!(served.open(7, 100, file(&first)), Err(Errno::ESTALE)));
    (served, [first, second, third])
}

#[test]
fn an_open_meets_one_switch_not_two() {
    let (served, [_, second, third]) = refused_once();
    thread::scope(|scope| {
        let start = Instant::now();
        let switch = scope.spawn(|| served.switch_to(&third));
        while start.elapsed() < WHILE {
            assert_eq!(served.view().current().number(), 2, "somebody tries again");
            thread::sleep(Duration::from_millis(5));
        }
        served.open(8, 101, file(&second)).expect("somebody else, who has no part in it");
        assert!(!switch.is_finished());
        served.open(7, 102, file(&second)).expect("the second try");
        switch.join().expect("no panic");
    });
    assert_eq!(served.view().current().number(), 3);
}

#[test]
fn who_never_tries_again_delays_a_switch_and_no_more() {
    let (served, [_, _, third]) = refused_once();
    served.switch_to(&third);
    assert_eq!(served.view().current().number(), 3);
}

#[test]
fn who_keeps_coming_with_what_is_gone_stops_no_switch() {
    let (served, [first, second, third]) = refused_once();
    // The second time it was the kernel's last.
    assert!(matches!(served.open(7, 101, file(&first)), Err(Errno::ESTALE)));
    let start = Instant::now();
    served.switch_to(&third);
    assert!(start.elapsed() < WHILE, "nobody is waited for");
    thread::scope(|scope| {
        let switch = scope.spawn(|| served.switch_to(&generation(4, Some(&third))));
        // Others all the time, as who opens /proc/self/fd/N again and again.
        for thread in 10.. {
            let _ = served.open(thread, thread.into(), file(&second));
            if switch.is_finished() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(served.view().current().number(), 4);
}
