//! Finds the known name that was probably meant by a misspelt one.

/// The candidate with the fewest edits from `name`, ignoring case, if it is close enough.
///
/// Close enough is a third of the candidate's length: `MemSize` finds `MemorySize`, `Foo` finds nothing.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| name.len().abs_diff(candidate.len()) <= candidate.len() / 3)
        .map(|candidate| (edits(name.as_bytes(), candidate.to_ascii_lowercase().as_bytes()), candidate))
        .filter(|(edits, candidate)| *edits <= candidate.len() / 3)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Bytes inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = core::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn an_edit_is_one_byte_more_less_other_or_swapped() {
        for (a, b, expected) in [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("abc", "abd", 1), ("abcd", "acbd", 1)] {
            assert_eq!(edits(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }

    #[test]
    fn the_nearest_name_wins_and_a_far_one_is_not_offered() {
        let names = ["MemorySize", "PublishInterval", "IsolationMode"];
        assert_eq!(nearest("memorysize", names), Some("MemorySize"));
        assert_eq!(nearest("PublishIntervall", names), Some("PublishInterval"));
        assert_eq!(nearest("Isolation", names), Some("IsolationMode"));
        assert_eq!(nearest("Foo", names), None);
        assert_eq!(nearest("Name", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest(&"x".repeat(200_000), names), None);
    }
}
