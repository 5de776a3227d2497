//! A mount over its whole life: reloads, killed servers, files that stay open meanwhile.

mod background;
mod canaries;
mod claims;
mod confinement;
mod deaths;
mod fallbacks;
mod half_way;
mod hangs;
mod kills;
mod large;
mod load;
mod owners;
mod reload;
mod slowed;
mod stand;
mod switches;
mod tampering;
mod templates;
mod timeout;
mod unchanged;
mod unrecorded;
