//! The edits between a string and what was read of it.

/// A place of a string beside its place in what was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edit {
    Same(i32),
    /// Read in the place of another one.
    Other(i32),
    /// Read where there is nothing.
    Extra(i32),
    /// Not read.
    Missing(i32),
}

/// The fewest edits (Levenshtein 1966) that make `found` of `expected`, in their order.
pub fn edits(expected: &[i32], found: &[i32]) -> Vec<Edit> {
    let (rows, columns) = (expected.len(), found.len());
    // The edits between the first i of `expected` and the first j of `found`.
    let mut counts = vec![vec![0; columns + 1]; rows + 1];
    for i in 0..=rows {
        for j in 0..=columns {
            counts[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let differs = usize::from(expected[i - 1] != found[j - 1]);
                    (counts[i - 1][j - 1] + differs).min(counts[i - 1][j] + 1).min(counts[i][j - 1] + 1)
                }
            };
        }
    }
    let (mut i, mut j, mut edits) = (rows, columns, Vec::new());
    while i > 0 || j > 0 {
        let count = counts[i][j];
        let is_same = i > 0 && j > 0 && expected[i - 1] == found[j - 1];
        let edit = if i > 0 && j > 0 && counts[i - 1][j - 1] + usize::from(!is_same) == count {
            if is_same { Edit::Same(found[j - 1]) } else { Edit::Other(found[j - 1]) }
        } else if i > 0 && counts[i - 1][j] + 1 == count {
            Edit::Missing(expected[i - 1])
        } else {
            Edit::Extra(found[j - 1])
        };
        (i, j) = match edit {
            Edit::Same(_) | Edit::Other(_) => (i - 1, j - 1),
            Edit::Missing(_) => (i - 1, j),
            Edit::Extra(_) => (i, j - 1),
        };
        edits.push(edit);
    }
    edits.reverse();
    edits
}

/// Edits of all strings for each place of them: the label error rate.
pub fn error_rate(expected: &[Vec<i32>], found: &[Vec<i32>]) -> f64 {
    let wrong = |(expected, found): (&Vec<i32>, &Vec<i32>)| {
        edits(expected, found).iter().filter(|edit| !matches!(edit, Edit::Same(_))).count()
    };
    let wrong: usize = expected.iter().zip(found).map(wrong).sum();
    wrong as f64 / expected.iter().map(Vec::len).sum::<usize>().max(1) as f64
}
