//! From a series to a volume.
//!
//! Which images make it is decided in [`crate::plan`], from headers; here pixels are read, in parallel,
//! each slice straight into its place.

use std::collections::HashMap;

use ndarray::Array3;
use rayon::prelude::*;

use crate::codestream::{Coding, coding};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::header::Header;
use crate::instance::Instance;
use crate::pixels::{Encoded, frame_bytes};
use crate::plan::{Plan, Slice};
use crate::scale::Scale;
use crate::scan::Series;
use crate::source::Source;
use crate::uid::Uid;
use crate::volume::Volume;
use crate::warning::Warning;

/// A series as a volume, with what a result has to say about its origin.
#[derive(Debug)]
pub struct Reading {
    /// The voxels: Hounsfield units for CT, stored values for everything else.
    pub volume: Volume<i16>,
    /// The image of each slice, in the order of k.
    pub slices: Vec<SliceRef>,
    /// What is odd about the series.
    pub warnings: Vec<Warning>,
    /// The patient, study and series.
    pub source: Source,
}

/// The image that a slice of a volume came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceRef {
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// The frame, counted from 1, if the instance has several.
    pub frame: Option<u32>,
}

impl Series {
    /// The grid and the number of slices, rows and columns that [`read`](Self::read) would return, and its
    /// warnings as far as headers show them.
    ///
    /// # Errors
    ///
    /// Every reason why the series is no volume that its headers show.
    pub fn check(&self) -> Result<(Geometry, [usize; 3], Vec<Warning>), Error> {
        let plan = Plan::of(self)?;
        Ok((plan.geometry, plan.shape, plan.warnings))
    }

    /// The patient, study and series, without reading any pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the first image was changed since it was found, or is not to be understood.
    pub fn source(&self) -> Result<Source, Error> {
        let Some(first) = self.instances.first() else {
            return Err(Error::NotAVolume { series_uid: self.uid.clone(), cause: "it is empty".to_owned() });
        };
        Source::read(&reopen(first)?).ok_or_else(|| Error::Damaged {
            sop_instance_uid: first.sop_instance_uid.clone(),
            cause: "the attributes of patient and study cannot be understood",
        })
    }

    /// Reads the series into a volume.
    ///
    /// Columns follow the row direction cosine (i), rows the column direction cosine (j), and slices are
    /// sorted along their cross product (k), whatever the order of files, numbers and acquisition.
    ///
    /// CT values are Hounsfield units by the slope and intercept of each slice, rounded to whole ones and
    /// cut off at 16 bits; pixel padding becomes [`AIR_HU`](crate::scale::AIR_HU). Values of other
    /// modalities are the stored ones.
    ///
    /// # Errors
    ///
    /// All of [`check`](Self::check), and what only the pixels show: files cut off or changed, code streams
    /// that do not decode, images at one place that are not the same.
    pub fn read(&self) -> Result<Reading, Error> {
        let plan = Plan::of(self)?;
        let [slices, rows, columns] = plan.shape;
        let mut voxels = vec![0i16; slices * rows * columns];
        let mut warnings = plan.warnings.clone();

        let mut jobs: Vec<Job<'_, '_>> = Vec::new();
        let mut job_of: HashMap<&Uid, usize> = HashMap::new();
        for (slice, voxels) in plan.slices.iter().zip(voxels.chunks_exact_mut(rows * columns)) {
            let job = *job_of.entry(&slice.instance.sop_instance_uid).or_insert(jobs.len());
            if job == jobs.len() {
                jobs.push(Job { instance: slice.instance, parts: Vec::new() });
            }
            jobs[job].parts.push((*slice, voxels));
        }
        let stored = plan.stored_values;
        let done: Vec<Result<usize, Error>> =
            jobs.into_par_iter().map_init(Vec::new, |cells, job| job.run(stored, cells)).collect();
        let clamped = done.into_iter().sum::<Result<usize, Error>>()?;
        if clamped > 0 {
            warnings.push(Warning::Clamped { voxels: clamped });
        }
        compare_twins(self, &plan, &voxels)?;

        let damaged = |slice: &Slice<'_>, cause| Error::Damaged {
            sop_instance_uid: slice.instance.sop_instance_uid.clone(),
            cause,
        };
        let first = &plan.slices[0];
        let header = reopen(first.instance)?;
        let source = Source::read(&header)
            .ok_or_else(|| damaged(first, "the attributes of patient and study cannot be understood"))?;
        let voxels = Array3::from_shape_vec((slices, rows, columns), voxels)
            .expect("one chunk of rows x columns for every slice");
        let slices = plan.slices.iter().map(Slice::reference).collect();
        Ok(Reading { volume: Volume { voxels, geometry: plan.geometry }, slices, warnings, source })
    }
}

