//! What SECURITY.md promises. `make models` brings the models.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../fuzz/events.rs"]
mod events;
mod faults;
mod isolation;
mod models;
mod programs;
mod sources;
mod supply;
