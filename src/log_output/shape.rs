//! The format of a line of the log.

use std::time::SystemTime;

use log::Level;

use crate::clock::calendar;
use crate::config::LogFormat;
use crate::foreign;
use crate::limits::{LINE_BYTES, LINE_TEXT};

/// What is written around a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// A JSON object instead of text.
    json: bool,
    /// The priority, as journald and `logger --prio-prefix` read it (`sd-daemon(3)`), instead of a time: they add their
    /// own.
    priority: bool,
    colour: bool,
}

impl Shape {
    /// The shape for `format`, when standard error goes to journald, or to a terminal, or to neither.
    pub(super) fn of(format: LogFormat, is_journal: bool, is_terminal: bool) -> Self {
        let is_unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let json = format == LogFormat::Json;
        Self {
            json,
            priority: format == LogFormat::Syslog || format != LogFormat::Text && is_journal,
            colour: !json && is_terminal && is_unset("NO_COLOR"),
        }
    }

    /// A line feed to end a line that was cut off before, then the line with its own line feed; at most [`LINE_BYTES`]
    /// in all.
    pub(super) fn line(self, wall: SystemTime, level: Level, message: &str) -> Vec<u8> {
        let (number, word, colour) = match level {
            Level::Error => (3, "error", "\x1b[31m"),
            Level::Warn => (4, "warn", "\x1b[33m"),
            Level::Info => (6, "info", ""),
            Level::Debug | Level::Trace => (7, "debug", ""),
        };
        let message = foreign::line(message);
        let mut line = if self.priority { format!("\n<{number}>") } else { "\n".to_owned() };
        if self.json {
            line.push_str(&format!(r#"{{"time":"{}","level":"{word}","message":{}}}"#, utc(wall), quoted(&message)));
        } else {
            if !self.priority {
                line.push_str(&utc(wall));
                line.push(' ');
            }
            let (begin, end) = if self.colour && !colour.is_empty() { (colour, "\x1b[0m") } else { ("", "") };
            line.push_str(&format!("{begin}{word}{end}: {message}"));
        }
        line.push('\n');
        line.into_bytes()
    }
}

/// `message` as a JSON string; if escapes make that too long for a line, only [`LINE_TEXT`] / 2 bytes of it.
fn quoted(message: &str) -> String {
    // A string always serializes.
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let all = quoted(message);
    if all.len() <= LINE_TEXT + LINE_TEXT / 16 {
        return all;
    }
    quoted(&format!("{}…", &message[..message.floor_char_boundary(LINE_TEXT / 2)]))
}

/// RFC 3339 in UTC, with milliseconds.
fn utc(wall: SystemTime) -> String {
    let time = calendar(wall);
    let (hour, minute, second) = time.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time.date(), time.millisecond())
}

const _: () = assert!("\n<7>{'time':'0000-00-00T00:00:00.000Z','level':'error','message':''}\n".len() < 100);
const _: () = assert!(LINE_TEXT + LINE_TEXT / 16 + 100 + 20 <= LINE_BYTES);

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::time::UNIX_EPOCH;

    use super::*;

    const FORMATS: [LogFormat; 4] = [LogFormat::Auto, LogFormat::Text, LogFormat::Json, LogFormat::Syslog];

    fn said(format: LogFormat, is_journal: bool, level: Level, message: &str) -> String {
        let wall = UNIX_EPOCH + Duration::from_millis(1_793_491_200_042);
        let line = String::from_utf8(Shape::of(format, is_journal, false).line(wall, level, message)).unwrap();
        line.strip_prefix('\n').and_then(|line| line.strip_suffix('\n')).unwrap().to_owned()
    }

    #[test]
    fn a_file_gets_the_time_and_journald_the_priority() {
        let said = |format, is_journal| said(format, is_journal, Level::Warn, "it is \"so\"");
        let text = "2026-11-01T00:00:00.042Z warn: it is \"so\"";
        let json = r#"{"time":"2026-11-01T00:00:00.042Z","level":"warn","message":"it is \"so\""}"#;
        let priority = "<4>warn: it is \"so\"";
        assert_eq!(FORMATS.map(|format| said(format, false)), [text, text, json, priority]);
        assert_eq!(FORMATS.map(|format| said(format, true)), [priority, text, &format!("<4>{json}"), priority]);
    }

    #[test]
    fn priorities_are_those_of_syslog() {
        let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug];
        let said = levels.map(|level| said(LogFormat::Syslog, false, level, "x"));
        assert_eq!(said, ["<3>error: x", "<4>warn: x", "<6>info: x", "<7>debug: x"]);
    }

    #[test]
    fn a_terminal_has_colours_and_nothing_else_does() {
        let lines = FORMATS.map(|format| [false, true].map(|is_terminal| Shape::of(format, false, is_terminal).colour));
        // Who runs the tests may have NO_COLOR set.
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        assert_eq!(lines, [[false, wanted], [false, wanted], [false, false], [false, wanted]]);
        let shape = Shape { json: false, priority: true, colour: true };
        assert_eq!(shape.line(UNIX_EPOCH, Level::Error, "x"), b"\n<3>\x1b[31merror\x1b[0m: x\n");
    }

    #[test]
    fn every_message_is_one_line_that_a_pipe_takes_whole() {
        let texts = ["a\nb\r\0c".to_owned(), "\"".repeat(100_000), "\\ü".repeat(100_000), "\u{202e}".repeat(100_000)];
        for (format, text) in FORMATS.iter().flat_map(|format| texts.iter().map(move |text| (*format, text))) {
            let line = said(format, true, Level::Error, text);
            assert!(line.len() + 2 <= LINE_BYTES && !line.chars().any(char::is_control), "{format:?} {}", line.len());
            if format == LogFormat::Json {
                let object: serde_json::Value = serde_json::from_str(line.strip_prefix("<3>").unwrap()).unwrap();
                assert!(object["message"].as_str().unwrap().len() > 5, "{line}");
            }
        }
    }

    #[test]
    fn any_time_can_be_shown() {
        for (wall, shown) in [
            (UNIX_EPOCH - Duration::from_secs(1), "1970-01-01T00:00:00.000Z"),
            (UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 1000), "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(utc(wall), shown);
        }
    }
}