impl Slice<'_> {
    fn reference(&self) -> SliceRef {
        SliceRef {
            sop_class_uid: self.instance.sop_class_uid.clone(),
            sop_instance_uid: self.instance.sop_instance_uid.clone(),
            frame: self.instance.enhanced.then_some(self.index as u32 + 1),
        }
    }
}

/// Images at the place of a slice that were left out must have its values.
fn compare_twins(series: &Series, plan: &Plan<'_>, voxels: &[i16]) -> Result<(), Error> {
    let size = plan.shape[1] * plan.shape[2];
    let differs = |(k, twin): &(usize, Slice<'_>)| -> Result<bool, Error> {
        let mut values = vec![0; size];
        let same_size = [twin.instance.format.rows, twin.instance.format.columns].map(usize::from);
        if same_size != plan.shape[1..] {
            return Ok(true);
        }
        crate::pixels::check(series, twin.instance)?;
        let job = Job { instance: twin.instance, parts: vec![(*twin, &mut values)] };
        job.run(plan.stored_values, &mut Vec::new())?;
        Ok(values != voxels[k * size..(k + 1) * size])
    };
    let found: Result<Vec<bool>, Error> = plan.twins.par_iter().map(differs).collect();
    match found?.into_iter().filter(|differs| *differs).count() {
        0 => Ok(()),
        images => {
            Err(Error::SamePlace { series_uid: series.uid.clone(), images, differ: "pixels".to_owned() })
        }
    }
}

/// The file of `instance`, opened again, if it still says the same.
fn reopen(instance: &Instance) -> Result<Header, Error> {
    let changed = || Error::Damaged {
        sop_instance_uid: instance.sop_instance_uid.clone(),
        cause: "the file was changed or removed while it was being read",
    };
    let header = Header::open(instance.path()).map_err(|_| changed())?;
    match Instance::of(instance.path(), &header) {
        Ok((now, _)) if now == *instance => Ok(header),
        _ => Err(changed()),
    }
}

/// The slices that come from one instance, and where their values go.
struct Job<'p, 'v> {
    instance: &'p Instance,
    parts: Vec<(Slice<'p>, &'v mut [i16])>,
}

