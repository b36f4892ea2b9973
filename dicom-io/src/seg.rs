//! Masks as a DICOM segmentation.
//!
//! Binary, one bit for each pixel, and only frames in which something lies. Masks come as boxes within
//! the source grid, so a small lesion in a large series costs little.
//!
//! Source: DICOM PS3.3 A.51 and C.8.20.

use std::collections::BTreeSet;

use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};
use ndarray::{ArrayView3, s};

use crate::geometry::{Geometry, Ijk};
use crate::object::{Algorithm, Context, Dataset, Kind, NewSeries, ResultObject, text};
use crate::sr::codes::{Code, template};
use crate::sr::{Site, content::reference};
use crate::{SliceRef, Uid};

/// One thing that is drawn.
#[derive(Debug, Clone)]
pub struct Segment<'a> {
    /// What a reader calls it, such as `Nodule 1`; at most 64 characters.
    pub label: String,
    /// What sort of thing, such as [`MORPHOLOGICALLY_ABNORMAL_STRUCTURE`](crate::sr::codes).
    pub category: Code,
    /// What it is, such as a nodule or the liver.
    pub property: Code,
    /// Where it lies; may be empty, and is for an organ.
    pub sites: Vec<Site>,
    /// Which of [`Context::algorithms`] drew it.
    pub algorithm: usize,
    /// The tracking identity of the finding that it is: name and UID, the same as in the report.
    pub tracking: Option<(String, Uid)>,
    /// The colour that viewers should draw it in: red, green, blue.
    pub colour: [u8; 3],
    /// Which voxels belong to it: a box of the source grid, `[k, j, i]`.
    pub mask: ArrayView3<'a, bool>,
    /// Where that box begins in the source grid: slice, row, column.
    pub offset: [usize; 3],
}

/// The segments of one analysis. Their numbers are 1, 2, 3 and so on, in this order.
#[derive(Debug, Clone)]
pub struct Segmentation<'a> {
    /// The series that it goes into.
    pub series: NewSeries,
    /// Content Label: at most 16 capital letters, digits, blanks and underscores.
    pub label: String,
    /// The segments; at least one voxel among them.
    pub segments: Vec<Segment<'a>>,
}

/// One frame: the voxels of one segment in one slice.
struct Frame {
    segment: usize,
    k: usize,
}

