//! Who opens files: what the monitor tells a server of a process, and what of it is recorded.
//!
//! A server sees of a process what a request says: its number, user and group. The rest is in `/proc`, which only
//! the monitor can read. It passes that on as it is, and the server, which has nothing to lose, makes sense of it.

pub mod control_group;
pub mod line;
mod place;
pub mod process;
pub mod record;

pub use self::control_group::ControlGroup;
pub use self::place::Place;
pub use self::process::Process;
pub use self::record::{Decision, Opened, Reason};
