//! Real mounts through the library, compared with tmpfs mounted read-only.

mod access;
mod background;
mod generations;
mod lifecycle;
mod matrix;
mod memory;
mod reading;
mod stand;
mod succession;
mod unsigned;
