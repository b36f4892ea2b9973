//! From the stored pixels of one image to Hounsfield units.

use crate::codestream::{self, Coding};
use crate::error::Error;
use crate::header::{Broken, Header};
use crate::instance::{Format, Instance, Rescale};
use crate::scan::Series;

/// What pixels without information (Pixel Padding Value) become in CT: the value of air, and the lowest
/// one that the usual 12 bits hold.
pub const AIR_HU: i16 = -1024;

/// Whether the pixels of `instance` can become values: all that the header shows.
pub(crate) fn check(series: &Series, instance: &Instance) -> Result<(), Error> {
    let uid = || instance.sop_instance_uid.clone();
    let unsupported = |cause: String| Err(Error::UnsupportedImage { sop_instance_uid: uid(), cause });
    let damaged = |cause| Err(Error::Damaged { sop_instance_uid: uid(), cause });
    let format = &instance.format;
    match instance.broken {
        Some(Broken::TooLarge) => return damaged("the header is larger than any real one"),
        Some(Broken::Truncated) => return damaged("the file is cut off within its header"),
        Some(_) => return damaged("the header is damaged"),
        None => {}
    }
    let Some(pixels) = instance.pixels else {
        return Err(Error::NotAVolume {
            series_uid: series.uid.clone(),
            cause: format!("an object of SOP class {} has no pixels", instance.sop_class_uid),
        });
    };
    if pixels.tag != dicom::dictionary_std::tags::PIXEL_DATA {
        return unsupported("floating point pixels are not supported".to_owned());
    }
    if instance.enhanced && instance.frames.len() != instance.frame_count {
        return damaged("Number of Frames and the functional groups do not agree");
    }
    if !instance.enhanced && instance.frame_count != 1 {
        return unsupported(format!(
            "{} frames without functional groups, SOP class {}",
            instance.frame_count, instance.sop_class_uid
        ));
    }
    if format.samples != 1 || !["MONOCHROME1", "MONOCHROME2"].contains(&format.photometric.as_str()) {
        let known = ["RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"];
        let name = known.iter().find(|name| **name == format.photometric).copied().unwrap_or("unknown");
        return unsupported(format!("{} samples per pixel, {name}: not a grey image", format.samples));
    }
    if format.rows == 0 || format.columns == 0 {
        return unsupported("an image without rows or columns".to_owned());
    }
    let Format { allocated, stored, high, .. } = *format;
    if ![8, 16].contains(&allocated) || stored == 0 || high >= allocated || stored > high + 1 {
        return unsupported(format!("{stored} bits stored of {allocated}, high bit {high}"));
    }
    if format.lookup && series.modality == "CT" {
        return unsupported("a Modality LUT in place of slope and intercept".to_owned());
    }
    let (name, coding, _) = codestream::coding(&instance.transfer_syntax);
    if coding == Coding::Unsupported {
        let transfer_syntax = instance.transfer_syntax.clone();
        return Err(Error::TransferSyntax { sop_instance_uid: uid(), transfer_syntax, name });
    }
    match (coding, pixels.length) {
        (Coding::Native, None) => return damaged("fragments in an uncompressed transfer syntax"),
        (Coding::Native, Some(length)) => {
            let expected = frame_bytes(format) as u64 * instance.frame_count as u64;
            let found = length.min(pixels.present);
            // An odd number of bytes is padded to an even one.
            if found < expected || length > expected + expected % 2 {
                return Err(Error::PixelLength { sop_instance_uid: uid(), found, expected });
            }
        }
        (_, Some(_)) => return damaged("no fragments in a compressed transfer syntax"),
        (_, None) => {}
    }
    if instance.transfer_syntax == "1.2.840.10008.1.2.2" && allocated == 8 && pixels.vr == *b"OW" {
        return unsupported("8-bit pixels in big-endian words".to_owned());
    }
    Ok(())
}

/// Whether information was given up when the pixels were compressed, now or before.
pub(crate) fn is_lossy(instance: &Instance) -> bool {
    instance.format.lossy || codestream::coding(&instance.transfer_syntax).2
}

