//! Every bound, with its unit and source.
