//! The key somebody meant.

/// The candidate nearest to `word`, if any is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    // One letter is near to any other; from two on, a third of the word may be wrong.
    let bound = match word.chars().count() {
        0 | 1 => 0,
        len => len.max(3) / 3,
    };
    candidates
        .iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters to insert, take out, change, or swap with a neighbour to make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_their_key_and_other_words_find_none() {
        let keys = ["strict", "silence_ms", "symbols", "symbols_file", "lane", "core"];
        assert_eq!(nearest("strct", &keys), Some("strict"));
        assert_eq!(nearest("silnece_ms", &keys), Some("silence_ms"));
        assert_eq!(nearest("symbol", &keys), Some("symbols"));
        assert_eq!(nearest("symbolsfile", &keys), Some("symbols_file"));
        assert_eq!(nearest("Core", &keys), Some("core"));
        assert_eq!(nearest("colour", &keys), None);
        assert_eq!(nearest("x", &keys), None);
        assert_eq!(nearest("D", &["A", "B", "C"]), None);
        assert_eq!(nearest("b", &["A", "B", "C"]), Some("B"));
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
