//! A mount over its whole life: reloads, killed servers, files that stay open meanwhile.

mod background;
mod canaries;
mod confinement;
mod deaths;
mod kills;
mod large;
mod reload;
mod stand;
mod timeout;
mod unchanged;
