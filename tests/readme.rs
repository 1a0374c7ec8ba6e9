//! README says what the program does: its variables, its example, its codes and its bounds.

use std::path::Path;

use firehose_connector::config::VARIABLES;
use firehose_connector::limits;

const README: &str = include_str!("../README.md");

#[test]
fn every_variable_stands_in_the_table() {
    for name in VARIABLES.iter().filter(|name| **name != "HOME") {
        assert!(README.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_definition_in_it_is_good() {
    let begin = README.find("```json\n{\n  \"Connectors\"").unwrap() + "```json\n".len();
    let definition = &README[begin..begin + README[begin..].find("```").unwrap()];
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.json");
    std::fs::write(&path, definition).unwrap();
    let config = firehose_connector::config::load(Some(&path), []).unwrap();
    assert_eq!((config.connector.version, config.connector.queue_size), (5, 5000));
}

#[test]
fn its_bounds_are_those_of_the_program() {
    assert_eq!(limits::RECORD_BYTES, 1_024_000);
    assert_eq!(limits::STATUS_BYTES, 128 * 1024);
    for (bound, text) in [
        (limits::STREAMS, "records for 32 delivery streams"),
        (limits::NESTING, "more than 128 levels"),
        (limits::ID_JSON_BYTES / 1024, "an id over 64 KiB"),
        (limits::BLOCK_BYTES, "blocks of 256 bytes"),
    ] {
        assert!(text.contains(&bound.to_string()) && README.contains(text), "{text}");
    }
    let seconds = [limits::STALL, limits::DRAIN, limits::DRAIN_STATUSES, limits::BACKOFF_CAP, limits::SESSION_EXPIRY];
    assert_eq!(seconds.map(|bound| bound.as_secs_f32()), [60.0, 7.5, 2.0, 300.0, 24.0 * 3600.0]);
    for text in ["for 60 s", "up to 7.5 s", "up to 2 s", "up to 5 minutes", "kept for 24 hours"] {
        assert!(README.contains(text), "{text}");
    }
}

#[test]
fn every_test_it_names_is_there() {
    let promises = README.split("## Promises").nth(1).unwrap().split("\n## ").next().unwrap();
    let named = promises.split('`').skip(1).step_by(2).filter(|name| name.contains('/') || name.contains("_"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for name in named.filter(|name| !name.contains('*')) {
        let places = [format!("tests/{name}"), format!("tests/{name}.rs"), format!("src/{name}")];
        assert!(places.iter().any(|place| root.join(place).exists()), "{name}");
        count += 1;
    }
    assert!(count >= 8, "the table is read: {count}");
}
