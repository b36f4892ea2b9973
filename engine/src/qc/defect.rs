//! The defects of writing that are told apart.

use serde::{Deserialize, Serialize};

/// Declares [`Defect`] with its names, so that none can be left out of [`Defect::ALL`].
macro_rules! defects {
    ($($(#[doc = $doc:literal])+ $defect:ident = $name:literal,)+) => {
        /// Kinds of bad writing. The names are stable: tables and filters use them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Defect {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $defect,)+
        }

        impl Defect {
            /// Every defect, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$defect,)+];

            /// The stable name: lower case, words joined by hyphens.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$defect => $name,)+
                }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$defect => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

defects! {
    /// Nothing says how the examination was done (检查方法 / Technique).
    MissingTechnique = "missing-technique",
    /// There is no section of what was seen (影像所见 / Findings).
    MissingFindings = "missing-findings",
    /// There is no section of what it means (诊断意见 / Impression).
    MissingImpression = "missing-impression",
    /// A heading without words below it.
    EmptySection = "empty-section",
    /// The impression puts a lesion on the other side than the findings.
    SideConflict = "side-conflict",
    /// Anatomy that a patient of this sex does not have, or of both sexes.
    SexConflict = "sex-conflict",
    /// Two ages, or another age than the examination's.
    AgeConflict = "age-conflict",
    /// A size without a unit.
    UnitMissing = "unit-missing",
    /// A value that no lesion has: a nodule of 84 cm, 0 mm, 9000 HU.
    ImplausibleValue = "implausible-value",
    /// The impression denies what the findings describe, or the other way round.
    ImpressionConflict = "impression-conflict",
    /// A size in the impression that the findings do not have.
    SizeConflict = "size-conflict",
    /// Another number of lesions in the impression than in the findings.
    CountConflict = "count-conflict",
    /// A word twice in a row.
    DoubledWord = "doubled-word",
    /// Two marks of punctuation in a row.
    DoubledPunctuation = "doubled-punctuation",
    /// A misspelt word, or a Chinese character that sounds or looks like the right one (错别字).
    Misspelling = "misspelling",
    /// A word that is not the term.
    NonstandardTerm = "nonstandard-term",
    /// English punctuation between Chinese characters, or Chinese punctuation in English.
    MixedPunctuation = "mixed-punctuation",
    /// A bracket without its other half.
    UnbalancedBrackets = "unbalanced-brackets",
    /// A sentence that ends with a comma or a connective.
    UnfinishedSentence = "unfinished-sentence",
    /// Another modality than the examination's, or words of another modality.
    ModalityConflict = "modality-conflict",
    /// Another part of the body than was examined or is described.
    BodyPartConflict = "body-part-conflict",
    /// Enhancement where no contrast was given, or the other way round.
    ContrastConflict = "contrast-conflict",
    /// Another date than the study's, or a report before its examination.
    DateConflict = "date-conflict",
    /// A prior is named and nothing is compared with it.
    ComparisonMissing = "comparison-missing",
    /// Something that must be told at once, and no word that it was.
    CriticalNotFlagged = "critical-not-flagged",
    /// Nobody has signed.
    SignatureMissing = "signature-missing",
    /// Nothing says when the report was made.
    TimeMissing = "time-missing",
    /// A question mark: the author has not decided.
    Undecided = "undecided",
    /// Something of the form was not filled in: ___, XX, [ ].
    Placeholder = "placeholder",
    /// A sentence twice in a section.
    DuplicateSentence = "duplicate-sentence",
    /// A range from large to small.
    ReversedRange = "reversed-range",
    /// Items that are not numbered one after the other.
    Numbering = "numbering",
    /// Characters that no program could show.
    Garbled = "garbled",
}

impl std::fmt::Display for Defect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
