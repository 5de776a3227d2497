//! What bad input gets: one clear error that names the next step, exit status 1, nothing of it served, and no
//! plaintext in any message. At boot, what this machine accepted last is served instead. And what must simply
//! work does.

mod age_files;
mod identities;
mod machines;
mod must_work;
mod places;
mod scene;
mod vaults;
