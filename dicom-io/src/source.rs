//! What a result object takes over from the images it was made from.

use dicom::core::Tag;
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;

use crate::{Uid, error::Error};

/// One slice, as other objects refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceRef {
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// Which frame of it, from 1, where one object holds many.
    pub frame: Option<u32>,
}

/// The header of one image of the source series, without its pixels.
#[derive(Debug, Clone)]
pub struct Source {
    object: InMemDicomObject,
    study_uid: Uid,
    series_uid: Uid,
}

impl Source {
    /// Takes the header of one image; pixels are dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Header`] if the study or the series has no valid UID.
    pub fn from_object(mut object: InMemDicomObject) -> Result<Self, Error> {
        object.remove_element(tags::PIXEL_DATA);
        let study_uid = uid(&object, tags::STUDY_INSTANCE_UID).ok_or(Error::Header("Study Instance UID"))?;
        let series_uid =
            uid(&object, tags::SERIES_INSTANCE_UID).ok_or(Error::Header("Series Instance UID"))?;
        Ok(Self { object, study_uid, series_uid })
    }

    /// Study Instance UID.
    pub fn study_uid(&self) -> &Uid {
        &self.study_uid
    }

    /// Series Instance UID.
    pub fn series_uid(&self) -> &Uid {
        &self.series_uid
    }

    /// Frame of Reference UID, where the images name one.
    pub fn frame_of_reference_uid(&self) -> Option<Uid> {
        uid(&self.object, tags::FRAME_OF_REFERENCE_UID)
    }

    pub(crate) fn object(&self) -> &InMemDicomObject {
        &self.object
    }
}

fn uid(object: &InMemDicomObject, tag: Tag) -> Option<Uid> {
    Uid::parse(&object.get(tag)?.to_str().ok()?).ok()
}