impl Job<'_, '_> {
    /// Reads the pixels and returns how many were cut off to fit 16 bits. `cells` is room to work in.
    fn run(self, stored_values: bool, cells: &mut Vec<u8>) -> Result<usize, Error> {
        let instance = self.instance;
        let mut header = reopen(instance)?;
        let big_endian = header.is_big_endian();
        let scale = |slice: &Slice<'_>, width, big_endian| Scale {
            format: &instance.format,
            rescale: (!stored_values).then_some(slice.frame.rescale),
            width,
            big_endian,
        };
        if coding(instance.transfer_syntax.as_str()).1 == Coding::Native {
            let size = frame_bytes(&instance.format);
            let start = instance.pixels.map_or(0, |pixels| pixels.at);
            cells.resize(size, 0);
            let mut clamped = 0;
            for (slice, values) in self.parts {
                let at = start + slice.index as u64 * size as u64;
                header.read_at(at, cells).map_err(|_| Error::Damaged {
                    sop_instance_uid: instance.sop_instance_uid.clone(),
                    cause: "the pixels cannot be read to their end",
                })?;
                let width = usize::from(instance.format.allocated / 8);
                clamped += scale(&slice, width, big_endian).apply(cells, values);
            }
            return Ok(clamped);
        }
        let encoded = Encoded::read(&mut header, instance)?;
        let decode = |cells: &mut Vec<u8>, (slice, values): (Slice<'_>, &mut [i16])| {
            let width = encoded.decode(instance, slice.index, cells)?;
            Ok(scale(&slice, width, false).apply(cells, values))
        };
        match self.parts.len() {
            1 => self.parts.into_iter().map(|part| decode(cells, part)).sum(),
            _ => {
                let done: Vec<Result<usize, Error>> = self
                    .parts
                    .into_par_iter()
                    .map_init(Vec::new, |cells, part| decode(cells, part))
                    .collect();
                done.into_iter().sum()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sha2::{Digest, Sha256};

    use super::*;

    /// The stored values of the only image in `path`.
    fn values(path: &Path) -> Result<Vec<i16>, Error> {
        let scan = crate::scan(&[path.to_owned()])?;
        let series = &scan.studies[0].series[0];
        let instance = &series.instances[0];
        crate::pixels::check(series, instance)?;
        let mut values = vec![0; usize::from(instance.format.rows) * usize::from(instance.format.columns)];
        let slice = Slice { instance, index: 0, frame: &instance.frames[0] };
        Job { instance, parts: vec![(slice, &mut values)] }.run(true, &mut Vec::new())?;
        Ok(values)
    }

    /// The NEMA compliance images, unless they are missing and may be.
    fn nema(test: &str) -> Option<PathBuf> {
        let given = std::env::var_os("FOCI_DATA").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-data"));
        let folder = given.or_else(home)?.join("dicom_test_files/data/WG04");
        if folder.is_dir() {
            return Some(folder);
        }
        let required = std::env::var("FOCI_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|part| part == "data"),
            "FOCI_REQUIRE names data, but WG04 is not there"
        );
        // To the handle itself: what a passing test prints with a macro is held back.
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("skipped: {test}: no dicom_test_files/data/WG04 among the data\n"),
        );
        None
    }

    /// The first bytes of the SHA-256 of the stored values, 16 bits little endian, that pydicom 3.0.2 finds
    /// in the uncompressed originals.
    const ORIGINALS: [(&str, &str); 8] = [
        ("CT1", "1add6ede29758c6f"),
        ("CT2", "ddaf7fb6a05bf7ac"),
        ("MR1", "2541a628cb676972"),
        ("MR2", "7d1a676f3c012d0c"),
        ("MR3", "9d32a2a63e3980d0"),
        ("MR4", "9c7574cb23eef7f9"),
        ("NM1", "a6e9d32143339d3f"),
        ("XA1", "797b3375a2d1f94c"),
    ];

    #[test]
    fn lossless_code_streams_of_real_images_give_the_original() {
        let Some(folder) = nema("lossless_code_streams_of_real_images_give_the_original") else { return };
        for (image, original) in ORIGINALS {
            for kind in ["J2KR", "JPLL", "RLE"] {
                let values = values(&folder.join(kind).join(format!("{image}_{kind}"))).unwrap();
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                let hash = Sha256::digest(bytes);
                let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(hash, original, "{image} {kind}");
            }
        }
    }

    #[test]
    fn lossy_code_streams_of_real_images_lose_what_others_find_lost() {
        let Some(folder) = nema("lossy_code_streams_of_real_images_lose_what_others_find_lost") else {
            return;
        };
        // Mean differences as SimpleITK 2.5.7 has them; another OpenJPEG may round otherwise.
        for (image, expected) in [("CT1", 25.92), ("CT2", 17.62), ("MR1", 34.91), ("MR3", 21.98)] {
            let exact = values(&folder.join("RLE").join(format!("{image}_RLE"))).unwrap();
            let lossy = values(&folder.join("J2KI").join(format!("{image}_J2KI"))).unwrap();
            let apart = exact.iter().zip(&lossy).map(|(a, b)| f64::from(a.abs_diff(*b)));
            let mean = apart.sum::<f64>() / exact.len() as f64;
            assert!((mean - expected).abs() < 0.1, "{image}: {mean}");
        }
    }

    #[test]
    fn kinds_that_are_not_decoded_are_refused() {
        let Some(folder) = nema("kinds_that_are_not_decoded_are_refused") else { return };
        let jpeg_ls = values(&folder.join("JLSL/CT1_JLSL")).unwrap_err().to_string();
        assert!(jpeg_ls.ends_with("JPEG-LS Lossless (1.2.840.10008.1.2.4.80) is not supported"), "{jpeg_ls}");
        let twelve_bits = values(&folder.join("JPLY/MR1_JPLY")).unwrap_err().to_string();
        assert!(twelve_bits.contains("cannot decode JPEG Extended: "), "{twelve_bits}");
        let colour = values(&folder.join("RLE/US1_RLE")).unwrap_err().to_string();
        assert!(colour.ends_with("3 samples per pixel, RGB: not a grey image"), "{colour}");
    }
}
