//! What several test programs use.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod scenario;
