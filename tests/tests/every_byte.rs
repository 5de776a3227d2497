//! Every byte of every file of a vault flipped: `verify` against a list of signers from outside names
//! the file and exits with 1.
//!
//! A process for each byte would take too long: every byte is judged by the function that `verify`
//! calls, in memory where the machine has `/dev/shm`, and some of each file by the program itself.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use fixtures::{sample::Sample, tree};
use vault_format::{
    LOCK_FILE, SIGNATURE_FILE, VaultFolder, report,
    signature::SignatureError,
    signers::AllowedSigners,
    verify,
    verify::{Problem, Unsound},
};

const MEMORY: &str = "/dev/shm";
/// How a byte is changed: one bit of it, and all.
const FLIPS: [u8; 2] = [0x01, 0xff];

/// One byte of a file changed.
#[derive(Clone, Copy)]
struct Flip<'a> {
    file: &'a str,
    at: usize,
    mask: u8,
}

/// Whether `verify` names this file and nothing else.
fn names(unsound: &Unsound, file: &str) -> bool {
    match (unsound.problems(), file) {
        ([Problem::Signature(SignatureError::Mismatch)], LOCK_FILE) => true,
        // In whatever way the signature is broken, the text names its file.
        ([problem @ Problem::Signature(_)], SIGNATURE_FILE) => report::render(problem).contains(file),
        ([Problem::Changed(path)], _) => path == file,
        _ => false,
    }
}

/// A folder in memory if there is such a place, else where temporary files go.
fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in(MEMORY).unwrap_or_else(|_| tree::folder())
}

/// Judges one share of the flips in a copy of the vault of its own.
fn judge<'a>(sample: &Sample, trusted: &AllowedSigners, flips: impl Iterator<Item = Flip<'a>>) -> usize {
    let place = quick_folder();
    let copy = place.path().join("vault");
    tree::copy(&sample.vault.path(), &copy);
    let verdict = || verify(&VaultFolder::open(&copy).expect("a vault"), trusted, |_, _| false);
    let mut count = 0;
    for Flip { file, at, mask } in flips {
        let opened = File::options().read(true).write(true).open(copy.join(file)).expect("a file");
        let (mut byte, offset) = ([0], u64::try_from(at).expect("an offset"));
        opened.read_exact_at(&mut byte, offset).expect("a byte");
        opened.write_all_at(&[byte[0] ^ mask], offset).expect("another byte");
        match verdict() {
            Err(unsound) if names(&unsound, file) => count += 1,
            Err(unsound) => panic!("byte {at} of {file} ^ {mask}: {:?}", unsound.problems()),
            Ok(_) => panic!("byte {at} of {file} ^ {mask} was not noticed"),
        }
        opened.write_all_at(&byte, offset).expect("the byte as it was");
    }
    assert!(verdict().is_ok(), "the copy is not as it was");
    count
}

#[test]
fn every_byte_flipped() {
    let sample = Sample::standard();
    let signers = fs::read_to_string(sample.vault.signers()).expect("signers");
    let trusted = AllowedSigners::parse(&signers).expect("a list of signers");
    let flips: Vec<Flip<'_>> = sample
        .files
        .iter()
        .flat_map(|file| (0..sample.bytes(file).len()).map(move |at| (file, at)))
        .flat_map(|(file, at)| FLIPS.map(|mask| Flip { file, at, mask }))
        .collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for first in 0..threads {
            let (flips, sample, trusted, count) = (&flips, &sample, &trusted, &count);
            let share = flips.iter().skip(first).step_by(threads).copied();
            scope.spawn(move || count.fetch_add(judge(sample, trusted, share), Ordering::Relaxed));
        }
    });
    assert_eq!(count.into_inner(), flips.len());
    println!("{} flips of {} bytes in {} files", flips.len(), flips.len() / FLIPS.len(), sample.files.len());
}

/// The same by the program: the first byte of each file, the one in the middle, and the last.
#[test]
fn some_bytes_flipped_for_the_program() {
    let sample = Sample::standard();
    let mut count = 0;
    for file in &sample.files {
        let bytes = sample.bytes(file);
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= FLIPS[0];
            fs::write(sample.path(file), flipped).expect("a flipped bit");
            let refused = sample.verify();
            assert_eq!(refused.status, Some(1), "byte {at} of {file}: {refused}");
            refused.explains(file);
            count += 1;
        }
        fs::write(sample.path(file), bytes).expect("the file as it was");
    }
    sample.expect_whole();
    println!("{count} runs of verify");
}
