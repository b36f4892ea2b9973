//! Compressed frames: which kinds are decoded, and a decoder that cannot be talked into anything.
//!
//! The size that a code stream declares is compared with the header before its decoder sees it, because
//! decoders reserve memory by it or run over the end of ours. What panics all the same is caught.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom::core::value::C;
use dicom::encoding::adapters::{PixelDataObject, RawPixelData};
use dicom::encoding::transfer_syntax::TransferSyntaxIndex;
use dicom::transfer_syntax::TransferSyntaxRegistry;

use crate::instance::Format;

/// How the pixels of one transfer syntax are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// One after the other, in one element.
    Native,
    /// One after the other, in fragments.
    Fragments,
    /// RLE (PS3.5 annex G).
    Rle,
    /// JPEG with up to 8 bits, or lossless.
    Jpeg,
    /// JPEG 2000, High-Throughput or not.
    Jpeg2000,
    /// Known by name only.
    Unsupported,
}

/// Transfer syntaxes by UID: the name, how pixels are stored, whether some information was given up.
const SYNTAXES: [(&str, &str, Coding, bool); 26] = [
    ("1.2.840.10008.1.2", "Implicit VR Little Endian", Coding::Native, false),
    ("1.2.840.10008.1.2.1", "Explicit VR Little Endian", Coding::Native, false),
    ("1.2.840.10008.1.2.2", "Explicit VR Big Endian", Coding::Native, false),
    ("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", Coding::Native, false),
    ("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed", Coding::Fragments, false),
    ("1.2.840.10008.1.2.5", "RLE Lossless", Coding::Rle, false),
    ("1.2.840.10008.1.2.4.50", "JPEG Baseline", Coding::Jpeg, true),
    ("1.2.840.10008.1.2.4.51", "JPEG Extended", Coding::Jpeg, true),
    ("1.2.840.10008.1.2.4.57", "JPEG Lossless", Coding::Jpeg, false),
    ("1.2.840.10008.1.2.4.70", "JPEG Lossless SV1", Coding::Jpeg, false),
    ("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", Coding::Jpeg2000, false),
    ("1.2.840.10008.1.2.4.91", "JPEG 2000", Coding::Jpeg2000, true),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", Coding::Unsupported, false),
    ("1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless", Coding::Unsupported, true),
    ("1.2.840.10008.1.2.4.92", "JPEG 2000 Part 2 Lossless", Coding::Unsupported, false),
    ("1.2.840.10008.1.2.4.93", "JPEG 2000 Part 2", Coding::Unsupported, true),
    ("1.2.840.10008.1.2.4.94", "JPIP Referenced", Coding::Unsupported, false),
    ("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", Coding::Unsupported, false),
    ("1.2.840.10008.1.2.4.100", "MPEG2", Coding::Unsupported, true),
    ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264", Coding::Unsupported, true),
    ("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", Coding::Unsupported, false),
    ("1.2.840.10008.1.2.4.112", "JPEG XL", Coding::Unsupported, true),
    ("1.2.840.10008.1.2.4.201", "HTJ2K Lossless", Coding::Jpeg2000, false),
    ("1.2.840.10008.1.2.4.202", "HTJ2K Lossless RPCL", Coding::Jpeg2000, false),
    ("1.2.840.10008.1.2.4.203", "HTJ2K", Coding::Jpeg2000, true),
    ("1.2.840.10008.1.2.8.1", "Deflated Image Frame", Coding::Unsupported, false),
];

/// The name, coding and lossiness of the transfer syntax `uid`.
pub(crate) fn coding(uid: &str) -> (&'static str, Coding, bool) {
    let known = SYNTAXES.iter().find(|syntax| syntax.0 == uid);
    known.map_or(("unknown", Coding::Unsupported, false), |(_, name, coding, lossy)| (*name, *coding, *lossy))
}

/// The UIDs of all transfer syntaxes that are known here, readable or not.
pub(crate) fn syntaxes() -> impl Iterator<Item = &'static str> {
    SYNTAXES.iter().map(|syntax| syntax.0)
}

