//! The kinds of error that the checker tells apart.

use serde::{Deserialize, Serialize};

/// Declares [`Class`] with its names, so that no class can be left out of [`Class::ALL`].
macro_rules! classes {
    ($($(#[doc = $doc:literal])+ $class:ident = $name:literal,)+) => {
        /// Kinds of error. The names are stable: tables and filters use them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Class {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $class,)+
        }

        impl Class {
            /// Every class, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$class,)+];

            /// The stable name: lower case, words joined by hyphens.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$class => $name,)+
                }
            }
        }
    };
}

classes! {
    /// A number that no measurement of the finding has.
    Number = "number",
    /// The digits of a measurement with the decimal point elsewhere: 84 mm for 8.4 mm.
    Decimal = "decimal",
    /// Near the measurement, but not what it rounds to: 8.5 mm for 8.4 mm, or fewer digits than are reported.
    Rounding = "rounding",
    /// The right digits with another unit (8.4 cm for 8.4 mm), or a unit that measures something else.
    Unit = "unit",
    /// A range whose ends are not the smallest and the largest.
    Range = "range",
    /// The right number of the wrong thing: the short axis called the long one.
    Axis = "axis",
    /// A word that makes a number inexact: "more than 8 mm", "8 mm or so" where 8.4 mm was measured.
    Hedge = "hedge",
    /// A measurement spelled out in words or Chinese numerals instead of digits.
    SpelledNumber = "spelled-number",
    /// The other side, or a side that is not known.
    Side = "side",
    /// Another lobe, or a lobe that is not known.
    Lobe = "lobe",
    /// A segment or zone of an organ, which nobody has measured.
    Segment = "segment",
    /// Another organ.
    Organ = "organ",
    /// Another kind of lesion: mass for nodule, cyst for lesion.
    LesionKind = "lesion-kind",
    /// Another density (solid, part-solid, ground glass), or one where it is not known.
    Density = "density",
    /// A property that was not measured: spiculated, calcified, well defined.
    Feature = "feature",
    /// A wrong number of lesions.
    Count = "count",
    /// A finding that no sentence describes.
    Omitted = "omitted",
    /// A lesion or disease that is not among the findings.
    Invented = "invented",
    /// The same said twice, or one finding described twice.
    Duplicate = "duplicate",
    /// A finding that exists is denied.
    DeniedFinding = "denied-finding",
    /// Something is said to be there that was looked for and not found.
    AssertedAbsent = "asserted-absent",
    /// Something is said of what nobody looked at, or what was looked at is said not to have been.
    NotAssessed = "not-assessed",
    /// More or less sure than the evidence: "definite", "possible", "cannot be excluded".
    Certainty = "certainty",
    /// Benign, malignant, or a diagnosis that says so.
    Malignancy = "malignancy",
    /// A comparison although nothing was compared.
    NoPrior = "no-prior",
    /// The wrong direction of change: new, grown, shrunk, unchanged, resolved.
    Trend = "trend",
    /// A wrong amount of change: percent, mm, doubling time, days between the examinations.
    Change = "change",
    /// A date; none is known.
    Date = "date",
    /// A recommendation that is not the guideline's.
    Recommendation = "recommendation",
    /// The guideline's recommendation with another interval.
    Interval = "interval",
    /// A recommendation of the guideline that is not in the report.
    MissingAdvice = "missing-advice",
    /// The impression says otherwise than the findings.
    Contradiction = "contradiction",
    /// Sex, or anatomy that a patient of this sex does not have.
    Sex = "sex",
    /// Another age, or an age where it is not known.
    Age = "age",
    /// Another modality or technique of examination.
    Modality = "modality",
    /// Contrast where none was given, the other way round, or where it is not known.
    Contrast = "contrast",
    /// Another language than the report's, or a mixture.
    Language = "language",
    /// Markdown, JSON, HTML or other characters that belong to no sentence.
    Markup = "markup",
    /// A model's thinking or its control tokens.
    ThinkTag = "think-tag",
    /// A name, number or UID that identifies a patient, study or person.
    Identifier = "identifier",
    /// The instructions to the writer, or talk about the task.
    Instruction = "instruction",
    /// Letters or digits that look like others, full-width digits, invisible characters.
    Homoglyph = "homoglyph",
    /// Several findings told as one, or a measurement of one finding told of another.
    Merged = "merged",
    /// A slice where the finding is not, or a wrong number of slices.
    Slice = "slice",
    /// A series or image number; none is known.
    Series = "series",
    /// Called the largest or smallest, and it is not.
    Superlative = "superlative",
    /// The sentence names a finding that it does not rest on or that does not exist.
    Evidence = "evidence",
    /// A finding that must be told at once is not in the impression.
    CriticalOmitted = "critical-omitted",
    /// A finding is called critical that is not.
    FalseCritical = "false-critical",
    /// A section without a sentence, or a sentence without words.
    Empty = "empty",
    /// Words that are not understood, so that nobody can say whether they are supported.
    UnknownWords = "unknown-words",
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
