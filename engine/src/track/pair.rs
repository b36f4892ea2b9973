//! Which lesion is which: each with at most one other, at the least cost, and only where it is clear.

/// What it costs to leave a lesion without its other. Two lesions are one if that costs less than twice this.
const ALONE: f64 = 0.5;

/// Pairs are clear if any other way to pair costs at least this much more.
const CLEAR: f64 = 0.25;

/// The most that a pair may cost.
pub(super) const MOST: f64 = 2.0 * ALONE;

/// Who belongs to whom.
#[derive(Debug, PartialEq, Default)]
pub(super) struct Pairs {
    /// Now, and in the prior.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Could be one of several.
    pub(super) unclear_now: Vec<usize>,
    /// Could be one of several.
    pub(super) unclear_prior: Vec<usize>,
}

/// Pairs `now` lesions with `prior` ones. `cost` is that of a pair, below [`MOST`]; `None`: they cannot be one.
pub(super) fn pair(now: usize, prior: usize, cost: impl Fn(usize, usize) -> Option<f64>) -> Pairs {
    let costs: Vec<Vec<Option<f64>>> =
        (0..now).map(|n| (0..prior).map(|p| cost(n, p).filter(|cost| *cost < MOST)).collect()).collect();
    let mut pairs = Pairs::default();
    for (rows, columns) in groups(&costs) {
        let part: Vec<Vec<Option<f64>>> =
            rows.iter().map(|&n| columns.iter().map(|&p| costs[n][p]).collect()).collect();
        let (best, least) = assign(&part);
        let (mut unclear_rows, mut unclear_columns) = (vec![false; rows.len()], vec![false; columns.len()]);
        for (r, c) in best.iter().enumerate().filter_map(|(r, c)| Some((r, (*c)?))) {
            let mut without = part.clone();
            without[r][c] = None;
            let (other, cost) = assign(&without);
            // Leaving the two alone is no other way to pair them.
            let elsewhere = other[r].is_some() || other.contains(&Some(c));
            if elsewhere && cost - least < CLEAR {
                for r in (0..rows.len()).filter(|&r| other[r] != best[r]) {
                    unclear_rows[r] = true;
                    for c in [other[r], best[r]].into_iter().flatten() {
                        unclear_columns[c] = true;
                    }
                }
            }
        }
        for (r, c) in best.into_iter().enumerate().filter_map(|(r, c)| Some((r, c?))) {
            if !unclear_rows[r] && !unclear_columns[c] {
                pairs.pairs.push((rows[r], columns[c]));
            } else {
                (unclear_rows[r], unclear_columns[c]) = (true, true);
            }
        }
        let named = |which: &[usize], unclear: Vec<bool>| -> Vec<usize> {
            which.iter().zip(unclear).filter(|(_, unclear)| *unclear).map(|(at, _)| *at).collect()
        };
        pairs.unclear_now.extend(named(&rows, unclear_rows));
        pairs.unclear_prior.extend(named(&columns, unclear_columns));
    }
    pairs.pairs.sort_unstable();
    pairs
}

/// The lesions that could be each other's, directly or through others: rows and columns of each group.
fn groups(costs: &[Vec<Option<f64>>]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let columns = costs.first().map_or(0, Vec::len);
    let (mut row_done, mut column_done) = (vec![false; costs.len()], vec![false; columns]);
    let mut groups = Vec::new();
    for first in 0..costs.len() {
        if std::mem::replace(&mut row_done[first], true) {
            continue;
        }
        let (mut rows, mut group_columns) = (vec![first], Vec::new());
        let mut at = 0;
        while at < rows.len() {
            for column in 0..columns {
                if costs[rows[at]][column].is_none() || std::mem::replace(&mut column_done[column], true) {
                    continue;
                }
                group_columns.push(column);
                for (row, done) in row_done.iter_mut().enumerate() {
                    if costs[row][column].is_some() && !std::mem::replace(done, true) {
                        rows.push(row);
                    }
                }
            }
            at += 1;
        }
        if !group_columns.is_empty() {
            groups.push((rows, group_columns));
        }
    }
    groups
}