impl Segmentation<'_> {
    /// The segmentation as a binary Segmentation object.
    ///
    /// # Panics
    ///
    /// If no voxel is set, if a box reaches beyond the source grid, or if an algorithm is not there:
    /// mistakes of the caller.
    pub fn to_object(&self, context: &Context) -> ResultObject {
        let [_, rows, columns] = context.shape;
        let frames = self.frames();
        assert!(!frames.is_empty(), "a segmentation holds something");
        for segment in &self.segments {
            let ends = (0..3).map(|axis| segment.offset[axis] + segment.mask.shape()[axis]);
            assert!(
                ends.zip(context.shape).all(|(end, limit)| end <= limit),
                "a mask lies within the series"
            );
        }
        let short = |number: usize| u16::try_from(number).expect("DICOM images have at most 65,535 rows");

        let kind = Kind { sop_class: uids::SEGMENTATION_STORAGE, modality: "SEG" };
        let organization = context.uid(&["dimension organization", &self.label]);
        let dataset = context
            .header(&kind, &self.series)
            .with(context.lossy())
            .integer(tags::INSTANCE_NUMBER, 1)
            .uid(tags::FRAME_OF_REFERENCE_UID, &context.frame_of_reference())
            .text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "")
            .texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"])
            .shorts(tags::SAMPLES_PER_PIXEL, &[1])
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .shorts(tags::ROWS, &[short(rows)])
            .shorts(tags::COLUMNS, &[short(columns)])
            .shorts(tags::BITS_ALLOCATED, &[1])
            .shorts(tags::BITS_STORED, &[1])
            .shorts(tags::HIGH_BIT, &[0])
            .shorts(tags::PIXEL_REPRESENTATION, &[0])
            .text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY")
            .text(tags::SEGMENTS_OVERLAP, VR::CS, if self.overlap() { "YES" } else { "NO" })
            .text(tags::CONTENT_LABEL, VR::CS, &self.label)
            .text(tags::CONTENT_DESCRIPTION, VR::LO, &self.series.description)
            // A person name without a component delimiter is a retired form.
            .text(tags::CONTENT_CREATOR_NAME, VR::PN, &format!("{}^", context.equipment.model_name))
            .items(
                tags::SEGMENT_SEQUENCE,
                self.segments.iter().zip(1..).map(|(segment, number)| segment.describe(number, context)),
            )
            .items(tags::REFERENCED_SERIES_SEQUENCE, [referenced_series(context)])
            .items(
                tags::DIMENSION_ORGANIZATION_SEQUENCE,
                [Dataset::new().uid(tags::DIMENSION_ORGANIZATION_UID, &organization)],
            )
            .items(tags::DIMENSION_INDEX_SEQUENCE, dimensions(&organization))
            .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, [shared(context)])
            .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, per_frame(&frames, context))
            .integer(
                tags::NUMBER_OF_FRAMES,
                u32::try_from(frames.len()).expect("frames are counted in 32 bits"),
            )
            .bytes(tags::PIXEL_DATA, self.pack(&frames, rows, columns));
        ResultObject::new(dataset, context)
    }

    /// The slices of each segment in which something lies, in the order of segment and slice.
    fn frames(&self) -> Vec<Frame> {
        let slices = |(number, segment): (usize, &Segment)| {
            let occupied =
                segment.mask.outer_iter().enumerate().filter(|(_, slice)| slice.iter().any(|v| *v));
            let first = segment.offset[0];
            occupied.map(|(k, _)| Frame { segment: number, k: first + k }).collect::<Vec<_>>()
        };
        self.segments.iter().enumerate().flat_map(slices).collect()
    }

    /// Pixels as bits, the first pixel in the lowest; frames follow each other without a gap, so that one
    /// may begin within a byte.
    ///
    /// Source: PS3.5 8.1.1 and annex D.
    fn pack(&self, frames: &[Frame], rows: usize, columns: usize) -> Vec<u8> {
        let mut bytes = vec![0_u8; (frames.len() * rows * columns).div_ceil(8)];
        for (number, frame) in frames.iter().enumerate() {
            let Segment { mask, offset: [first, top, left], .. } = &self.segments[frame.segment];
            for (j, row) in mask.slice(s![frame.k - first, .., ..]).outer_iter().enumerate() {
                let start = (number * rows + top + j) * columns + left;
                for (i, inside) in row.iter().enumerate() {
                    bytes[(start + i) / 8] |= u8::from(*inside) << ((start + i) % 8);
                }
            }
        }
        bytes
    }

    /// Whether any voxel belongs to two segments.
    fn overlap(&self) -> bool {
        let pairs = self.segments.iter().enumerate();
        pairs.flat_map(|(n, a)| self.segments[n + 1..].iter().map(move |b| (a, b))).any(|(a, b)| a.meets(b))
    }
}

