//! From stored numbers to Hounsfield units.

use crate::instance::{Format, Rescale};

/// What pixels without information (Pixel Padding Value) become in CT: the value of air, and the lowest
/// one that the usual 12 bits hold.
pub const AIR_HU: i16 = -1024;

/// How stored numbers become values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale<'a> {
    pub(crate) format: &'a Format,
    /// `None`: values are as stored.
    pub(crate) rescale: Option<Rescale>,
    /// Bytes per number in `cells`.
    pub(crate) width: usize,
    pub(crate) big_endian: bool,
}

impl Scale<'_> {
    /// Fills `values` from `cells` and returns how many were cut off to fit 16 bits.
    ///
    /// Fractions are rounded to the nearest whole number.
    pub(crate) fn apply(&self, cells: &[u8], values: &mut [i16]) -> usize {
        let (slope, intercept) = match self.rescale {
            Some(Rescale::Linear { slope, intercept }) => (slope, intercept),
            _ => (1.0, 0.0),
        };
        let whole = slope == 1.0 && intercept.fract() == 0.0 && intercept.abs() < 1e6;
        if whole && self.width == 2 && !self.big_endian {
            return self.shift(intercept as i32, cells, values);
        }
        let table = self.table(slope, intercept);
        let mut clamped = 0;
        let mut look_up = |cell: usize, value: &mut i16| {
            let (found, cut) = table[cell];
            *value = found;
            clamped += usize::from(cut);
        };
        match (self.width, self.big_endian) {
            (1, _) => values.iter_mut().zip(cells).for_each(|(v, c)| look_up(usize::from(*c), v)),
            (_, false) => values.iter_mut().zip(cells.as_chunks().0).for_each(|(v, c)| {
                look_up(usize::from(u16::from_le_bytes(*c)), v);
            }),
            (_, true) => values.iter_mut().zip(cells.as_chunks().0).for_each(|(v, c)| {
                look_up(usize::from(u16::from_be_bytes(*c)), v);
            }),
        }
        clamped
    }

    /// The value of every number a cell can hold, and whether it was cut off.
    fn table(&self, slope: f64, intercept: f64) -> Vec<(i16, bool)> {
        let padding = self.padding();
        let last = if self.width == 1 { u16::from(u8::MAX) } else { u16::MAX };
        let value = |cell: u16| {
            let stored = self.stored(cell);
            if padding.is_some_and(|padding| padding.holds(cell, stored)) {
                return (AIR_HU, false);
            }
            let value = (slope * f64::from(stored) + intercept).round();
            let fits = (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&value);
            (value as i16, !fits) // a float cast saturates
        };
        (0..=last).map(value).collect()
    }

    /// The stored number in `cell`: the bits below and above it cut off, the sign extended.
    fn stored(&self, cell: u16) -> i32 {
        let up = 15 - u32::from(self.format.high.min(15));
        let down = 16 - u32::from(self.format.stored.clamp(1, 16));
        let top = cell << up;
        if self.format.signed { i32::from(top as i16 >> down) } else { i32::from(top >> down) }
    }

    /// The same as a table with slope 1 would do, without the table: the way of nearly every CT slice.
    fn shift(&self, intercept: i32, cells: &[u8], values: &mut [i16]) -> usize {
        match (self.format.signed, self.padding()) {
            (false, None) => self.shift_as::<false, false>(Padding::NONE, intercept, cells, values),
            (true, None) => self.shift_as::<true, false>(Padding::NONE, intercept, cells, values),
            (false, Some(padding)) => self.shift_as::<false, true>(padding, intercept, cells, values),
            (true, Some(padding)) => self.shift_as::<true, true>(padding, intercept, cells, values),
        }
    }

    fn shift_as<const SIGNED: bool, const PADDED: bool>(
        &self,
        padding: Padding,
        intercept: i32,
        cells: &[u8],
        values: &mut [i16],
    ) -> usize {
        let up = 15 - u32::from(self.format.high.min(15));
        let down = 16 - u32::from(self.format.stored.clamp(1, 16));
        let mut clamped = 0;
        // In blocks, so that the count stays a small number that fits vector registers.
        for (values, cells) in values.chunks_mut(4096).zip(cells.as_chunks::<2>().0.chunks(4096)) {
            let mut cut = 0u32;
            for (value, cell) in values.iter_mut().zip(cells) {
                let cell = u16::from_le_bytes(*cell);
                let top = cell << up;
                let stored = if SIGNED { i32::from(top as i16 >> down) } else { i32::from(top >> down) };
                let wanted = stored + intercept;
                let fits = wanted.clamp(i32::from(i16::MIN), i32::from(i16::MAX));
                let padded = PADDED && padding.holds(cell, stored);
                cut += u32::from(wanted != fits && !padded);
                *value = if padded { AIR_HU } else { fits as i16 };
            }
            clamped += cut as usize;
        }
        clamped
    }

    /// What counts as padding: only where values are Hounsfield units, of which one is air.
    fn padding(&self) -> Option<Padding> {
        self.rescale?;
        let (value, limit) = self.format.padding?;
        let as_written =
            |bits: u16| if self.format.signed { i32::from(bits as i16) } else { i32::from(bits) };
        let (a, b) = (as_written(value), as_written(limit));
        // A padding value outside of the stored bits is found in cells as it is, and nothing else is.
        let real = self.stored(value) == a && self.stored(limit) == b;
        let (low, high) = if real { (a.min(b), a.max(b)) } else { (1, 0) };
        Some(Padding { cell: value, low, high })
    }
}

/// Cells that hold no information (PS3.3 C.7.5.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Padding {
    cell: u16,
    low: i32,
    high: i32,
}

impl Padding {
    const NONE: Self = Self { cell: 0, low: 1, high: 0 };

    fn holds(self, cell: u16, stored: i32) -> bool {
        (cell == self.cell) | ((stored >= self.low) & (stored <= self.high))
    }
}
