//! Contact with the kernel that safe wrappers do not cover: the only module with `unsafe`.
#![allow(unsafe_code)]

pub mod confine;
pub mod device;
pub mod features;
pub mod inherited;
pub mod mapping;
pub mod memory;
pub mod passthrough;
pub mod process;
pub mod store;
