//! How long a shape is: the longest distance in it, and the long and short axis in a plane.
//!
//! A mask's outline is taken to run half-way between the centres of voxels in it and out of it, as
//! marching cubes does: each voxel counts with the middles of its faces, not with its centre.

use ndarray::{ArrayView2, ArrayView3};
use rayon::prelude::*;

/// Two points of a shape and how far apart they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<const D: usize> {
    /// One end: column, row (and slice), continuous.
    pub from: [f64; D],
    /// The other end.
    pub to: [f64; D],
    /// Their distance.
    pub length_mm: f64,
}

/// The long and the short axis of a shape in a plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axes {
    /// The longest distance between two points of the outline.
    pub long: Span<2>,
    /// The longest line at right angles to it across the shape's convex hull.
    pub short: Span<2>,
}

/// The longest distance between two of `points` (mm), which it returns; `None` if there are none.
///
/// Exact. Of equally long ones any may be found, but always the same.
pub fn longest(points: &[[f64; 3]]) -> Option<[[f64; 3]; 2]> {
    farthest(points)
}

/// The longest distance within `mask`, from outline to outline; `None` if it is empty.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k); the ends are columns, rows and slices,
/// half-way between voxel centres. Exact for this outline.
pub fn longest_in_mask(mask: ArrayView3<'_, bool>, spacing_mm: [f64; 3]) -> Option<Span<3>> {
    // The ends of the longest distance are corners of the convex hull, so they are corners of the hull
    // of their own slice as well, once each slice holds all points of the outline at its height.
    let slices: Vec<Vec<[f64; 2]>> =
        mask.outer_iter().into_par_iter().map(|slice| hull(row_ends(slice))).collect();
    let place = |k: f64, [i, j]: [f64; 2]| [i * spacing_mm[0], j * spacing_mm[1], k * spacing_mm[2]];
    let mut points: Vec<[f64; 3]> = Vec::new();
    for (k, corners) in slices.iter().enumerate().filter(|(_, corners)| !corners.is_empty()) {
        let k = k as f64;
        points.extend(hull(with_faces(corners)).into_iter().map(|at| place(k, at)));
        points.extend(corners.iter().flat_map(|&at| [place(k - 0.5, at), place(k + 0.5, at)]));
    }
    let ends = farthest(&points)?;
    let back = |at: [f64; 3]| std::array::from_fn(|d| at[d] / spacing_mm[d]);
    Some(Span { from: back(ends[0]), to: back(ends[1]), length_mm: distance(ends[0], ends[1]) })
}

/// The long and the short axis of `mask`, an image `[j, i]`; `None` if it is empty.
///
/// `spacing_mm` is that of columns and rows (i, j); the ends are columns and rows, half-way between
/// pixel centres. The long axis is the longest distance between two points of the outline. The short
/// axis is the longest line at right angles to it (in mm) with both ends on the outline's convex hull;
/// so it crosses the long axis, and its ends need not be voxels.
///
/// Source: the longest diameter and the longest perpendicular of RECIST 1.1 (Eisenhauer et al., 2009)
/// and of DICOM PS3.16 (G-A185 Long Axis, G-A186 Short Axis).
pub fn axes_in_plane(mask: ArrayView2<'_, bool>, spacing_mm: [f64; 2]) -> Option<Axes> {
    let outline = hull(with_faces(&hull(row_ends(mask))));
    let corners: Vec<[f64; 2]> =
        outline.iter().map(|&[i, j]| [i * spacing_mm[0], j * spacing_mm[1]]).collect();
    let [from, to] = farthest(&corners)?;
    let length_mm = distance(from, to);
    let along = [(to[0] - from[0]) / length_mm, (to[1] - from[1]) / length_mm];
    let [low, high] = longest_across(&corners, along)?;
    let span = |from: [f64; 2], to: [f64; 2]| Span {
        from: [from[0] / spacing_mm[0], from[1] / spacing_mm[1]],
        to: [to[0] / spacing_mm[0], to[1] / spacing_mm[1]],
        length_mm: distance(from, to),
    };
    Some(Axes { long: span(from, to), short: span(low, high) })
}

