//! End-to-end tests, each against the real binaries and real peers.
