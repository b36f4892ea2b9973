//! A phantom as a CT series with its truth beside it.

use std::path::Path;

use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::{FollowUp, Phantom, Truth};
use crate::date;
use crate::error::Error;
use crate::geometry::{Geometry, Ijk};
use crate::object::{Dataset, ResultObject};
use crate::uid::Uid;
use crate::volume::Volume;

/// When every phantom had its first examination.
const FIRST_DATE: &str = "20260101";

impl FollowUp {
    /// Writes the later series and its truth as [`Phantom::write`] does the first, with a study date that is
    /// `days` later.
    ///
    /// # Errors
    ///
    /// As [`Phantom::write`].
    pub fn write(&self, folder: &Path) -> Result<Truth, Error> {
        let first = date::day(FIRST_DATE).expect("it is a date");
        let date = date::text(first + i64::from(self.days));
        self.patient.write_series(folder, self.render(), &format!("{self:?}"), &date)
    }
}

impl Phantom {
    /// Writes the series (CT Image Storage, explicit VR little endian, `CT00001.dcm` and on) and
    /// `truth.json` into `folder`, which is made if need be.
    ///
    /// UIDs are derived from what the phantom is made of; the patient is called FOCI^PHANTOM.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder cannot be made, is full or may not be written to; what was written
    /// until then stays.
    pub fn write(&self, folder: &Path) -> Result<Truth, Error> {
        self.write_series(folder, self.render(), &format!("{self:?}"), FIRST_DATE)
    }

    /// Writes `made`, whose UIDs are derived from `recipe`, as a study of `date`.
    fn write_series(
        &self,
        folder: &Path,
        (volume, truth): (Volume<i16>, Truth),
        recipe: &str,
        date: &str,
    ) -> Result<Truth, Error> {
        std::fs::create_dir_all(folder).map_err(Error::Write)?;
        let uid = |parts: &[&str]| Uid::derived(&[&["phantom", recipe], parts].concat());
        let names = Names {
            study: uid(&["study"]),
            series: uid(&["series"]),
            frame_of_reference: uid(&["frame of reference"]),
            date,
        };
        let slices: Vec<_> = volume.voxels.outer_iter().collect();
        slices.into_par_iter().enumerate().try_for_each(|(k, slice)| {
            let number = if self.reversed { self.size[2] - k } else { k + 1 };
            let instance = uid(&["instance", &k.to_string()]);
            let dataset = self.slice(&volume.geometry, k, number, slice, &names, &instance);
            ResultObject::complete(dataset).write(&folder.join(format!("CT{number:05}.dcm")))
        })?;
        let json = serde_json::to_vec_pretty(&truth).expect("truth is numbers and words");
        std::fs::write(folder.join("truth.json"), json).map_err(Error::Write)?;
        Ok(truth)
    }

    fn slice(
        &self,
        geometry: &Geometry,
        k: usize,
        number: usize,
        hu: ArrayView2<'_, i16>,
        names: &Names<'_>,
        instance: &Uid,
    ) -> Dataset {
        let [i, j, _] = geometry.axes();
        let position = geometry.to_lps(Ijk::new(0.0, 0.0, k as f64)).to_array();
        let spacing = geometry.spacing();
        let (rows, columns) = hu.dim();
        let intercept = if self.signed { 0 } else { -1024 };
        let stored = |hu: i16| (i32::from(hu) - intercept) as i16;
        let pixels: Vec<u8> = hu.iter().flat_map(|&hu| stored(hu).to_le_bytes()).collect();
        let axial = i[2].abs() < 0.5 && j[2].abs() < 0.5;
        Dataset::new()
            .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
            .texts(tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", if axial { "AXIAL" } else { "MPR" }])
            .text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE)
            .uid(tags::SOP_INSTANCE_UID, instance)
            .text(tags::STUDY_DATE, VR::DA, names.date)
            .text(tags::SERIES_DATE, VR::DA, names.date)
            .text(tags::ACQUISITION_DATE, VR::DA, names.date)
            .text(tags::CONTENT_DATE, VR::DA, names.date)
            .text(tags::STUDY_TIME, VR::TM, "120000")
            .text(tags::SERIES_TIME, VR::TM, "120000")
            .text(tags::ACQUISITION_TIME, VR::TM, "120000")
            .text(tags::CONTENT_TIME, VR::TM, "120000")
            .text(tags::ACCESSION_NUMBER, VR::SH, "")
            .text(tags::MODALITY, VR::CS, "CT")
            .text(tags::MANUFACTURER, VR::LO, "Foci")
            .text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "")
            .text(tags::STUDY_DESCRIPTION, VR::LO, "Synthetic chest and abdomen")
            .text(tags::SERIES_DESCRIPTION, VR::LO, "Synthetic portal venous phase")
            .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Phantom")
            .text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"))
            .text(tags::PATIENT_NAME, VR::PN, "FOCI^PHANTOM")
            .text(tags::PATIENT_ID, VR::LO, &format!("FOCI-PHANTOM-{}", self.seed))
            .text(tags::PATIENT_BIRTH_DATE, VR::DA, "")
            .text(tags::PATIENT_SEX, VR::CS, "O")
            .text(tags::CONTRAST_BOLUS_AGENT, VR::LO, "SYNTHETIC")
            .text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST")
            .decimals(tags::SLICE_THICKNESS, &[spacing.k])
            .text(tags::KVP, VR::DS, "120")
            .text(tags::CONVOLUTION_KERNEL, VR::SH, "NONE")
            .text(tags::PATIENT_POSITION, VR::CS, "HFS")
            .uid(tags::STUDY_INSTANCE_UID, &names.study)
            .uid(tags::SERIES_INSTANCE_UID, &names.series)
            .text(tags::STUDY_ID, VR::SH, "1")
            .integer(tags::SERIES_NUMBER, 1)
            .integer(tags::ACQUISITION_NUMBER, 1)
            .integer(tags::INSTANCE_NUMBER, number as u32)
            .decimals(tags::IMAGE_POSITION_PATIENT, &position)
            .decimals(tags::IMAGE_ORIENTATION_PATIENT, &[i, j].concat())
            .uid(tags::FRAME_OF_REFERENCE_UID, &names.frame_of_reference)
            .text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "")
            .shorts(tags::SAMPLES_PER_PIXEL, &[1])
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .shorts(tags::ROWS, &[rows as u16])
            .shorts(tags::COLUMNS, &[columns as u16])
            .decimals(tags::PIXEL_SPACING, &[spacing.j, spacing.i])
            .shorts(tags::BITS_ALLOCATED, &[16])
            .shorts(tags::BITS_STORED, &[16])
            .shorts(tags::HIGH_BIT, &[15])
            .shorts(tags::PIXEL_REPRESENTATION, &[u16::from(self.signed)])
            .decimals(tags::WINDOW_CENTER, &[40.0])
            .decimals(tags::WINDOW_WIDTH, &[400.0])
            .decimals(tags::RESCALE_INTERCEPT, &[f64::from(intercept)])
            .decimals(tags::RESCALE_SLOPE, &[1.0])
            .text(tags::RESCALE_TYPE, VR::LO, "HU")
            .words(tags::PIXEL_DATA, pixels)
    }
}

/// The UIDs and the date that all slices share.
struct Names<'a> {
    study: Uid,
    series: Uid,
    frame_of_reference: Uid,
    date: &'a str,
}
