//! A kill at any system call that changes a file: the next command finishes or undoes the change.
//!
//! `ODBOX_CRASH=every-call` kills at all other system calls too, which takes long.

mod making;
mod scene;
mod signing;
mod twice;
mod verbs;
