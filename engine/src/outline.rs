//! The outline of a flat mask, along the borders of its pixels.

use ndarray::ArrayView2;

/// The outer border of the largest 4-connected part of `mask` (`[row, column]`): columns and rows of
/// its corners in order, closed (the last equals the first). Empty if the mask is.
///
/// Coordinates are continuous pixel indices: an integer is a pixel's centre, so corners lie at halves.
/// Holes are not traced.
pub(crate) fn outline(mask: ArrayView2<'_, bool>) -> Vec<[f64; 2]> {
    let part = largest_part(mask);
    let inside = |row: isize, column: isize| {
        row >= 0 && column >= 0 && part.get((row as usize, column as usize)).copied().unwrap_or(false)
    };
    // The first pixel in reading order: the edge above it is part of the outer border.
    let Some((row, column)) = part.indexed_iter().find_map(|(at, &set)| set.then_some(at)) else {
        return Vec::new();
    };

    // Walk from pixel corner to pixel corner with the inside on the right hand. Corner (r, c) is the
    // upper left corner of pixel (r, c).
    let start = (row as isize, column as isize);
    let (mut at, mut heading) = (start, 0_usize);
    const STEP: [(isize, isize); 4] = [(0, 1), (1, 0), (0, -1), (-1, 0)]; // right, down, left, up
    let mut corners = vec![corner(start)];
    loop {
        at = (at.0 + STEP[heading].0, at.1 + STEP[heading].1);
        // The pixels ahead of the new corner, on the left and on the right of the heading.
        let (left, right) = match heading {
            0 => ((at.0 - 1, at.1), (at.0, at.1)),
            1 => ((at.0, at.1), (at.0, at.1 - 1)),
            2 => ((at.0, at.1 - 1), (at.0 - 1, at.1 - 1)),
            _ => ((at.0 - 1, at.1 - 1), (at.0 - 1, at.1)),
        };
        let next = if !inside(right.0, right.1) {
            (heading + 1) % 4
        } else if inside(left.0, left.1) {
            (heading + 3) % 4
        } else {
            heading
        };
        if at == start && next == 0 {
            corners.push(corner(start));
            return corners;
        }
        if next != heading {
            corners.push(corner(at));
        }
        heading = next;
    }
}

fn corner((row, column): (isize, isize)) -> [f64; 2] {
    [column as f64 - 0.5, row as f64 - 0.5]
}

/// The largest 4-connected part of `mask`; of equals the first in reading order.
fn largest_part(mask: ArrayView2<'_, bool>) -> ndarray::Array2<bool> {
    let (rows, columns) = mask.dim();
    let mut seen = ndarray::Array2::from_elem((rows, columns), false);
    let mut largest: Vec<(usize, usize)> = Vec::new();
    for ((row, column), &set) in mask.indexed_iter() {
        if !set || seen[(row, column)] {
            continue;
        }
        let mut part = vec![(row, column)];
        seen[(row, column)] = true;
        let mut next = 0;
        while let Some(&(r, c)) = part.get(next) {
            next += 1;
            let around = [(r.wrapping_sub(1), c), (r + 1, c), (r, c.wrapping_sub(1)), (r, c + 1)];
            for at in around {
                if mask.get(at) == Some(&true) && !seen[at] {
                    seen[at] = true;
                    part.push(at);
                }
            }
        }
        if part.len() > largest.len() {
            largest = part;
        }
    }
    let mut only = ndarray::Array2::from_elem((rows, columns), false);
    for at in largest {
        only[at] = true;
    }
    only
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn mask(rows: &[&str]) -> Array2<bool> {
        Array2::from_shape_fn((rows.len(), rows[0].len()), |(r, c)| rows[r].as_bytes()[c] == b'#')
    }

    /// Twice the area that the outline encloses, by the shoelace formula.
    fn area(outline: &[[f64; 2]]) -> f64 {
        outline.windows(2).map(|w| w[0][0] * w[1][1] - w[1][0] * w[0][1]).sum::<f64>() / 2.0
    }

    #[test]
    fn one_pixel_has_four_corners_half_a_pixel_away() {
        let found = outline(mask(&["...", "..#"]).view());
        assert_eq!(found, [[1.5, 0.5], [2.5, 0.5], [2.5, 1.5], [1.5, 1.5], [1.5, 0.5]]);
    }

    #[test]
    fn straight_borders_have_corners_at_their_ends_only() {
        let found = outline(mask(&["###.", "#..."]).view());
        let expected =
            [[-0.5, -0.5], [2.5, -0.5], [2.5, 0.5], [0.5, 0.5], [0.5, 1.5], [-0.5, 1.5], [-0.5, -0.5]];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_outline_encloses_the_largest_part_holes_included() {
        for (rows, pixels) in [
            (vec!["#.###", "#.#.#", "..###", "....."], 9.0),
            (vec![".#.", "###", ".#."], 5.0),
            (vec!["##..", "##..", "..##", "..#."], 4.0), // parts that touch at a corner are two
            (vec!["#.#", "###"], 5.0),
        ] {
            assert_eq!(area(&outline(mask(&rows).view())), pixels, "{rows:?}");
        }
    }

    #[test]
    fn an_empty_mask_has_no_outline() {
        assert!(outline(mask(&["..", ".."]).view()).is_empty());
    }
}
