//! A machine description in, a whole provisioned system out (nothing here yet).

pub mod formats;