/// The bytes of one uncompressed frame.
pub(crate) fn frame_bytes(format: &Format) -> usize {
    usize::from(format.rows) * usize::from(format.columns) * usize::from(format.allocated / 8)
}

/// The compressed frames of one instance.
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    /// Of each frame: its fragments.
    frames: Vec<Vec<std::ops::Range<usize>>>,
}

impl Encoded {
    /// Reads the fragments of `instance` and finds out which belong to which frame.
    pub(crate) fn read(header: &mut Header, instance: &Instance) -> Result<Self, Error> {
        let damaged = |cause| Error::Damaged { sop_instance_uid: instance.sop_instance_uid.clone(), cause };
        let pixels = instance.pixels.ok_or_else(|| damaged("there are no pixels"))?;
        let mut bytes = vec![0; usize::try_from(pixels.present).map_err(|_| damaged("the file is too large"))?];
        header.read_at(pixels.at, &mut bytes).map_err(|_| damaged("the file cannot be read to its end"))?;
        let mut items = fragments(&bytes).ok_or_else(|| damaged("the fragments of the pixels are cut off"))?;
        if items.is_empty() {
            return Err(damaged("there is no offset table before the fragments"));
        }
        let table = items.remove(0);
        let offsets: Vec<usize> = bytes[table]
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
            .collect();
        let frames = by_frame(items, &offsets, instance.frame_count)
            .ok_or_else(|| damaged("it is not clear which fragment belongs to which frame"))?;
        Ok(Self { bytes, frames })
    }

    /// Decodes frame `index` into `cells` and returns the bytes per pixel.
    pub(crate) fn decode(&self, instance: &Instance, index: usize, cells: &mut Vec<u8>) -> Result<usize, Error> {
        let uid = &instance.transfer_syntax;
        let error = |cause| Error::Decode {
            sop_instance_uid: instance.sop_instance_uid.clone(),
            name: codestream::coding(uid).0,
            cause,
        };
        let fragments = self.frames.get(index).ok_or_else(|| error("there is no such frame".to_owned()))?;
        let joined;
        let stream = match fragments.as_slice() {
            [one] => &self.bytes[one.clone()],
            many => {
                joined = many.iter().flat_map(|range| &self.bytes[range.clone()]).copied().collect::<Vec<u8>>();
                joined.as_slice()
            }
        };
        codestream::decode(uid, &instance.format, stream, cells).map_err(error)
    }
}

/// The values of the items in `bytes`, up to the delimiter or the end (PS3.5 A.4).
fn fragments(bytes: &[u8]) -> Option<Vec<std::ops::Range<usize>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let &[t0, t1, t2, t3, l0, l1, l2, l3] = bytes.get(at..)?.first_chunk()?;
        match [t0, t1, t2, t3] {
            [0xFE, 0xFF, 0x00, 0xE0] => {}
            [0xFE, 0xFF, 0xDD, 0xE0] => break,
            _ => return None,
        }
        let end = (at + 8).checked_add(u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
        if end > bytes.len() {
            return None;
        }
        found.push(at + 8..end);
        at = end;
    }
    Some(found)
}

/// Which fragments belong to which of `count` frames: all to the only one, one to each, or by the
/// offsets of the first fragment of each.
fn by_frame(
    fragments: Vec<std::ops::Range<usize>>,
    offsets: &[usize],
    count: usize,
) -> Option<Vec<Vec<std::ops::Range<usize>>>> {
    if count == 1 && !fragments.is_empty() {
        return Some(vec![fragments]);
    }
    if fragments.len() == count {
        return Some(fragments.into_iter().map(|range| vec![range]).collect());
    }
    let base = fragments.first()?.start;
    if offsets.len() != count || offsets.first() != Some(&0) {
        return None;
    }
    let mut frames = vec![Vec::new(); count];
    for range in fragments {
        let frame = offsets.partition_point(|offset| *offset <= range.start - base).checked_sub(1)?;
        frames[frame].push(range);
    }
    frames.iter().all(|frame| !frame.is_empty()).then_some(frames)
}

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
        let as_written = |bits: u16| if self.format.signed { i32::from(bits as i16) } else { i32::from(bits) };
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
