//! The ready-made test vault, and the guard against using it in production.
