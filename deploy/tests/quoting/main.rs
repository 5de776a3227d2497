//! Values that nobody would choose, written into each format and read back by the program that it is for: either
//! they are refused with a reason, or they come back byte for byte.
//!
//! Many values go through one run of a program, since starting one takes longer than anything else.

mod ini;
mod line;
mod machine;
mod nginx;
mod postgresql;
mod python;
mod shell;
mod unit;
mod value;
