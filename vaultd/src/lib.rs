//! Serves a verified odbox vault from memory, each file to the services it is for.
