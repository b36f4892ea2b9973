//! Coded concepts: what a word means, so that a machine need not read it.

use std::borrow::Cow;

/// A coded concept: its value in a coding scheme, and what a reader is shown.
///
/// Two codes are equal when value and scheme are; the meaning is only its spelling.
///
/// Source: DICOM PS3.3 8.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Code {
    /// Code Value, such as `39607008`.
    pub value: Cow<'static, str>,
    /// Coding Scheme Designator, such as `SCT`.
    pub scheme: Cow<'static, str>,
    /// Code Meaning in English, such as `Lung`.
    pub meaning: Cow<'static, str>,
}

impl Code {
    /// A code whose three parts are known when this is compiled.
    pub const fn new(value: &'static str, scheme: &'static str, meaning: &'static str) -> Self {
        Self { value: Cow::Borrowed(value), scheme: Cow::Borrowed(scheme), meaning: Cow::Borrowed(meaning) }
    }

    /// A code that was read from a file or a model's card.
    pub fn of(value: impl Into<String>, scheme: impl Into<String>, meaning: impl Into<String>) -> Self {
        let owned = |text: String| Cow::Owned(text);
        Self { value: owned(value.into()), scheme: owned(scheme.into()), meaning: owned(meaning.into()) }
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.scheme == other.scheme
    }
}

impl Eq for Code {}

/// Declares constants whose documentation is their code meaning.
macro_rules! codes {
    ($($name:ident = $value:literal $scheme:literal $meaning:literal;)+) => {
        $(
            #[doc = concat!("(", $value, ", ", $scheme, ", \"", $meaning, "\")")]
            pub const $name: Code = Code::new($value, $scheme, $meaning);
        )+
    };
}

// What a report is about.
codes! {
    IMAGING_MEASUREMENT_REPORT = "126000" "DCM" "Imaging Measurement Report";
    CT_UNSPECIFIED_BODY_REGION = "25045-6" "LN" "CT unspecified body region";
    CT_CHEST = "24627-2" "LN" "CT Chest";
    CT_ABDOMEN = "41806-1" "LN" "CT Abdomen";
    MR_UNSPECIFIED_BODY_REGION = "25056-3" "LN" "MRI Unspecified body region";
}

// What words are called: a document (CID 7000), its headings (CID 7001).
//
// The title and the headings have other codes in recent editions (LOINC, by modality); context groups 7000
// and 7001 are baselines, so both are valid. These are the ones that validators and viewers in use know.
codes! {
    DIAGNOSTIC_IMAGING_REPORT = "18748-4" "LN" "Diagnostic Imaging Report";
    FINDINGS = "121070" "DCM" "Findings";
    IMPRESSIONS = "121072" "DCM" "Impressions";
    RECOMMENDATIONS = "121074" "DCM" "Recommendations";
    ADDENDUM = "121078" "DCM" "Addendum";
}

// What was found. CID 6104, 7159 and others.
codes! {
    NODULE = "27925004" "SCT" "Nodule";
    MASS = "4147007" "SCT" "Mass";
    LESION = "52988006" "SCT" "Lesion";
    MICRONODULE = "112122" "DCM" "Micronodule";
    GROUND_GLASS_OPACITY = "112120" "DCM" "Ground glass opacity";
    MORPHOLOGICALLY_ABNORMAL_STRUCTURE = "49755003" "SCT" "Morphologically Abnormal Structure";
    ANATOMICAL_STRUCTURE = "123037004" "SCT" "Anatomical Structure";
    PRESENT = "52101004" "SCT" "Present";
    ABSENT = "272519000" "SCT" "Absent";
}

// What has become of it. CID 6133, 6134; what is new has no code there, this one is SNOMED CT's.
codes! {
    DIFFERENCE_IN_SIZE = "442714003" "SCT" "Finding of difference in size";
    INCREASE_IN_SIZE = "15454001" "SCT" "Increase in size";
    DECREASE_IN_SIZE = "19776001" "SCT" "Decrease in size";
    NO_SIGNIFICANT_CHANGE = "129723006" "SCT" "No significant changes in the finding";
    NEW = "7147002" "SCT" "New";
}

// Where. CID 4031, 6170, 244 (closed).
codes! {
    LUNG = "39607008" "SCT" "Lung";
    UPPER_LOBE_OF_LUNG = "45653009" "SCT" "Upper lobe of lung";
    MIDDLE_LOBE_OF_RIGHT_LUNG = "72481006" "SCT" "Middle lobe of right lung";
    LOWER_LOBE_OF_LUNG = "90572001" "SCT" "Lower lobe of lung";
    LIVER = "10200004" "SCT" "Liver";
    KIDNEY = "64033007" "SCT" "Kidney";
    CHEST = "816094009" "SCT" "Chest";
    ABDOMEN = "818981001" "SCT" "Abdomen";
    LEFT = "7771000" "SCT" "Left";
    RIGHT = "24028007" "SCT" "Right";
    BILATERAL = "51440002" "SCT" "Bilateral";
}