fn distance<const D: usize>(a: [f64; D], b: [f64; D]) -> f64 {
    squared(a, b).sqrt()
}

fn squared<const D: usize>(a: [f64; D], b: [f64; D]) -> f64 {
    (0..D).map(|d| (a[d] - b[d]) * (a[d] - b[d])).sum()
}

/// The two points farthest apart.
///
/// No pair is farther apart than the sum of its distances from the middle, so points are taken from the
/// outside in until even the outermost one could not reach.
fn farthest<const D: usize>(points: &[[f64; D]]) -> Option<[[f64; D]; 2]> {
    let first = *points.first()?;
    let mut low = first;
    let mut high = first;
    for point in points {
        for d in 0..D {
            low[d] = low[d].min(point[d]);
            high[d] = high[d].max(point[d]);
        }
    }
    let middle: [f64; D] = std::array::from_fn(|d| (low[d] + high[d]) / 2.0);
    let mut outside_in: Vec<(f64, [f64; D])> = points.iter().map(|&at| (distance(at, middle), at)).collect();
    outside_in.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = ([first, first], 0.0);
    for (at, &(reach, point)) in outside_in.iter().enumerate() {
        // Rounding must not stop it early.
        let enough = (f64::sqrt(best.1) - reach) * (1.0 - 1e-12);
        if reach < enough {
            break;
        }
        for &(other_reach, other) in &outside_in[..at] {
            if other_reach < enough {
                break;
            }
            let apart = squared(point, other);
            if apart > best.1 {
                best = ([point, other], apart);
            }
        }
    }
    Some(best.0)
}

/// The first and the last pixel (column, row) of each row of the mask.
fn row_ends(mask: ArrayView2<'_, bool>) -> Vec<[f64; 2]> {
    let mut ends = Vec::new();
    for (j, row) in mask.outer_iter().enumerate() {
        if let Some(first) = row.iter().position(|&is_in| is_in) {
            let last = row.iter().rposition(|&is_in| is_in).unwrap_or(first);
            ends.push([first as f64, j as f64]);
            ends.push([last as f64, j as f64]);
        }
    }
    ends
}

/// The middles of the four sides of each pixel.
fn with_faces(pixels: &[[f64; 2]]) -> Vec<[f64; 2]> {
    pixels.iter().flat_map(|&[i, j]| [[i - 0.5, j], [i + 0.5, j], [i, j - 0.5], [i, j + 0.5]]).collect()
}

/// The corners of the convex hull in order around it (Andrew's monotone chain).
fn hull(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let turn =
        |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let chain = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for point in points {
            while chain.len() > 1 && turn(chain[chain.len() - 2], chain[chain.len() - 1], point) <= 0.0 {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut corners = chain(&mut points.iter().copied());
    corners.extend(chain(&mut points.iter().rev().copied()));
    corners
}

/// The longest line at right angles to the unit vector `along` across a convex shape.
///
/// Between two corners the length changes linearly, so the longest line runs through a corner.
fn longest_across(corners: &[[f64; 2]], along: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let position = |at: [f64; 2]| at[0] * along[0] + at[1] * along[1];
    let height = |at: [f64; 2]| at[1] * along[0] - at[0] * along[1];
    let mut best: Option<(f64, [[f64; 2]; 2])> = None;
    for &corner in corners {
        let here = position(corner);
        let (mut low, mut high) = (corner, corner);
        for (at, &from) in corners.iter().enumerate() {
            let to = corners[(at + 1) % corners.len()];
            let (a, b) = (position(from), position(to));
            if (a - here) * (b - here) > 0.0 || a == b {
                continue;
            }
            let share = (here - a) / (b - a);
            let crossing = [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
            if height(crossing) < height(low) {
                low = crossing;
            }
            if height(crossing) > height(high) {
                high = crossing;
            }
        }
        let length = height(high) - height(low);
        if best.is_none_or(|best| length > best.0) {
            best = Some((length, [low, high]));
        }
    }
    best.map(|best| best.1)
}
