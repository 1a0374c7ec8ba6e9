//! The README and the pages that it leads to say what the program does: its variables, examples, codes, lines and
//! bounds.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;

use firehose_connector::cli::{HELP, HELP_CHECK};
use firehose_connector::config::VARIABLES;
use firehose_connector::{doctor, limits};
use regex_lite::Regex;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const README: &str = include_str!("../README.md");
const SERVICE: &str = include_str!("../targets/service/README.md");
const TESTS: &str = include_str!("README.md");
/// Every page for people, by its path.
const PAGES: [(&str, &str); 11] = [
    ("README.md", README),
    (".github/CONTRIBUTING.md", include_str!("../.github/CONTRIBUTING.md")),
    (".github/SECURITY.md", include_str!("../.github/SECURITY.md")),
    ("src/sandbox/README.md", include_str!("../src/sandbox/README.md")),
    ("targets/README.md", include_str!("../targets/README.md")),
    ("targets/greengrass/README.md", include_str!("../targets/greengrass/README.md")),
    ("targets/raspberrypi/README.md", include_str!("../targets/raspberrypi/README.md")),
    ("targets/service/README.md", SERVICE),
    ("tests/README.md", TESTS),
    ("yocto/meta-firehose-connector/README.md", include_str!("../yocto/meta-firehose-connector/README.md")),
    ("yocto/meta-firehose-connector/SECURITY.md", include_str!("../yocto/meta-firehose-connector/SECURITY.md")),
];
/// What a reader takes in before the details start.
const README_LINES: usize = 300;
const CHANGELOG: &str = include_str!("../CHANGELOG.md");

#[test]
fn every_variable_is_in_the_table() {
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
    for (bound, text) in [
        (limits::STREAMS, "records for 32 delivery streams"),
        (limits::NESTING, "more than 128 levels"),
        (limits::ID_JSON_BYTES / 1024, "an id over 64 KB"),
        (limits::STATUS_BYTES / 1024, "at most 128 KB or what the broker takes"),
        (limits::BLOCK_BYTES, "blocks of 256 bytes"),
    ] {
        assert!(text.contains(&bound.to_string()) && README.contains(text), "{text}");
    }
    let announced = format!("{},{:03} publishes", limits::RECEIVE_MAXIMUM / 1000, limits::RECEIVE_MAXIMUM % 1000);
    assert!(
        page("targets/README.md").contains(&format!("announces that it takes {announced} at a time")),
        "{announced}"
    );
    let announced = announced.trim_end_matches(" publishes");
    for text in
        ["the {} that the connector announces", "| {} are asked for |"].map(|text| text.replace("{}", announced))
    {
        assert!(SERVICE.contains(&text), "{text}");
    }
    let pages: String = [README, SERVICE].join("\n").split_whitespace().collect::<Vec<_>>().join(" ");
    let seconds = [limits::STALL, limits::DRAIN, limits::DRAIN_STATUSES, limits::BACKOFF_CAP, limits::SESSION_EXPIRY];
    assert_eq!(seconds.map(|bound| bound.as_secs_f32()), [60.0, 7.5, 2.0, 300.0, 24.0 * 3600.0]);
    for text in ["for 60 s", "up to 7.5 s", "up to 2 s", "up to 5 minutes", "24 hours are asked for"] {
        assert!(pages.contains(text), "{text}");
    }
}

#[test]
fn every_error_code_is_in_the_table_and_no_other() {
    let code_of = Regex::new(r#"=> "([A-Z]\w+)""#).unwrap();
    let source = include_str!("../src/relay/refusal.rs");
    let codes: BTreeSet<_> = code_of.captures_iter(source).map(|found| found.get(1).unwrap().as_str()).collect();
    let table = README.split("| `ErrorCode` |").nth(1).unwrap().split("\n\n").next().unwrap();
    let named: BTreeSet<_> = table.lines().skip(2).map(|row| code(row).next().unwrap()).collect();
    assert_eq!(named, codes);
}

#[test]
fn every_dependency_is_in_the_table_and_no_other() {
    let manifest =
        include_str!("../Cargo.toml").split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let package = Regex::new(r#"(?m)^([a-z0-9_-]+) = (?:\{ package = "([a-z0-9-]+)")?"#).unwrap();
    let name = |found: regex_lite::Captures<'static>| found.get(2).or_else(|| found.get(1)).unwrap().as_str();
    let used: BTreeSet<_> = package.captures_iter(manifest).map(name).collect();
    let table = page(".github/CONTRIBUTING.md").split("| Crate |").nth(1).unwrap();
    let named: BTreeSet<_> = table.lines().skip(2).map_while(|row| code(row).next()).collect();
    assert_eq!(named, used);
}

#[test]
fn every_counter_is_in_the_table_and_no_other() {
    let counters: serde_json::Value = serde_json::from_str(include_str!("golden/counters.json")).unwrap();
    let counters: BTreeSet<_> = counters.as_object().unwrap().keys().cloned().collect();
    let named = rows("## Counters").flat_map(|row| code(row.split('|').nth(1).unwrap())).map(str::to_owned);
    assert_eq!(named.collect::<BTreeSet<_>>(), counters);
}

#[test]
fn every_step_of_the_doctor_is_in_its_help_and_in_the_example() {
    let line = Regex::new(r"(?m)^  ([a-z]+(?:-[a-z]+)?)  +[^ ]").unwrap();
    let explained = HELP_CHECK.split("\nSteps of --online").nth(1).unwrap();
    let named: Vec<_> = line.captures_iter(explained).map(|found| found.get(1).unwrap().as_str()).collect();
    assert_eq!(named, doctor::STEPS);
    let doctor = SERVICE.split("\n## Doctor\n").nth(1).unwrap();
    let line = Regex::new(r"(?m)^    (?:ok|warn|FAIL|skip) +([a-z-]+) ").unwrap();
    let shown: Vec<_> = line.captures_iter(doctor).map(|found| found.get(1).unwrap().as_str()).collect();
    // Those of the other source are not shown.
    let steps: Vec<_> = doctor::STEPS.into_iter().filter(|step| !step.starts_with("ipc-")).collect();
    assert_eq!(shown, steps);
}

#[test]
fn the_man_page_has_the_usual_sections_and_says_all_that_the_help_says() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/man-page");
    let output = std::process::Command::new(script).args(["2026-11-29", "1.0.0"]).output().unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    let wanted = "NAME SYNOPSIS DESCRIPTION OPTIONS EXIT_STATUS ENVIRONMENT FILES SIGNALS EXAMPLES SEE_ALSO";
    assert_eq!(sections, wanted.split(' ').map(|name| name.replace('_', " ")).collect::<Vec<_>>());
    let page = page.replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\e", r"\");
    let said: BTreeSet<_> = page.split_whitespace().collect();
    // Headings have other words there.
    let items = HELP.lines().chain(HELP_CHECK.lines()).filter(|line| line.starts_with("  "));
    let missing: Vec<_> = items.flat_map(str::split_whitespace).filter(|word| !said.contains(word)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_line_of_the_log_is_in_the_table_and_no_other() {
    let mut logged = BTreeSet::new();
    logged_lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut logged);
    let named: BTreeSet<_> = rows("## The log").map(|row| code(row).next().unwrap().to_owned()).collect();
    assert_eq!(named, logged);
    for page in [README, SERVICE] {
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains("at most ten lines") && page.contains("at once and then one a minute"));
    }
    assert_eq!((limits::LOG_BURST, limits::LOG_INTERVAL.as_secs()), (10, 60));
}

/// The rows of the first table below a heading of the service's page, without its head.
fn rows(heading: &str) -> impl Iterator<Item = &'static str> {
    let below = SERVICE.split(&format!("\n{heading}\n")).nth(1).unwrap().lines();
    below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2)
}