// What was measured. CID 7470, 7472, 6141.
codes! {
    LONG_AXIS = "103339001" "SCT" "Long Axis";
    SHORT_AXIS = "103340004" "SCT" "Short Axis";
    DIAMETER = "81827009" "SCT" "Diameter";
    MAXIMUM_3D_DIAMETER = "L0JK" "IBSI" "Maximum 3D Diameter of a Mesh";
    VOLUME = "118565006" "SCT" "Volume";
    ATTENUATION_COEFFICIENT = "112031" "DCM" "Attenuation Coefficient";
    CERTAINTY_OF_FINDING = "111012" "DCM" "Certainty of Finding";
}

// How it was measured. CID 7474, 7464.
codes! {
    SUM_OF_SEGMENTED_VOXELS = "126030" "DCM" "Sum of segmented voxel method for volume";
    MEAN = "373098007" "SCT" "Mean";
    MEDIAN = "373099004" "SCT" "Median";
    MINIMUM = "255605001" "SCT" "Minimum";
    MAXIMUM = "56851009" "SCT" "Maximum";
    STANDARD_DEVIATION = "386136009" "SCT" "Standard Deviation";
}

// In which unit. CID 7181; the values are UCUM.
codes! {
    MM = "mm" "UCUM" "mm";
    MM3 = "mm3" "UCUM" "cubic millimeter";
    HOUNSFIELD_UNIT = "[hnsf'U]" "UCUM" "Hounsfield unit";
    PERCENT = "%" "UCUM" "Percent";
    NO_UNITS = "1" "UCUM" "no units";
}

/// Words of the templates, which the writers place; those who walk a content tree need them.
pub mod template {
    use super::Code;

    codes! {
        LANGUAGE = "121049" "DCM" "Language of Content Item and Descendants";
        OBSERVER_TYPE = "121005" "DCM" "Observer Type";
        DEVICE = "121007" "DCM" "Device";
        PERSON = "121006" "DCM" "Person";
        PERSON_OBSERVER_NAME = "121008" "DCM" "Person Observer Name";
        PERSON_OBSERVER_ORGANIZATION = "121009" "DCM" "Person Observer's Organization Name";
        DEVICE_OBSERVER_UID = "121012" "DCM" "Device Observer UID";
        DEVICE_OBSERVER_NAME = "121013" "DCM" "Device Observer Name";
        DEVICE_OBSERVER_MANUFACTURER = "121014" "DCM" "Device Observer Manufacturer";
        DEVICE_OBSERVER_MODEL_NAME = "121015" "DCM" "Device Observer Model Name";
        PROCEDURE_REPORTED = "121058" "DCM" "Procedure reported";
        IMAGE_LIBRARY = "111028" "DCM" "Image Library";
        IMAGE_LIBRARY_GROUP = "126200" "DCM" "Image Library Group";
        MODALITY = "121139" "DCM" "Modality";
        FRAME_OF_REFERENCE_UID = "112227" "DCM" "Frame of Reference UID";
        IMAGING_MEASUREMENTS = "126010" "DCM" "Imaging Measurements";
        MEASUREMENT_GROUP = "125007" "DCM" "Measurement Group";
        TRACKING_IDENTIFIER = "112039" "DCM" "Tracking Identifier";
        TRACKING_UNIQUE_IDENTIFIER = "112040" "DCM" "Tracking Unique Identifier";
        FINDING_CATEGORY = "276214006" "SCT" "Finding category";
        FINDING = "121071" "DCM" "Finding";
        FINDING_SITE = "363698007" "SCT" "Finding Site";
        LATERALITY = "272741003" "SCT" "Laterality";
        ALGORITHM_NAME = "111001" "DCM" "Algorithm Name";
        ALGORITHM_VERSION = "111003" "DCM" "Algorithm Version";
        ALGORITHM_PARAMETERS = "111002" "DCM" "Algorithm Parameters";
        ALGORITHM_FAMILY = "111000" "DCM" "Algorithm Family";
        ARTIFICIAL_INTELLIGENCE = "123110" "DCM" "Artificial Intelligence";
        IMAGE_REGION = "111030" "DCM" "Image Region";
        REFERENCED_SEGMENT = "121191" "DCM" "Referenced Segment";
        SOURCE_SERIES = "121232" "DCM" "Source series for segmentation";
        SOURCE_OF_MEASUREMENT = "121112" "DCM" "Source of Measurement";
        MEASUREMENT_METHOD = "370129005" "SCT" "Measurement Method";
        DERIVATION = "121401" "DCM" "Derivation";
        IMPRESSION = "121073" "DCM" "Impression";
        RECOMMENDATION = "121075" "DCM" "Recommendation";
        BEST_ILLUSTRATION = "121080" "DCM" "Best illustration of finding";
        QUALITATIVE_EVALUATIONS = "C0034375" "UMLS" "Qualitative Evaluations";
        // Private: validators know (112040, DCM, "Tracking Unique Identifier") in measurement groups only.
        LESION = "LESION" "99FOCI" "Tracking Unique Identifier of the lesion";
        COMMENT = "121106" "DCM" "Comment";
        NOT_A_NUMBER = "114000" "DCM" "Not a number";
        PROCESSING_EQUIPMENT = "109102" "DCM" "Processing Equipment";
        SEGMENTATION = "113076" "DCM" "Segmentation";
        SOURCE_IMAGE = "121322" "DCM" "Source Image for Image Processing Operation";
    }
}
