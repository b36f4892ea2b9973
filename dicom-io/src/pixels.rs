//! The pixels of one file: whether they can be read, and where each frame of them is.
//!
//! Code streams are decoded in [`crate::codestream`], numbers become Hounsfield units in [`crate::scale`].

use crate::codestream::{self, Coding};
use crate::elements::Broken;
use crate::error::Error;
use crate::header::Header;
use crate::instance::{Format, Instance};
use crate::scan::Series;

/// A compressed image with more pixels than [`ALWAYS_ALLOWED`] needs a byte for this many: real ones reach
/// about 4, blank ones 64 in RLE. Memory is reserved by what the header says, so it must be plausible.
const MOST_PER_BYTE: u64 = 256;

/// As many pixels as 16 slices of 512 x 512 have.
const ALWAYS_ALLOWED: u64 = 16 * 512 * 512;

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
        return unsupported(format!("pixels of {allocated} bits, {stored} of them stored, high bit {high}"));
    }
    if format.lookup && series.modality == "CT" {
        return unsupported("a Modality LUT in place of slope and intercept".to_owned());
    }
    let (name, coding, _) = codestream::coding(instance.transfer_syntax.as_str());
    if coding == Coding::Unsupported {
        let transfer_syntax = instance.transfer_syntax.clone();
        return Err(Error::TransferSyntax { sop_instance_uid: uid(), transfer_syntax, name });
    }
    let present = pixels.present;
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
        (_, None) => {
            let pixels = u64::from(format.rows) * u64::from(format.columns) * instance.frame_count as u64;
            if pixels > ALWAYS_ALLOWED && pixels / MOST_PER_BYTE > present {
                return unsupported(format!("{present} bytes cannot hold so many pixels"));
            }
        }
    }
    if instance.transfer_syntax.as_str() == "1.2.840.10008.1.2.2" && allocated == 8 && pixels.vr == *b"OW" {
        return unsupported("8-bit pixels in big-endian words".to_owned());
    }
    Ok(())
}

/// Whether information was given up when the pixels were compressed, now or before.
pub(crate) fn is_lossy(instance: &Instance) -> bool {
    instance.format.lossy || codestream::coding(instance.transfer_syntax.as_str()).2
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
        let mut bytes =
            vec![0; usize::try_from(pixels.present).map_err(|_| damaged("the file is too large"))?];
        header.read_at(pixels.at, &mut bytes).map_err(|_| damaged("the file cannot be read to its end"))?;
        let mut items =
            fragments(&bytes).ok_or_else(|| damaged("the fragments of the pixels are cut off"))?;
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
    pub(crate) fn decode(
        &self,
        instance: &Instance,
        index: usize,
        cells: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let uid = instance.transfer_syntax.as_str();
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
                joined =
                    many.iter().flat_map(|range| &self.bytes[range.clone()]).copied().collect::<Vec<u8>>();
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
