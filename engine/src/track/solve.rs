//! Small linear equations.

/// The `x` with `matrix * x = right`, by elimination with pivots; `None` if there is no single one.
pub(super) fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> Option<[f64; N]> {
    for n in 0..N {
        let pivot = (n..N).max_by(|&a, &b| matrix[a][n].abs().total_cmp(&matrix[b][n].abs()))?;
        let size = matrix[pivot][n].abs();
        if size.is_nan() || size <= f64::MIN_POSITIVE {
            return None;
        }
        matrix.swap(n, pivot);
        right.swap(n, pivot);
        let above = matrix[n];
        for row in n + 1..N {
            let share = matrix[row][n] / above[n];
            for (to, from) in matrix[row].iter_mut().zip(above).skip(n) {
                *to -= share * from;
            }
            right[row] -= share * right[n];
        }
    }
    let mut x = [0.0; N];
    for n in (0..N).rev() {
        let known: f64 = (n + 1..N).map(|column| matrix[n][column] * x[column]).sum();
        x[n] = (right[n] - known) / matrix[n][n];
    }
    x.iter().all(|value| value.is_finite()).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equation_that_needs_its_rows_swapped_is_solved() {
        let found = solve([[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [3.0, 0.0, -1.0]], [7.0, 3.0, 0.0]).unwrap();
        for (found, wanted) in found.into_iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - wanted).abs() < 1e-12);
        }
    }

    #[test]
    fn an_equation_with_no_single_answer_has_none() {
        assert_eq!(solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]), None);
        assert_eq!(solve([[f64::NAN, 2.0], [2.0, 4.0]], [1.0, 2.0]), None);
    }
}
