//! The verbs, one file each.

pub mod check;
pub mod diff;
pub mod list;
pub mod render;
