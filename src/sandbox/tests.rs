use super::*;

#[test]
fn what_is_missing_is_named_with_its_reason() {
    let confined = Confined { missing: vec!["TCP ports (Linux 6.7)".to_owned(), "a filter (no)".to_owned()] };
    assert_eq!(confined.to_string(), "without TCP ports (Linux 6.7), a filter (no)");
    assert_eq!(Confined { missing: Vec::new() }.to_string(), "complete");
}
