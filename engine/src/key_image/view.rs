//! A part of a slice, shown in a part of the picture with square pixels in millimetres.

use ndarray::ArrayView2;

use super::Window;
use super::canvas::{Canvas, Frame};

/// Which part of a slice is shown where.
///
/// A place on the slice is either `ij` (column, row; continuous; an integer is a voxel's centre) or in
/// mm from the centre of its first voxel. A place in the picture is continuous too, and the centre of
/// pixel (0, 0) is (0.5, 0.5).
pub(super) struct View {
    pub(super) frame: Frame,
    pub(super) mm_per_pixel: f64,
    centre_mm: [f64; 2],
    spacing_mm: [f64; 2],
}

impl View {
    /// All of a slice of so many rows and columns, as large as it fits into `frame`.
    pub(super) fn whole(frame: Frame, (rows, columns): (usize, usize), spacing_mm: [f64; 2]) -> Self {
        let count = [columns as f64, rows as f64];
        let size_mm = [0, 1].map(|d| count[d] * spacing_mm[d]);
        let centre_mm = [0, 1].map(|d| (count[d] - 1.0) / 2.0 * spacing_mm[d]);
        let mm_per_pixel = (size_mm[0] / f64::from(frame.width)).max(size_mm[1] / f64::from(frame.height));
        Self { frame, mm_per_pixel, centre_mm, spacing_mm }
    }

    /// A part of a slice `side_mm` wide.
    pub(super) fn around(frame: Frame, centre_mm: [f64; 2], side_mm: f64, spacing_mm: [f64; 2]) -> Self {
        Self { frame, mm_per_pixel: side_mm / f64::from(frame.width), centre_mm, spacing_mm }
    }

    /// Where a place on the slice is in the picture.
    pub(super) fn pixel(&self, ij: [f64; 2]) -> [f64; 2] {
        self.pixel_of_mm([0, 1].map(|d| ij[d] * self.spacing_mm[d]))
    }

    /// The same for a place in mm.
    pub(super) fn pixel_of_mm(&self, mm: [f64; 2]) -> [f64; 2] {
        let middle = self.middle();
        [0, 1].map(|d| middle[d] + (mm[d] - self.centre_mm[d]) / self.mm_per_pixel)
    }

    /// The upper left and lower right corner of what is shown, mm.
    pub(super) fn corners_mm(&self) -> [[f64; 2]; 2] {
        let half =
            [self.frame.width, self.frame.height].map(|side| f64::from(side) / 2.0 * self.mm_per_pixel);
        [-1.0, 1.0].map(|sign| [0, 1].map(|d| self.centre_mm[d] + sign * half[d]))
    }

    /// Fills the frame: linear between voxel centres, black outside of the slice.
    pub(super) fn draw_slice(&self, canvas: &mut Canvas, slice: ArrayView2<'_, i16>, window: Window) {
        let (rows, columns) = slice.dim();
        let middle = self.middle();
        let place = |pixel: u32, d: usize| {
            let mm = self.centre_mm[d] + (f64::from(pixel) + 0.5 - middle[d]) * self.mm_per_pixel;
            mm / self.spacing_mm[d]
        };
        let Frame { x, y, width, height } = self.frame;
        let across: Vec<Option<Between>> =
            (x..x + width).map(|x| Between::at(place(x, 0), columns)).collect();
        for y in y..y + height {
            let down = Between::at(place(y, 1), rows);
            for (x, across) in (x..).zip(&across) {
                let (Some(down), Some(across)) = (&down, across) else { continue };
                let value = |j: usize, i: usize| f64::from(slice[(j, i)]);
                let row = |j: usize| across.mix(value(j, across.low), value(j, across.high));
                let grey = window.grey(down.mix(row(down.low), row(down.high)));
                canvas.set(x, y, [grey; 3]);
            }
        }
    }

    fn middle(&self) -> [f64; 2] {
        let Frame { x, y, width, height } = self.frame;
        [f64::from(x) + f64::from(width) / 2.0, f64::from(y) + f64::from(height) / 2.0]
    }
}

/// A place between two neighbouring voxels of a row or column.
struct Between {
    low: usize,
    high: usize,
    share: f64,
}

impl Between {
    /// `None` outside of the outermost voxels' far borders.
    fn at(place: f64, count: usize) -> Option<Self> {
        let last = count.checked_sub(1)? as f64;
        if !(-0.5..=last + 0.5).contains(&place) {
            return None;
        }
        let place = place.clamp(0.0, last);
        let low = place.floor();
        // Both casts are of whole numbers in 0..=last.
        Some(Self { low: low as usize, high: place.ceil() as usize, share: place - low })
    }

    fn mix(&self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share
    }
}
