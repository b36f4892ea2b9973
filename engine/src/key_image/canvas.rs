//! Smooth lines and text on a picture.
//!
//! The glyphs are those of Noto Sans Mono, drawn beforehand: no font file at run time.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The size of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Size {
    /// 16 pixels high.
    Small,
    /// 20 pixels high and bold.
    Large,
}

impl Size {
    fn font(self) -> (FontWeight, RasterHeight) {
        match self {
            Self::Small => (FontWeight::Regular, RasterHeight::Size16),
            Self::Large => (FontWeight::Bold, RasterHeight::Size20),
        }
    }
}

/// How many pixels wide `text` is.
pub(super) fn text_width(text: &str, size: Size) -> u32 {
    let (weight, height) = size.font();
    let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    count.saturating_mul(u32::try_from(get_raster_width(weight, height)).expect("a glyph is small"))
}

/// A picture that is being drawn. Whatever falls outside of it is left out.
pub(super) struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// All black.
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { image: RgbImage::new(width, height) }
    }

    pub(super) fn into_image(self) -> RgbImage {
        self.image
    }

    pub(super) fn set(&mut self, x: u32, y: u32, colour: [u8; 3]) {
        if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
            *pixel = Rgb(colour);
        }
    }

    pub(super) fn fill(&mut self, frame: Frame, colour: [u8; 3]) {
        for y in frame.y..frame.y + frame.height {
            for x in frame.x..frame.x + frame.width {
                self.set(x, y, colour);
            }
        }
    }

    /// A line from one end to the other, `width` pixels wide with round ends, cut off at `frame`.
    ///
    /// The ends are continuous; the centre of pixel (0, 0) is (0.5, 0.5). Nothing is drawn where an end
    /// is no number.
    pub(super) fn line(&mut self, frame: Frame, ends: [[f64; 2]; 2], width: f64, colour: [u8; 3]) {
        if ends.iter().flatten().any(|v| !v.is_finite()) {
            return;
        }
        let reach = width / 2.0 + 1.0;
        let span = |d: usize, start: u32, length: u32| {
            let (low, high) = (ends[0][d].min(ends[1][d]) - reach, ends[0][d].max(ends[1][d]) + reach);
            // Casts of floats saturate: an end far outside becomes the border of the frame.
            (low.floor() as u32).max(start)..(high.ceil() as u32).min(start + length)
        };
        for y in span(1, frame.y, frame.height) {
            for x in span(0, frame.x, frame.width) {
                let distance = distance([f64::from(x) + 0.5, f64::from(y) + 0.5], ends);
                self.blend(x, y, colour, width / 2.0 + 0.5 - distance);
            }
        }
    }

    /// Lines that together have a dark edge, to be seen on any ground.
    pub(super) fn edged_lines(&mut self, frame: Frame, lines: &[[[f64; 2]; 2]], width: f64, colour: [u8; 3]) {
        for (width, colour) in [(width + 2.0, [0; 3]), (width, colour)] {
            for line in lines {
                self.line(frame, *line, width, colour);
            }
        }
    }

    /// One line of text whose upper left corner is `at`, with a dark edge to be read on any ground.
    /// A character that the font lacks is drawn as a question mark.
    pub(super) fn text(&mut self, at: [u32; 2], text: &str, size: Size, colour: [u8; 3]) {
        for [x, y] in [[0, 1], [2, 1], [1, 0], [1, 2]] {
            self.glyphs([at[0] + x, at[1] + y], text, size, [0; 3]);
        }
        self.glyphs([at[0] + 1, at[1] + 1], text, size, colour);
    }

    fn glyphs(&mut self, [mut x, y]: [u32; 2], text: &str, size: Size, colour: [u8; 3]) {
        let (weight, height) = size.font();
        for character in text.chars() {
            let glyph = get_raster(character, weight, height).or_else(|| get_raster('?', weight, height));
            let Some(glyph) = glyph else { continue };
            for (y, row) in (y..).zip(glyph.rows()) {
                for (x, share) in (x..).zip(row.iter()) {
                    self.blend(x, y, colour, f64::from(*share) / 255.0);
                }
            }
            x += text_width("?", size);
        }
    }

    /// Covers `share` of a pixel; less than 0 is nothing and more than 1 all.
    fn blend(&mut self, x: u32, y: u32, colour: [u8; 3], share: f64) {
        if share <= 0.0 {
            return;
        }
        if let Some(Rgb(pixel)) = self.image.get_pixel_mut_checked(x, y) {
            for (below, above) in pixel.iter_mut().zip(colour) {
                let mixed = f64::from(*below) + (f64::from(above) - f64::from(*below)) * share.min(1.0);
                *below = mixed.round() as u8;
            }
        }
    }
}

/// How far `place` is from the line between `ends`.
fn distance(place: [f64; 2], [from, to]: [[f64; 2]; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let offset = [place[0] - from[0], place[1] - from[1]];
    let length2 = along[0] * along[0] + along[1] * along[1];
    let share = if length2 > 0.0 {
        ((offset[0] * along[0] + offset[1] * along[1]) / length2).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (offset[0] - share * along[0]).hypot(offset[1] - share * along[1])
}
