//! Entry: see `firehose_connector`.
fn main() {}
