//! Rendered systems, booted in a container: the units, scripts and configurations as they are, with the programs of
//! this machine, in a network of their own.

mod backup;
mod certificates;
mod databases;
mod machine;
mod ports;
mod reports;
mod web;