/// Decodes one frame into `cells`, which then holds Rows x Columns numbers, little endian, of the
/// returned number of bytes each.
///
/// # Errors
///
/// What is wrong with the code stream.
pub(crate) fn decode(
    uid: &str,
    format: &Format,
    stream: &[u8],
    cells: &mut Vec<u8>,
) -> Result<usize, String> {
    let pixels = usize::from(format.rows) * usize::from(format.columns);
    let allocated = usize::from(format.allocated / 8);
    cells.clear();
    let width = match coding(uid).1 {
        Coding::Fragments => {
            cells.extend_from_slice(stream.get(..pixels * allocated).ok_or("too few bytes")?);
            allocated
        }
        Coding::Rle => {
            cells.resize(pixels * allocated, 0);
            rle(stream, allocated, cells)?;
            allocated
        }
        Coding::Jpeg => through_library(uid, format, declared_by_jpeg(stream)?, stream, cells)?,
        Coding::Jpeg2000 => through_library(uid, format, declared_by_jpeg2000(stream)?, stream, cells)?,
        Coding::Native | Coding::Unsupported => return Err("not a supported code stream".to_owned()),
    };
    if cells.len() != pixels * width {
        return Err(format!("{} bytes decoded where {} were expected", cells.len(), pixels * width));
    }
    Ok(width)
}

/// What a code stream says about the image in it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Declared {
    rows: u32,
    columns: u32,
    components: u16,
    bits: u16,
}

fn through_library(
    uid: &str,
    format: &Format,
    declared: Declared,
    stream: &[u8],
    cells: &mut Vec<u8>,
) -> Result<usize, String> {
    let Declared { rows, columns, components, bits } = declared;
    if (rows, columns, components) != (u32::from(format.rows), u32::from(format.columns), 1) {
        return Err(format!(
            "the code stream holds {columns} x {rows} pixels of {components} components where the header has \
             {} x {} of 1",
            format.columns, format.rows
        ));
    }
    if bits > format.allocated || (format.signed && bits < format.stored) {
        return Err(format!("{bits} bits per pixel do not fit the {} of the header", format.stored));
    }
    let wide = bits > 8;
    let reader = TransferSyntaxRegistry.get(uid).and_then(|syntax| syntax.pixel_data_reader());
    let reader = reader.ok_or("no decoder is built in")?;
    let frame = OneFrame { uid, format, wide, stream };
    let decoded = catch_unwind(AssertUnwindSafe(|| reader.decode_frame(&frame, 0, cells)));
    match decoded {
        Ok(Ok(())) => Ok(if wide { 2 } else { 1 }),
        Ok(Err(error)) => Err(cause(&error)),
        Err(_) => Err("the decoder gave up".to_owned()),
    }
}

/// The innermost cause of a decoder's error, which is the part that says something.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// One frame in the shape that the decoders of dicom-rs ask for.
struct OneFrame<'a> {
    uid: &'a str,
    format: &'a Format,
    wide: bool,
    stream: &'a [u8],
}

impl PixelDataObject for OneFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.uid
    }
    fn rows(&self) -> Option<u16> {
        Some(self.format.rows)
    }
    fn cols(&self) -> Option<u16> {
        Some(self.format.columns)
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(if self.wide { 16 } else { 8 })
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.format.stored)
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some(&self.format.photometric)
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.stream))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let mut fragments = C::new();
        fragments.push(self.stream.to_vec());
        Some(RawPixelData { fragments, offset_table: C::new() })
    }
}

