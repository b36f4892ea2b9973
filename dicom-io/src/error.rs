//! Why DICOM data was refused.

use crate::uid::Uid;
use crate::units::Millimetre;

/// Why something could not be read, or a series is no volume.
///
/// Messages name UIDs, never patients or paths: they end up in logs. Nothing here is worth a retry; where
/// asking the archive again may help, the variant says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The place to read from is not there or closed to us: look at what was typed.
    #[error("cannot read the given place: {0}")]
    Io(#[from] std::io::Error),

    /// Ask the archive again: the file is cut off or its pixels do not fill the image.
    #[error("instance {sop_instance_uid}: {found} bytes of pixel data where {expected} are needed")]
    PixelLength {
        /// Which image.
        sop_instance_uid: Uid,
        /// Bytes that are there.
        found: u64,
        /// Rows x Columns x bytes per pixel x frames.
        expected: u64,
    },

    /// Ask the archive again: the file does not follow its own lengths, or was changed while being read.
    #[error("instance {sop_instance_uid}: {cause}")]
    Damaged {
        /// Which file.
        sop_instance_uid: Uid,
        /// What is wrong with it.
        cause: &'static str,
    },

    /// Ask the archive again: slices were lost on the way.
    #[error(
        "series {series_uid}: {missing} slices are missing: a gap of {found} where slices lie {expected} apart, \
         {at} from the first slice"
    )]
    MissingSlices {
        /// Which series.
        series_uid: Uid,
        /// How many, in all gaps.
        missing: usize,
        /// The usual distance.
        expected: Millimetre,
        /// The first gap that is too wide.
        found: Millimetre,
        /// Where that gap begins, along the normal from the lowest slice.
        at: Millimetre,
    },

    /// Ask for fewer at a time: more voxels than the budget allows.
    #[error("series {series_uid}: more than {limit} voxels")]
    TooLarge {
        /// Which series.
        series_uid: Uid,
        /// [`MAX_VOXELS`](crate::MAX_VOXELS).
        limit: usize,
    },

    /// Not an image that makes a volume: choose another series.
    #[error("series {series_uid}: {cause}")]
    NotAVolume {
        /// Which series.
        series_uid: Uid,
        /// Why not.
        cause: String,
    },

    /// Let the archive transcode it: the transfer syntax is one that Foci does not decode.
    #[error("instance {sop_instance_uid}: transfer syntax {name} ({transfer_syntax}) is not supported")]
    TransferSyntax {
        /// Which image.
        sop_instance_uid: Uid,
        /// Its transfer syntax UID.
        transfer_syntax: Uid,
        /// What the standard calls it.
        name: &'static str,
    },

    /// An image of a kind whose values are not understood: colour, floating point, lookup tables.
    #[error("instance {sop_instance_uid}: {cause}")]
    UnsupportedImage {
        /// Which image.
        sop_instance_uid: Uid,
        /// What is not supported.
        cause: String,
    },

    /// The code stream does not decode, or not to the image that the header describes.
    #[error("instance {sop_instance_uid}: cannot decode {name}: {cause}")]
    Decode {
        /// Which image.
        sop_instance_uid: Uid,
        /// The transfer syntax.
        name: &'static str,
        /// What the decoder said.
        cause: String,
    },

    /// One slice has no slope above or below zero to make Hounsfield units with.
    #[error("instance {sop_instance_uid}: {cause}")]
    Rescale {
        /// Which image.
        sop_instance_uid: Uid,
        /// What is wrong with the slope or intercept.
        cause: &'static str,
    },

    /// The images do not say where they lie.
    #[error("series {series_uid}: {images} images have no usable {attribute}")]
    NoPosition {
        /// Which series.
        series_uid: Uid,
        /// What is missing.
        attribute: &'static str,
        /// In how many images.
        images: usize,
    },

    /// Too few slices to know, rather than guess, how far apart they lie.
    #[error("series {series_uid}: {found} slices where at least {needed} are needed")]
    TooFewSlices {
        /// Which series.
        series_uid: Uid,
        /// Slices at different places.
        found: usize,
        /// [`MIN_SLICES`](crate::MIN_SLICES).
        needed: usize,
    },

    /// Images of one series differ in something that one volume has only one of.
    #[error("series {series_uid}: its images have {values} different values of {attribute}")]
    Differs {
        /// Which series.
        series_uid: Uid,
        /// What differs.
        attribute: &'static str,
        /// How many different ones there are.
        values: usize,
    },

    /// The image planes are not parallel, by more than a few localizers explain.
    #[error("series {series_uid}: its images lie in {orientations} different orientations")]
    MixedOrientations {
        /// Which series.
        series_uid: Uid,
        /// How many.
        orientations: usize,
    },

    /// Split the series: it holds several volumes.
    #[error("series {series_uid}: holds {groups} volumes, told apart by {attribute}")]
    SeveralVolumes {
        /// Which series.
        series_uid: Uid,
        /// By what.
        attribute: &'static str,
        /// How many there are.
        groups: usize,
    },

    /// Several images at one place that are not the same, and nothing splits them into volumes.
    #[error("series {series_uid}: {images} images lie where another one lies and differ from it in {differ}")]
    SamePlace {
        /// Which series.
        series_uid: Uid,
        /// How many beyond the first at each place.
        images: usize,
        /// Attributes with different values, or "pixels".
        differ: String,
    },

    /// Refuse the series: a tilted gantry shears the grid.
    #[error("series {series_uid}: the gantry is tilted by {degrees:.1} degrees{}", uneven(*.gaps))]
    GantryTilt {
        /// Which series.
        series_uid: Uid,
        /// Between the normal of the slices and the direction in which they follow each other.
        degrees: f64,
        /// The narrowest and the widest gap, if these are uneven as well.
        gaps: Option<(Millimetre, Millimetre)>,
    },

    /// Refuse the series: slices jump sideways.
    #[error("series {series_uid}: slices are shifted against each other by up to {worst} within their plane")]
    Shifted {
        /// Which series.
        series_uid: Uid,
        /// The furthest from a straight stack.
        worst: Millimetre,
    },

    /// Refuse the series: distances between slices vary, and not because some are missing.
    #[error("series {series_uid}: slices lie between {narrowest} and {widest} apart")]
    UnevenSpacing {
        /// Which series.
        series_uid: Uid,
        /// The narrowest gap.
        narrowest: Millimetre,
        /// The widest gap.
        widest: Millimetre,
    },

    /// Make room or choose another folder, then write again: nothing was left behind.
    #[error("the object cannot be written: {0}")]
    Write(#[source] std::io::Error),

    /// Read something else: this object holds no report of the kind asked for.
    #[error("no such report: {0}")]
    NotAReport(&'static str),
}

fn uneven(gaps: Option<(Millimetre, Millimetre)>) -> String {
    gaps.map_or_else(String::new, |(narrowest, widest)| {
        format!(" and slices lie {narrowest} to {widest} apart")
    })
}