/// The text of one of the pages.
fn page(path: &str) -> &'static str {
    PAGES.iter().find(|(name, _)| *name == path).unwrap().1
}

/// The texts between backquotes.
fn code(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('`').skip(1).step_by(2)
}

/// Every text that a source file logs, at `info` and above, with an ellipsis for what varies.
fn logged_lines(folder: &Path, logged: &mut BTreeSet<String>) {
    let macros = r"\b(?:info|warn|error)!\(\s*(?:target: \w+,\s*)?";
    let limits = r"\.(?:(?:info|warn)\(\s*now|write\(\s*Level::\w+),\s*format_args!\(\s*";
    // What the log and the doctor say in the same words.
    let shared = r"losses\.push\(format!\(\s*";
    let call = format!(r#"(?:{macros}|{limits}|{shared})"((?:[^"\\]|\\.|\\\n)*)""#);
    let call = Regex::new(&call).unwrap();
    let warning = Regex::new(r#"\blogged\(\s*format!\(\s*"([^"]*)"\s*\),\s*"([^"]*)""#).unwrap();
    let (broken, varies) = (Regex::new(r"\\\n\s*").unwrap(), Regex::new(r"\{[^}]*\}").unwrap());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            logged_lines(&path, logged);
            continue;
        }
        let source = std::fs::read(&path).unwrap();
        let source = String::from_utf8_lossy(&source);
        let code = source.split("#[cfg(test)]").next().unwrap();
        let lines = call.captures_iter(code).map(|found| found[1].to_owned());
        let warnings = warning.captures_iter(code).map(|found| format!("{}; {}", &found[1], &found[2]));
        for line in lines.chain(warnings).filter(|line| !line.starts_with("{loss}") && line != "{warning}") {
            logged.insert(varies.replace_all(&broken.replace_all(&line, ""), "…").replace(r#"\""#, "\""));
        }
    }
}

#[test]
fn the_program_is_no_older_than_its_newest_release() {
    let newest = CHANGELOG.lines().find_map(|line| line.strip_prefix("## ")?.split_once(" - "));
    let (version, day) = newest.expect("a heading such as \"## 1.0.0 - 2026-11-29\"");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let released = OffsetDateTime::parse(&format!("{day}T00:00:00Z"), &Rfc3339).unwrap();
    assert_eq!(limits::RELEASED.as_secs(), u64::try_from(released.unix_timestamp()).unwrap(), "limits::RELEASED");
}

#[test]
fn every_test_it_names_is_there() {
    let promises = TESTS.split("\n## Promises\n").nth(1).unwrap().split("\n## ").next().unwrap();
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

#[test]
fn the_readme_is_short_and_its_contents_lead_to_every_chapter() {
    assert!(README.lines().count() <= README_LINES, "{} lines", README.lines().count());
    let contents = README.split("**Contents:**").nth(1).unwrap().split("\n\n").next().unwrap();
    let chapters: Vec<_> = README.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(
        targets(contents).collect::<Vec<_>>(),
        chapters.iter().map(|it| format!("#{}", anchor(it))).collect::<Vec<_>>()
    );
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for (path, page) in PAGES {
        for link in targets(page).filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let leads_to = if file.is_empty() { root.join(path) } else { root.join(path).parent().unwrap().join(file) };
            assert!(leads_to.exists(), "{path}: {link}");
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&leads_to).unwrap();
                assert!(text.lines().any(|line| line.starts_with('#') && anchor(line) == heading), "{path}: {link}");
            }
            count += 1;
        }
    }
    assert!(count >= 50, "links are found: {count}");
}

/// Where the links of a page lead.
fn targets(page: &str) -> impl Iterator<Item = String> {
    page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned())
}

/// What GitHub names a heading in links.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}
