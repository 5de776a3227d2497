//! What a confined process tries, in the process itself.

use std::fs::File;
use std::io::{self, BufRead, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::panic;
use std::path::Path;
use std::process::{self, Command};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use rustix::mount::FsOpenFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};
use vaultd::sys::confine::{Account, Confinement, Role, confine};
use vaultd::sys::mapping::{Mapping, MappingMut};
use vaultd::sys::memory::Locking;
use vaultd::sys::store::{Store, read_only};

use crate::child::FILE;

/// What the child was given before it was confined.
struct Scene {
    folder: OwnedFd,
    store: Store,
    object: OwnedFd,
    file: File,
    pair: (UnixDatagram, UnixDatagram),
}

/// Confines itself, says so, and does as it is told line by line.
pub fn serve(role: &str, folder: &Path) {
    if role == "threads" {
        thread::spawn(|| {
            loop {
                thread::park()
            }
        });
    }
    let scene = Scene::new(folder);
    match confined(role, &scene) {
        Ok(greeting) => println!("{greeting}"),
        Err(error) => {
            let source = error.source().map(ToString::to_string);
            return println!(
                "{}",
                [error.to_string()].into_iter().chain(source).collect::<Vec<_>>().join(": ")
            );
        }
    }
    for order in io::stdin().lock().lines() {
        let order = order.expect("an order");
        match attempt(&order, &scene) {
            Ok(()) => println!("done"),
            Err(error) => println!("{:?} {error}", error.kind()),
        }
    }
}

fn account() -> Account {
    Account::of_service("nobody-has-this").expect("an account")
}

fn confined(role: &str, scene: &Scene) -> Result<String, Box<dyn std::error::Error>> {
    // Root's shell may have none that could be lost.
    rustix::thread::set_thread_groups(&[Gid::from_raw(50_002)])?;
    let (role, kept) = match role {
        "server" | "threads" => (Role::Server, CapabilitySet::empty()),
        "decryptor" => (Role::Decryptor, CapabilitySet::empty()),
        "verifier" => (Role::Verifier, CapabilitySet::empty()),
        "reading verifier" => (Role::Verifier, CapabilitySet::DAC_READ_SEARCH),
        _ => (Role::Resolver, CapabilitySet::empty()),
    };
    let readable = [scene.folder.as_fd()];
    let writable: Vec<_> = scene.store.root().into_iter().collect();
    let confinement = Confinement {
        role,
        account: account(),
        kept,
        locking: Locking::Required,
        readable: if role == Role::Verifier { &readable } else { &[] },
        writable: if role == Role::Decryptor { &writable } else { &[] },
    };
    Ok(format!("{:?}", confine(&confinement)?))
}

impl Scene {
    fn new(folder: &Path) -> Self {
        let store = Store::open(Locking::Required, account().user).expect("a store");
        let object = store.create().expect("an object");
        MappingMut::of(&object, 5).expect("a mapping").bytes_mut().copy_from_slice(b"bytes");
        let open = |path: &Path| File::open(path).expect("open");
        Self {
            folder: open(folder).into(),
            store,
            object: read_only(&object).expect("a reader"),
            file: open(&folder.join(FILE)),
            pair: UnixDatagram::pair().expect("a pair"),
        }
    }
}

fn attempt(order: &str, scene: &Scene) -> io::Result<()> {
    match order {
        "use memory" => use_memory(),
        "use threads" => use_threads(),
        "read descriptors" => read_descriptors(scene),
        "pass descriptors" => pass_descriptors(scene),
        "map an object" => map_object(scene),
        "tell the time" => tell_time(),
        "get random bytes" => get_random(),
        "panic" => unwind(),
        "open a file" => File::open("/etc/passwd").map(drop),
        "open a program's memory" => File::open("/proc/self/mem").map(drop),
        "read the folder" => read_folder(scene),
        "write in the folder" => open_in(&scene.folder, FILE, OFlags::WRONLY),
        "create in the folder" => open_in(&scene.folder, "new", OFlags::RDWR | OFlags::CREATE),
        "write by openat2" => write_beneath(&scene.folder),
        "create an object elsewhere" => open_in(&scene.folder, ".", OFlags::TMPFILE | OFlags::RDWR),
        "create an object" => create_object(&scene.store),
        "create a memfd" => create_object(&Store::locked(Locking::AllowSwappable)),
        "create a name in the store" => match scene.store.root() {
            Some(root) => open_in(root, "new", OFlags::RDWR | OFlags::CREATE),
            None => Err(io::ErrorKind::Unsupported.into()),
        },
        "write to the object" => File::from(scene.object.try_clone()?).write_at(b"x", 0).map(drop),
        "make a socket" => UnixDatagram::unbound().map(drop),
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "exec" => Err(Command::new("/bin/true").exec()),
        "start a program" => Command::new("/bin/true").status().map(drop),
        "be traced" => Ok(nix::sys::ptrace::traceme()?),
        "read a process" => peek(),
        "mount" => mount(),
        "become root" => Ok(rustix::thread::set_thread_uid(Uid::ROOT)?),
        "gain capabilities" => gain_capabilities(),
        "be dumpable" => Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?),
        "raise the core limit" => {
            let limit = Rlimit { current: None, maximum: None };
            Ok(rustix::process::setrlimit(Resource::Core, limit)?)
        }
        "send a signal" => Ok(rustix::process::kill_process(rustix::process::getpid(), Signal::CONT)?),
        "exit" => process::exit(7),
        "abort" => process::abort(),
        other => panic!("what is {other}?"),
    }
}

