//! A part of a slice, shown in a part of the picture with square pixels in millimetres.

use kernels::Device;
use kernels::render::{Slab, Through, picture};
use ndarray::{ArrayView2, Axis};

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
        let Frame { x, y, width, height } = self.frame;
        let middle = self.middle();
        // Columns or rows of the slice, from those of the frame.
        let scale = |d: usize| self.mm_per_pixel / self.spacing_mm[d];
        let start = |d: usize, first: u32| {
            let mm = self.centre_mm[d] + (f64::from(first) + 0.5 - middle[d]) * self.mm_per_pixel;
            mm / self.spacing_mm[d]
        };
        let map =
            [[scale(0), 0.0, 0.0, start(0, x)], [0.0, scale(1), 0.0, start(1, y)], [0.0, 0.0, 1.0, 0.0]];
        let slab = Slab { map, samples: 1, through: Through::Mean };
        let shape = [height, width].map(|pixels| pixels as usize);
        let volume = slice.insert_axis(Axis(0));
        let picture = picture(&Device::Cpu, volume, shape, slab, [window.low, window.high])
            .expect("there is room for some hundred pixels squared");
        for (y, row) in (y..).zip(picture.outer_iter()) {
            for (x, &grey) in (x..).zip(row) {
                canvas.set(x, y, [grey; 3]);
            }
        }
    }

    fn middle(&self) -> [f64; 2] {
        let Frame { x, y, width, height } = self.frame;
        [f64::from(x) + f64::from(width) / 2.0, f64::from(y) + f64::from(height) / 2.0]
    }
}
