//! What the relay does, as scripts on a virtual time line.
#![expect(clippy::unwrap_used, reason = "a scenario that goes wrong ends the test")]

mod acknowledgements;
mod batching;
mod bounds;
mod endpoints;
mod failing_service;
mod input;
mod outcomes;
mod packing;
mod set_aside;
mod slow_links;
mod spooled;
mod status_room;
mod status_text;
mod statuses;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod too_large;
