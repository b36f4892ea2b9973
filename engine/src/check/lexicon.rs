//! What words mean, in both languages, and how they are found in a text.
//!
//! The tables are in `lexicon/chinese.rs` and `lexicon/english.rs`. A word that is in no table is not understood.

mod chinese;
mod english;

use std::sync::LazyLock;

use crate::finding::Density;
use crate::guideline::Sex;
use crate::narrative::{self, Language};

/// What one word says. A word may say several things: "bilateral nodules".
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    /// Nothing that could be wrong.
    Fill,
    /// Something is there: "seen", "检出".
    Seen,
    /// Where something is follows: "located in", "is".
    Lies,
    /// What follows or precedes in the clause is denied.
    Not,
    /// A side.
    Side(Sides),
    /// That the side is not known.
    SideUnknown,
    /// An organ that is looked at, or another.
    Organ(Place),
    /// A lobe.
    Lobe(crate::evidence::Lobe),
    /// A segment, zone or neighbourhood: never measured.
    Segment,
    /// A lesion: what it is, and whether the word is a plural.
    Lesion(Head, Plural),
    /// What a lung lesion looks like; several where the word leaves it open ("subsolid").
    Density(&'static [Density]),
    /// The number before it counts lesions: 个, 枚.
    Classifier,
    /// More than one, without a number.
    Many,
    /// One and no more.
    Single,
    /// Those not spoken of before, or some of them.
    Rest,
    /// Every one of them.
    Each,
    /// In the order in which they were named.
    Respectively,
    /// The largest or smallest: of it or them.
    Extreme(Extreme),
    /// Small or minute, by the limits of the words.
    SmallerThan(f64),
    /// What the next number measures.
    Label(Label),
    /// The unit of the number before it.
    Unit(Unit),
    /// "×", "by".
    By,
    /// "to", "至": between the ends of a range.
    To,
    /// The ends of a range follow, joined by "and".
    Between,
    /// "of", "/": between a slice and how many there are.
    Of,
    /// "and", "及".
    And,
    /// A new clause: "while", "而".
    But,
    /// About: harmless where the number is right.
    About,
    /// The true value is below the number.
    Below,
    /// The true value is above the number.
    Above,
    /// What has become of a lesion.
    Trend(Fate),
    /// That something was compared with an earlier examination.
    Prior,
    /// The present examination.
    Now,
    /// By how much: the number after it is a change.
    ChangedBy,
    /// Nobody looked, or the organ was not there.
    NotAssessed,
    /// That something is as it should be: nobody looked at that.
    Normal,
    /// More or less sure than the evidence.
    Certainty,
    /// Benign, malignant, or a disease that is either.
    Malignancy,
    /// A property that was not measured.
    Feature,
    /// A disease or finding that nobody looked for.
    Disease,
    /// It must be told at once.
    Critical,
    /// What to do.
    Advice,
    /// A category of a guideline; its number follows.
    Category,
    /// A modality or technique.
    Modality(Technique),
    /// Contrast: given or not.
    Contrast(bool),
    /// The patient's sex.
    Sex(Sex),
    /// Anatomy of one sex.
    SexOrgan(Sex),
    /// The number before or after it is an age.
    Age,
    /// A date or a part of it.
    Date,
    /// A person, or a number that names one.
    Identifier,
    /// Thinking aloud.
    Think,
    /// Talk about the task.
    Instruction,
}

/// One or two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sides {
    Left,
    Right,
    Both,
}

/// An organ, as words name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Lung,
    Liver,
    /// One that is never examined here.
    Elsewhere,
}

/// What a lesion is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// 结节, nodule: of the lung.
    Nodule,
    /// 肿块, mass.
    Mass,
    /// 局灶性病变, focal lesion: of the liver, and no wrong word elsewhere.
    Focal,
    /// 病灶, finding: fits everything.
    Any,
}

/// Whether a word is a plural; Chinese words do not tell.
pub(super) type Plural = bool;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extreme {
    Largest,
    Smallest,
}

/// What a number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// Size, diameter: the long axis, or long by short.
    Size,
    /// Long and short axis, in this order.
    Axes,
    Long,
    Short,
    /// The longest diameter, in the plane or in any direction.
    Longest,
    Longest3d,
    MeanDiameter,
    /// Of the solid part of a part-solid nodule: its long axis, or long by short.
    SolidPart,
    Volume,
    Attenuation,
    AttenuationSd,
    AttenuationRange,
    AttenuationMin,
    AttenuationMax,
    Score,
    /// 第, slice: the next number names one.
    Slice,
    /// In all: the next number counts.
    Total,
    /// Between slices.
    Gap,
    /// Between pixels.
    Pixel,
    /// Of the organ.
    OrganVolume,
    DoublingTime,
    Uncertainty,
    Series,
    /// A diameter that nobody measured: transverse, craniocaudal, slice thickness.
    Unmeasured,
    /// The next number is the finding's.
    Reference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millimetre,
    Centimetre,
    CubicMillimetre,
    Millilitre,
    Hounsfield,
    Percent,
    Day,
    Week,
    Month,
    Year,
    Slice,
    /// A unit in which nothing is measured here.
    Other,
}