/// Reads the frame header of a JPEG stream (ITU-T T.81 B.2.2).
fn declared_by_jpeg(stream: &[u8]) -> Result<Declared, String> {
    const WRONG: &str = "no JPEG frame header";
    let mut at = 2;
    if stream.get(..2) != Some(&[0xFF, 0xD8]) {
        return Err(WRONG.to_owned());
    }
    loop {
        let &[0xFF, marker] = stream.get(at..at + 2).and_then(|m| m.first_chunk::<2>()).ok_or(WRONG)? else {
            return Err(WRONG.to_owned());
        };
        if marker == 0xFF {
            at += 1;
            continue;
        }
        let segment = stream.get(at + 2..).ok_or(WRONG)?;
        let length = u16::from_be_bytes(*segment.first_chunk().ok_or(WRONG)?);
        // SOF0 to SOF15, without DHT, JPG and DAC, which lie between.
        if (0xC0..=0xCF).contains(&marker) && ![0xC4, 0xC8, 0xCC].contains(&marker) {
            let &[_, _, bits, r0, r1, c0, c1, components] = segment.first_chunk().ok_or(WRONG)?;
            return Ok(Declared {
                rows: u16::from_be_bytes([r0, r1]).into(),
                columns: u16::from_be_bytes([c0, c1]).into(),
                components: components.into(),
                bits: bits.into(),
            });
        }
        at += 2 + usize::from(length);
    }
}

/// Reads the SIZ segment of a JPEG 2000 code stream (ITU-T T.800 A.5.1).
fn declared_by_jpeg2000(stream: &[u8]) -> Result<Declared, String> {
    const WRONG: &str = "no JPEG 2000 size segment";
    if stream.get(..4) != Some(&[0xFF, 0x4F, 0xFF, 0x51]) {
        return Err(WRONG.to_owned());
    }
    let number = |at: usize| stream.get(at..).and_then(|b| b.first_chunk()).map(|b| u32::from_be_bytes(*b));
    let (right, bottom, left, top) = (number(8), number(12), number(16), number(20));
    let components = stream.get(40..).and_then(|b| b.first_chunk()).map(|b| u16::from_be_bytes(*b));
    let depth = stream.get(42);
    let declared = || {
        Some(Declared {
            rows: bottom?.checked_sub(top?)?,
            columns: right?.checked_sub(left?)?,
            components: components?,
            bits: u16::from(depth? & 0x7F) + 1,
        })
    };
    declared().ok_or_else(|| WRONG.to_owned())
}

/// Decodes RLE: one segment of PackBits per byte of a pixel, the high byte first (PS3.5 annex G).
fn rle(stream: &[u8], width: usize, cells: &mut [u8]) -> Result<(), String> {
    let number = |at: usize| {
        let bytes = stream.get(at..at + 4).and_then(|b| b.first_chunk());
        bytes.map(|b| u32::from_le_bytes(*b) as usize).ok_or("no RLE header")
    };
    let segments = number(0)?;
    if segments != width {
        return Err(format!("{segments} RLE segments where {width} are needed"));
    }
    for segment in 0..segments {
        let from = number(4 + 4 * segment)?;
        let to = if segment + 1 < segments { number(8 + 4 * segment)? } else { stream.len() };
        let packed = stream.get(from..to).ok_or("an RLE segment lies outside of the frame")?;
        let plane = cells.iter_mut().skip(width - 1 - segment).step_by(width);
        unpack(packed, plane)?;
    }
    Ok(())
}

/// Fills `plane` from PackBits; more than it takes is padding.
fn unpack<'c>(packed: &[u8], mut plane: impl ExactSizeIterator<Item = &'c mut u8>) -> Result<(), String> {
    let mut bytes = packed.iter();
    while plane.len() > 0 {
        let control = *bytes.next().ok_or("an RLE segment ends early")?;
        match control {
            0..=127 => {
                for _ in 0..=control {
                    let byte = bytes.next().ok_or("an RLE segment ends early")?;
                    let Some(cell) = plane.next() else { return Ok(()) };
                    *cell = *byte;
                }
            }
            128 => {}
            129..=255 => {
                let byte = bytes.next().ok_or("an RLE segment ends early")?;
                plane.by_ref().take(257 - usize::from(control)).for_each(|cell| *cell = *byte);
            }
        }
    }
    Ok(())
}