impl Segment<'_> {
    fn meets(&self, other: &Self) -> bool {
        let start: [usize; 3] = std::array::from_fn(|axis| self.offset[axis].max(other.offset[axis]));
        let end = |of: &Self, axis: usize| of.offset[axis] + of.mask.shape()[axis];
        let end: [usize; 3] = std::array::from_fn(|axis| end(self, axis).min(end(other, axis)));
        if (0..3).any(|axis| start[axis] >= end[axis]) {
            return false;
        }
        let common = |of: &Self| {
            let range = |axis: usize| start[axis] - of.offset[axis]..end[axis] - of.offset[axis];
            of.mask.slice_move(s![range(0), range(1), range(2)])
        };
        common(self).iter().zip(common(other).iter()).any(|(a, b)| *a && *b)
    }

    /// The item of Segment Sequence (PS3.3 C.8.20.4).
    fn describe(&self, number: u16, context: &Context) -> Dataset {
        let algorithm = &context.algorithms[self.algorithm];
        let mut to = Dataset::new()
            .shorts(tags::SEGMENT_NUMBER, &[number])
            .text(tags::SEGMENT_LABEL, VR::LO, &self.label)
            .text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC")
            .text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &algorithm.name)
            .items(tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE, [identification(algorithm)])
            .code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, &self.category)
            .code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, &self.property)
            .shorts(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE, &cie_lab(self.colour));
        if !self.sites.is_empty() {
            to = to.items(
                tags::ANATOMIC_REGION_SEQUENCE,
                self.sites.iter().map(|site| {
                    let place = Dataset::from(&site.place);
                    match &site.laterality {
                        Some(side) => place.code(tags::ANATOMIC_REGION_MODIFIER_SEQUENCE, side),
                        None => place,
                    }
                }),
            );
        }
        if let Some((name, uid)) = &self.tracking {
            to = to.text(tags::TRACKING_ID, VR::UT, name).uid(tags::TRACKING_UID, uid);
        }
        to
    }
}

/// Algorithm Identification Macro (PS3.3 10.16).
fn identification(algorithm: &Algorithm) -> Dataset {
    Dataset::new()
        .code(tags::ALGORITHM_FAMILY_CODE_SEQUENCE, &template::ARTIFICIAL_INTELLIGENCE)
        .text(tags::ALGORITHM_NAME, VR::LO, &algorithm.name)
        .text(tags::ALGORITHM_VERSION, VR::LO, &algorithm.version)
        .text(tags::ALGORITHM_PARAMETERS, VR::LT, &algorithm.parameters.join("\n"))
        .text(tags::ALGORITHM_SOURCE, VR::LO, &algorithm.manufacturer)
}

/// The source series with every slice that was read (PS3.3 C.12.2).
fn referenced_series(context: &Context) -> Dataset {
    let mut seen = BTreeSet::new();
    let slices = context
        .slices
        .iter()
        .filter(|slice| seen.insert(slice.sop_instance_uid.as_str()))
        .map(|slice| reference(&SliceRef { frame: None, ..slice.clone() }));
    Dataset::new()
        .uid(tags::SERIES_INSTANCE_UID, context.source.series_uid())
        .items(tags::REFERENCED_INSTANCE_SEQUENCE, slices)
}

/// Frames are ordered by segment, then by position (PS3.3 C.7.6.17).
fn dimensions(organization: &Uid) -> [Dataset; 2] {
    let dimension = |pointer, group, label: &str| {
        Dataset::new()
            .tag(tags::DIMENSION_INDEX_POINTER, pointer)
            .tag(tags::FUNCTIONAL_GROUP_POINTER, group)
            .uid(tags::DIMENSION_ORGANIZATION_UID, organization)
            .text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label)
    };
    [
        dimension(tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE, "Segment Number"),
        dimension(tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "Image Position (Patient)"),
    ]
}

/// Functional groups that are the same for every frame: orientation and spacing.
fn shared(context: &Context) -> Dataset {
    let [columns, rows, _] = context.geometry.axes();
    let spacing = context.geometry.spacing();
    let thickness = text(context.source.object(), tags::SLICE_THICKNESS).parse().ok();
    let thickness = thickness.filter(|mm: &f64| mm.is_finite() && *mm > 0.0).unwrap_or(spacing.k);
    Dataset::new()
        .items(
            tags::PLANE_ORIENTATION_SEQUENCE,
            [Dataset::new().decimals(tags::IMAGE_ORIENTATION_PATIENT, &[columns, rows].concat())],
        )
        .items(
            tags::PIXEL_MEASURES_SEQUENCE,
            [Dataset::new()
                .decimals(tags::PIXEL_SPACING, &[spacing.j, spacing.i])
                .decimals(tags::SLICE_THICKNESS, &[thickness])
                .decimals(tags::SPACING_BETWEEN_SLICES, &[spacing.k])],
        )
}