/// What has become of a lesion, as words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    New,
    Grown,
    Shrunk,
    Unchanged,
    Resolved,
    /// It was there before, whatever its size now.
    Known,
    /// It could not be compared.
    NotCompared,
}

/// How images were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Technique {
    Ct,
    Mr,
    Pet,
    Other,
}

/// The words of one language.
pub(super) struct Lexicon {
    nodes: Vec<Node>,
    entries: Vec<Vec<Meaning>>,
}

#[derive(Default)]
struct Node {
    /// Sorted by character.
    next: Vec<(char, u32)>,
    entry: Option<u32>,
}

impl Lexicon {
    /// The words of `language`.
    pub(super) fn of(language: Language) -> &'static Self {
        static CHINESE: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(Language::Chinese));
        static ENGLISH: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(Language::English));
        match language {
            Language::Chinese => &CHINESE,
            Language::English => &ENGLISH,
        }
    }

    fn new(language: Language) -> Self {
        let mut lexicon = Self { nodes: vec![Node::default()], entries: Vec::new() };
        for (meanings, words) in SHARED {
            words.split(' ').for_each(|word| lexicon.add(word, meanings));
        }
        match language {
            Language::Chinese => {
                for (meanings, words) in chinese::WORDS {
                    words.split_whitespace().for_each(|word| lexicon.add(word, meanings));
                }
            }
            Language::English => {
                for (meanings, words) in english::WORDS {
                    let words =
                        words.split(',').map(|word| word.split_whitespace().collect::<Vec<_>>().join(" "));
                    words.for_each(|word| lexicon.add(&word, meanings));
                }
            }
        }
        for phrase in narrative::fixed_phrases(language) {
            for sentence in phrase.split_inclusive(['。', '；', ';']).chain([phrase]) {
                let text: String = super::text::Text::new(sentence).chars.iter().collect();
                let text = text.trim_matches(|c: char| matches!(c, '.' | '。' | ';' | ' '));
                lexicon.add(text, &[Meaning::Fill]);
            }
        }
        lexicon
    }

    fn add(&mut self, word: &str, meanings: &[Meaning]) {
        if word.is_empty() {
            return;
        }
        let mut at = 0;
        for c in word.chars() {
            at = match self.nodes[at].next.binary_search_by_key(&c, |(c, _)| *c) {
                Ok(i) => self.nodes[at].next[i].1 as usize,
                Err(i) => {
                    let new = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes[at].next.insert(i, (c, u32::try_from(new).expect("a few thousand words")));
                    new
                }
            };
        }
        let entry = u32::try_from(self.entries.len()).expect("a few thousand words");
        if self.nodes[at].entry.is_none() {
            self.nodes[at].entry = Some(entry);
            self.entries.push(meanings.to_vec());
        }
    }

    /// Every word that begins at `from`: its end and what it says, shorter ones first.
    pub(super) fn words<'a>(
        &'a self,
        text: &'a [char],
        from: usize,
    ) -> impl Iterator<Item = (usize, &'a [Meaning])> {
        let mut at = Some(0_usize);
        (from..text.len())
            .map_while(move |i| {
                let node = &self.nodes[at?];
                let found = node.next.binary_search_by_key(&text[i], |(c, _)| *c).ok();
                at = found.map(|found| node.next[found].1 as usize);
                at.map(|at| (i + 1, self.nodes[at].entry))
            })
            .filter_map(|(end, entry)| entry.map(|entry| (end, self.entries[entry as usize].as_slice())))
    }
}

/// Units and signs, the same in both languages. `×` and `*` are signs between numbers only, see `tokens.rs`.
const SHARED: &[(&[Meaning], &str)] = &[
    (&[Meaning::Unit(Unit::Millimetre)], "mm"),
    (&[Meaning::Unit(Unit::Centimetre)], "cm"),
    (&[Meaning::Unit(Unit::CubicMillimetre)], "mm3 mm^3 ul cmm"),
    (&[Meaning::Unit(Unit::Millilitre)], "ml cm3 cm^3 cc"),
    (&[Meaning::Unit(Unit::Hounsfield)], "hu"),
    (&[Meaning::Unit(Unit::Percent)], "%"),
    (
        &[Meaning::Unit(Unit::Other)],
        "m um nm dm km inch inches l dl kg g mg hz px pixel pixels mm2 cm2 mm^2 cm^2 m3 msv mgy gy suv bpm mmhg ‰ °c",
    ),
    (&[Meaning::By], "× x *"),
    (&[Meaning::To], "~ →"),
    (&[Meaning::Below], "< ≤"),
    (&[Meaning::Above], "> ≥"),
    (&[Meaning::And], "&"),
    (&[Meaning::Of], "/"),
    (&[Meaning::Fill], "· “ ”"),
];
