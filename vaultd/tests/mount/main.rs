//! Real mounts through the library, compared with tmpfs mounted read-only.

mod access;
mod background;
mod lifecycle;
mod matrix;
mod memory;
mod reading;
mod stand;
mod unsigned;