/// The cheapest pairs: the column of each row, and what all of it costs, those left alone included.
///
/// Source: Kuhn's method with potentials, as in Jonker and Volgenant, Computing 1987;38:325-340.
fn assign(costs: &[Vec<Option<f64>>]) -> (Vec<Option<usize>>, f64) {
    let (rows, columns) = (costs.len(), costs.first().map_or(0, Vec::len));
    // Every row has a column of its own for being alone, every column such a row.
    let size = rows + columns;
    let cost = |r: usize, c: usize| match (r < rows, c < columns) {
        (true, true) => costs[r][c].unwrap_or(1e6),
        (true, false) if c - columns == r => ALONE,
        (false, true) if r - rows == c => ALONE,
        (false, false) => 0.0,
        _ => 1e6,
    };
    // Row and column 0 stand for nothing.
    let (mut of_row, mut of_column) = (vec![0.0; size + 1], vec![0.0; size + 1]);
    let mut row_at = vec![0; size + 1];
    for row in 1..=size {
        row_at[0] = row;
        let mut column = 0;
        let (mut least, mut done) = (vec![f64::INFINITY; size + 1], vec![false; size + 1]);
        let mut way = vec![0; size + 1];
        while row_at[column] != 0 {
            done[column] = true;
            let (from, mut step, mut next) = (row_at[column], f64::INFINITY, 0);
            for c in (1..=size).filter(|&c| !done[c]) {
                let reduced = cost(from - 1, c - 1) - of_row[from] - of_column[c];
                if reduced < least[c] {
                    (least[c], way[c]) = (reduced, column);
                }
                if least[c] < step {
                    (step, next) = (least[c], c);
                }
            }
            for c in 0..=size {
                if done[c] {
                    of_row[row_at[c]] += step;
                    of_column[c] -= step;
                } else {
                    least[c] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_at[column] = row_at[way[column]];
            column = way[column];
        }
    }
    let mut best = vec![None; rows];
    let mut total = 0.0;
    for (column, &row) in row_at.iter().enumerate().skip(1) {
        total += cost(row - 1, column - 1);
        if row <= rows && column <= columns {
            best[row - 1] = Some(column - 1);
        }
    }
    (best, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs by a table of costs; 9 is no pair.
    fn paired(table: &[&[f64]]) -> Pairs {
        let columns = table.first().map_or(0, |row| row.len());
        pair(table.len(), columns, |n, p| Some(table[n][p]).filter(|cost| *cost < 9.0))
    }

    #[test]
    fn each_lesion_has_at_most_one_other_and_the_whole_costs_least() {
        // The cheapest single pair (0, 0) would leave the others with 0.9 each.
        let found = paired(&[&[0.05, 0.1, 9.0], &[0.1, 0.9, 9.0], &[9.0, 9.0, 0.3]]);
        assert_eq!(found.pairs, [(0, 1), (1, 0), (2, 2)]);
        assert!(found.unclear_now.is_empty(), "{found:?}");
    }

    #[test]
    fn two_that_could_be_the_same_one_are_not_paired() {
        let found = paired(&[&[0.2, 9.0], &[0.3, 9.0], &[9.0, 0.1]]);
        assert_eq!(found, Pairs { pairs: vec![(2, 1)], unclear_now: vec![0, 1], unclear_prior: vec![0] });
    }

    #[test]
    fn two_that_could_be_exchanged_are_not_paired() {
        let found = paired(&[&[0.2, 0.25], &[0.3, 0.2]]);
        assert_eq!(found, Pairs { pairs: vec![], unclear_now: vec![0, 1], unclear_prior: vec![0, 1] });
    }

    #[test]
    fn what_costs_too_much_stays_alone() {
        let found = paired(&[&[1.2, 9.0], &[9.0, 9.0]]);
        assert_eq!(found, Pairs::default());
        assert_eq!(paired(&[]), Pairs::default());
    }

    #[test]
    fn the_cheapest_assignment_is_found_in_every_table_of_three_by_three() {
        // Costs from a fixed sequence; every way to pair is tried against the method.
        let mut state = 7_u64;
        for _ in 0..200 {
            let table: Vec<Vec<Option<f64>>> = (0..3)
                .map(|_| {
                    (0..3)
                        .map(|_| {
                            state = state
                                .wrapping_mul(6_364_136_223_846_793_005)
                                .wrapping_add(1_442_695_040_888_963_407);
                            let value = (state >> 40) as f64 / (1_u64 << 24) as f64;
                            (value < 0.8).then_some(value)
                        })
                        .collect()
                })
                .collect();
            let mut least = f64::INFINITY;
            for way in 0..64 {
                let choice = [way & 3, way >> 2 & 3, way >> 4];
                let taken: Vec<usize> = choice.into_iter().filter(|&c| c < 3).collect();
                let twice = (1..taken.len()).any(|at| taken[..at].contains(&taken[at]));
                let costs: Option<f64> = (0..3).filter(|&r| choice[r] < 3).map(|r| table[r][choice[r]]).sum();
                if let (false, Some(costs)) = (twice, costs) {
                    least = least.min(costs + ALONE * (6 - 2 * taken.len()) as f64);
                }
            }
            assert!((assign(&table).1 - least).abs() < 1e-9);
        }
    }
}