/// Functional groups of each frame: what it shows, where it lies, which slice it was drawn on.
fn per_frame<'a>(frames: &'a [Frame], context: &'a Context) -> impl Iterator<Item = Dataset> + 'a {
    let positions: Vec<usize> =
        frames.iter().map(|frame| frame.k).collect::<BTreeSet<_>>().into_iter().collect();
    frames.iter().map(move |frame| {
        let number = frame.segment as u32 + 1;
        let position = positions.binary_search(&frame.k).expect("every position was collected") as u32 + 1;
        let source = reference(&context.slices[frame.k])
            .code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &template::SOURCE_IMAGE)
            .text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES");
        Dataset::new()
            .items(
                tags::FRAME_CONTENT_SEQUENCE,
                [Dataset::new().longs(tags::DIMENSION_INDEX_VALUES, &[number, position])],
            )
            .items(
                tags::PLANE_POSITION_SEQUENCE,
                [Dataset::new().decimals(tags::IMAGE_POSITION_PATIENT, &corner(context.geometry, frame.k))],
            )
            .items(
                tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                [Dataset::new().shorts(tags::REFERENCED_SEGMENT_NUMBER, &[frame.segment as u16 + 1])],
            )
            .items(
                tags::DERIVATION_IMAGE_SEQUENCE,
                [Dataset::new()
                    .code(tags::DERIVATION_CODE_SEQUENCE, &template::SEGMENTATION)
                    .items(tags::SOURCE_IMAGE_SEQUENCE, [source])],
            )
    })
}

/// Image Position (Patient) of slice `k`.
fn corner(geometry: &Geometry, k: usize) -> [f64; 3] {
    geometry.to_lps(Ijk::new(0.0, 0.0, k as f64)).to_array()
}

/// An sRGB colour as DICOM wants it: CIELab under D50, each of its three values over the whole of 16 bits.
///
/// Source: PS3.3 C.10.7.1.1; the matrix is sRGB to XYZ, adapted to D50 (Bradford).
fn cie_lab(colour: [u8; 3]) -> [u16; 3] {
    const TO_XYZ: [[f64; 3]; 3] = [
        [0.436_074_7, 0.385_064_9, 0.143_080_4],
        [0.222_504_5, 0.716_878_6, 0.060_616_9],
        [0.013_932_2, 0.097_104_5, 0.714_173_3],
    ];
    const WHITE: [f64; 3] = [0.964_22, 1.0, 0.825_21];
    let linear = colour.map(|c| {
        let c = f64::from(c) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let f = |t: f64| if t > (6.0_f64 / 29.0).powi(3) { t.cbrt() } else { t * 841.0 / 108.0 + 4.0 / 29.0 };
    let [x, y, z]: [f64; 3] = std::array::from_fn(|row| {
        f((0..3).map(|column| TO_XYZ[row][column] * linear[column]).sum::<f64>() / WHITE[row])
    });
    let (l, a, b) = (116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z));
    [l / 100.0, (a + 128.0) / 255.0, (b + 128.0) / 255.0]
        .map(|share| (share * 65535.0).round().clamp(0.0, 65535.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_cie_lab_over_sixteen_bits() {
        // White is L 100, a 0, b 0; pure red is L 54.29, a 80.81, b 69.89 under D50.
        let near = |found: [u16; 3], wanted: [f64; 3]| {
            let scaled = [wanted[0] / 100.0, (wanted[1] + 128.0) / 255.0, (wanted[2] + 128.0) / 255.0];
            (0..3).all(|c| (f64::from(found[c]) - scaled[c] * 65535.0).abs() < 20.0)
        };
        assert!(near(cie_lab([255, 255, 255]), [100.0, 0.0, 0.0]), "{:?}", cie_lab([255; 3]));
        assert!(near(cie_lab([255, 0, 0]), [54.29, 80.81, 69.89]), "{:?}", cie_lab([255, 0, 0]));
    }
}