fn ensure(holds: bool) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// More than the allocator keeps in its heap, and more than 8 MiB, the usual limit of what is locked.
fn use_memory() -> io::Result<()> {
    let mut bytes = vec![1_u8; 1 << 26];
    bytes.resize(1 << 27, 1);
    ensure(bytes.iter().all(|byte| *byte == 1))
}

fn use_threads() -> io::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().map_err(io::Error::other)?;
    let (left, right) = pool.install(|| rayon::join(|| vec![1_u8; 1 << 20], || vec![2_u8; 1 << 20]));
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("another".to_owned()).spawn(move || sender.send(left.len()))?;
    let received = receiver.recv().map_err(io::Error::other)?;
    ensure(received == right.len() && thread::available_parallelism().is_ok())
}

fn read_descriptors(scene: &Scene) -> io::Result<()> {
    let mut file = scene.file.try_clone()?;
    let mut bytes = [0; 5];
    file.read_exact_at(&mut bytes, 0)?;
    let size = file.metadata()?.len();
    io::Seek::rewind(&mut file)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    ensure(text.as_bytes() == bytes && size == 5)
}

fn pass_descriptors(scene: &Scene) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let file = [scene.file.as_fd()];
    ensure(control.push(SendAncillaryMessage::ScmRights(&file)))?;
    rustix::net::sendmsg(&scene.pair.0, &[IoSlice::new(b"order")], &mut control, SendFlags::empty())?;

    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut order = [0; 5];
    let flags = RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(&scene.pair.1, &mut [IoSliceMut::new(&mut order)], &mut control, flags)?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let mut bytes = [0; 5];
    File::from(received.ok_or(io::ErrorKind::NotFound)?).read_exact_at(&mut bytes, 0)?;
    ensure(&order == b"order" && &bytes == b"bytes")
}

fn map_object(scene: &Scene) -> io::Result<()> {
    let mapping = Mapping::of(&scene.object, 5).map_err(io::Error::other)?;
    ensure(mapping.bytes() == b"bytes")
}

fn tell_time() -> io::Result<()> {
    let start = Instant::now();
    thread::sleep(Duration::from_millis(2));
    ensure(start.elapsed() >= Duration::from_millis(2) && SystemTime::now() > SystemTime::UNIX_EPOCH)
}

fn get_random() -> io::Result<()> {
    let mut bytes = [0_u8; 32];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    ensure(bytes != [0; 32])
}

fn unwind() -> io::Result<()> {
    panic::set_hook(Box::new(|_| {}));
    ensure(panic::catch_unwind(|| panic!("on purpose")).is_err())
}

fn read_folder(scene: &Scene) -> io::Result<()> {
    let names: Result<Vec<_>, _> = Dir::read_from(&scene.folder)?.collect();
    ensure(names?.iter().any(|entry| entry.file_name().to_bytes() == FILE.as_bytes()))?;
    open_in(&scene.folder, FILE, OFlags::RDONLY)
}

fn open_in(folder: impl AsFd, name: &str, flags: OFlags) -> io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(rustix::fs::openat(folder, name, flags | OFlags::CLOEXEC, mode).map(drop)?)
}

fn write_beneath(folder: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE;
    rustix::fs::openat2(folder, "another", flags, Mode::RUSR, ResolveFlags::BENEATH)?;
    Ok(())
}

fn create_object(store: &Store) -> io::Result<()> {
    let object = store.create()?;
    let mut mapping = MappingMut::of(&object, 100_000).map_err(io::Error::other)?;
    mapping.bytes_mut().fill(1);
    (&object).write_all(b"bytes")
}

fn peek() -> io::Result<()> {
    let secret = [1_u8; 8];
    let mut copy = [0_u8; 8];
    let from = nix::sys::uio::RemoteIoVec { base: secret.as_ptr() as usize, len: secret.len() };
    let myself = nix::unistd::getpid();
    nix::sys::uio::process_vm_readv(myself, &mut [IoSliceMut::new(&mut copy)], &[from])?;
    Ok(())
}

fn mount() -> io::Result<()> {
    rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    Ok(())
}

fn gain_capabilities() -> io::Result<()> {
    let all = CapabilitySet::SYS_ADMIN | CapabilitySet::DAC_OVERRIDE;
    let sets = CapabilitySets { effective: all, permitted: all, inheritable: all };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}
