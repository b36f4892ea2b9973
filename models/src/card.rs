//! What a network is for, what it wants and what comes out: one TOML file each.
//!
//! A card says everything that the engine must know to prepare a series, decode the output and name
//! the result in a report, and everything that a reader must know to judge it. It holds no medicine
//! beyond labels: rules and wording are the engine's. How the weights are found: [`crate::Weights`].

use std::sync::OnceLock;

use serde::Deserialize;

use crate::error::Error;
use crate::fetch::Package;
use crate::unet::Topology;

/// A network's card.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Short and lower-case: the argument of `--model`, and the folder's name.
    pub name: String,
    /// The network's version; new weights are a new version.
    pub version: String,
    /// One line for a human.
    pub title: String,
    /// What it is for, in a sentence or two.
    pub intended_use: String,
    /// What it does badly or was never tried on; one sentence each.
    pub limitations: Vec<String>,
    /// SPDX expression of the licence of the weights.
    pub licence: String,
    /// Who to cite.
    pub citation: String,
    /// The series it may be given: Modality (0008,0060).
    pub modalities: Vec<Modality>,
    /// The tensor it wants.
    pub input: Input,
    /// How large tensors are cut and put together.
    pub tiles: Tiles,
    /// What comes out and how it is read.
    pub head: Head,
    /// What a detection is called.
    pub label: Label,
    /// A finding with a long axis above this must be told at once, mm; without it none must.
    #[serde(default)]
    pub critical_long_axis_mm: Option<f64>,
    /// Which weights, and where from.
    pub weights: Source,
}

/// Modality (0008,0060) of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Modality {
    /// Computed tomography.
    #[serde(rename = "CT")]
    Ct,
}

impl Modality {
    /// The value of Modality (0008,0060).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ct => "CT",
        }
    }
}

/// The tensor that the network wants: `[n, 1, a, b, c]` of 32-bit floats.
///
/// Arrays of three go along the axes a, b, c of that tensor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The input's name in the ONNX graph.
    pub name: String,
    /// The distance between neighbouring voxels, mm.
    pub spacing_mm: [f64; 3],
    /// The side of the patient to which the index grows.
    pub towards: [Side; 3],
    /// How Hounsfield units become numbers.
    pub window: Window,
    /// The number for places outside of the image.
    pub outside_image: f32,
    /// The number for places outside of [`Head::region`], where the network was trained with the rest
    /// blotted out.
    #[serde(default)]
    pub outside_region: Option<f32>,
    /// A median filter between the image and the tensor.
    #[serde(default)]
    pub median: Option<Median>,
}

/// A side of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The patient's left.
    Left,
    /// The patient's right.
    Right,
    /// The back.
    Posterior,
    /// The front.
    Anterior,
    /// The head.
    Superior,
    /// The feet.
    Inferior,
}

impl Side {
    /// The unit vector towards this side, in LPS.
    pub fn to_lps(self) -> [f64; 3] {
        match self {
            Self::Left => [1.0, 0.0, 0.0],
            Self::Right => [-1.0, 0.0, 0.0],
            Self::Posterior => [0.0, 1.0, 0.0],
            Self::Anterior => [0.0, -1.0, 0.0],
            Self::Superior => [0.0, 0.0, 1.0],
            Self::Inferior => [0.0, 0.0, -1.0],
        }
    }
}

/// `low_hu..=high_hu` becomes `low..=high`, and what is beyond becomes the nearer end.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The lower end, Hounsfield units.
    pub low_hu: f32,
    /// The upper end, Hounsfield units.
    pub high_hu: f32,
    /// What the lower end becomes.
    pub low: f32,
    /// What the upper end becomes.
    pub high: f32,
}

/// A median filter: the image is resampled to `spacing_mm`, each voxel becomes the median of the `size`
/// x `size` x `size` around it, and that is resampled to [`Input::spacing_mm`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Median {
    /// The spacing at which it works, mm.
    pub spacing_mm: f64,
    /// The width of the neighbourhood, voxels.
    pub size: usize,
}

/// How a tensor is cut into tiles and the outputs are put together.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// The largest input tile.
    pub shape: [usize; 3],
    /// A size is possible if it leaves `remainder` when divided by this.
    pub multiple: [usize; 3],
    /// See `multiple`.
    #[serde(default)]
    pub remainder: [usize; 3],
    /// Whether a smaller tensor gets a smaller tile; else it is padded to a full one. Matters because
    /// instance normalisation sees the whole tile.
    #[serde(default)]
    pub shrink: bool,
    /// Bytes that lie between the layers for each voxel of the tile, by which a device's memory is planned: the peak
    /// of ONNX Runtime's own kernels on a CPU (`docs/adr/0002-onnx-runtime.md`), weights aside.
    pub bytes_per_voxel: u32,
    /// How the outputs of neighbouring tiles become one.
    pub join: Join,
}

/// How the outputs of neighbouring tiles become one.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Join {
    /// The output lacks this many of the input's voxels on each side, and outputs are laid side by side.
    Border([usize; 3]),
    /// Tiles overlap by at least this share of their edge, and outputs are blended with Gaussian weights.
    Overlap(f64),
}

/// What comes out of the network and how it is read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum Head {
    /// A probability for each voxel; what is above the threshold is the thing.
    Segmentation {
        /// The output's name in the ONNX graph.
        output: String,
        /// The least probability that counts, exclusive.
        threshold: f32,
        /// Of what is found only the largest connected piece counts, after an opening.
        #[serde(default)]
        keep_largest: bool,
        /// Pieces smaller than this do not count, ml.
        #[serde(default)]
        minimum_ml: f64,
        /// Where to look at all.
        #[serde(default)]
        region: Option<Region>,
    },
    /// A grid of probabilities that something has its centre there, with a size and an outline.
    HeatMap {
        /// The name of the output with the probabilities.
        heat: String,
        /// The name of the output with ln(diameter / 10 mm), on the same grid.
        log_diameter: String,
        /// The name of the output with the probability of each input voxel to belong to something.
        mask: String,
        /// How many input voxels lie between neighbouring cells of the grid.
        stride: usize,
        /// Cell n has its centre at input index `stride` n + `offset`.
        offset: f64,
        /// A peak is the largest of this many cells along each axis, itself in the middle.
        peak_cells: usize,
        /// The least probability that is reported.
        threshold: f32,
        /// The least probability of a voxel to belong to the thing.
        mask_threshold: f32,
        /// Where to look at all.
        #[serde(default)]
        region: Option<Region>,
    },
}

impl Head {
    /// Where to look at all; `None` is everywhere.
    pub fn region(&self) -> Option<Region> {
        match self {
            Self::Segmentation { region, .. } | Self::HeatMap { region, .. } => *region,
        }
    }

    /// The least probability that is reported.
    pub fn threshold(&self) -> f32 {
        match self {
            Self::Segmentation { threshold, .. } | Self::HeatMap { threshold, .. } => *threshold,
        }
    }
}

/// A part of the body outside of which a network is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// The organ.
    pub organ: Organ,
    /// Its mask is grown by so many voxels of the input tensor, each time by the 18 neighbours.
    #[serde(default)]
    pub dilate_voxels: usize,
    /// Its mask is closed by this much, mm, so that what hangs on its wall is inside.
    #[serde(default)]
    pub close_mm: f64,
}

/// An organ whose mask the engine can get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Organ {
    /// The liver, from the network of that name.
    Liver,
    /// Both lungs, from the air in them.
    Lungs,
}

/// What a detection is called, in codes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// What it is.
    pub finding: Code,
    /// Which sort of thing that is: (276214006, SCT, "Finding category"), and Segmented Property
    /// Category of a segmentation.
    pub category: Code,
    /// Where in the body.
    pub site: Code,
}

/// A coded concept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Code Value (0008,0100).
    pub value: String,
    /// Coding Scheme Designator (0008,0102).
    pub scheme: String,
    /// Code Meaning (0008,0104).
    pub meaning: String,
}

/// Which weights, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// SHA-256 of the ONNX file that is run, lower-case hexadecimal.
    pub sha256: String,
    /// Where from.
    pub from: Origin,
}

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Origin {
    /// They are part of this program.
    Program {},
    /// They are in a Keras file, and the graph around them is written here.
    Keras(Keras),
}

/// A Keras HDF5 file in a wheel on PyPI.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keras {
    /// The wheel.
    pub wheel: Package,
    /// The path of the HDF5 file in it.
    pub member: String,
    /// The graph that its weights belong to.
    pub topology: Topology,
}

const CARDS: [&str; 3] = [
    include_str!("../liver/card.toml"),
    include_str!("../liver-lesion/card.toml"),
    include_str!("../lung-nodule/card.toml"),
];

impl Card {
    /// The networks that come with Foci.
    pub fn catalog() -> &'static [Self] {
        static CATALOG: OnceLock<Vec<Card>> = OnceLock::new();
        CATALOG.get_or_init(|| {
            CARDS
                .iter()
                .map(|text| Self::parse(text).expect("a test reads every card that comes with Foci"))
                .collect()
        })
    }

    /// The card of the network `name`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`], which lists the names there are.
    pub fn named(name: &str) -> Result<&'static Self, Error> {
        let catalog = Self::catalog();
        catalog.iter().find(|card| card.name == name).ok_or_else(|| {
            let known: Vec<_> = catalog.iter().map(|card| card.name.as_str()).collect();
            Error::UnknownModel { wanted: name.to_owned(), known: known.join(", ") }
        })
    }

    /// Whether what this network found must be told at once.
    pub fn is_critical(&self, long_axis_mm: f64) -> bool {
        self.critical_long_axis_mm.is_some_and(|border| long_axis_mm > border)
    }

    /// Reads and checks a card.
    ///
    /// # Errors
    ///
    /// [`Error::Card`] when it is no TOML, a field is missing or unknown, or the fields contradict each
    /// other.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let card: Self = toml::from_str(text).map_err(|e| Error::Card {
            name: "unread".to_owned(),
            problem: e.to_string().trim_end().to_owned(),
        })?;
        match card.problem() {
            Some(problem) => Err(Error::Card { name: card.name, problem }),
            None => Ok(card),
        }
    }

    /// What is wrong with the card, if anything.
    fn problem(&self) -> Option<String> {
        let Self { input, tiles, head, .. } = self;
        let positive = |numbers: &[f64; 3]| numbers.iter().all(|n| n.is_finite() && *n > 0.0);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Some("name must be lower-case letters, digits and hyphens".to_owned());
        }
        if self.modalities.is_empty() {
            return Some("modalities is empty".to_owned());
        }
        if !positive(&input.spacing_mm) {
            return Some(format!("input.spacing_mm is {:?} and must be above zero", input.spacing_mm));
        }
        let mut axes = input.towards.map(|side| side.to_lps().iter().position(|v| *v != 0.0));
        axes.sort_unstable();
        if axes != [Some(0), Some(1), Some(2)] {
            return Some(format!(
                "input.towards is {:?} and must name each axis of the body once",
                input.towards
            ));
        }
        let Window { low_hu, high_hu, low, high } = input.window;
        if ![low_hu, high_hu, low, high].iter().all(|v| v.is_finite()) || low_hu >= high_hu || low >= high {
            return Some("input.window is empty".to_owned());
        }
        if input.median.is_some_and(|m| m.size % 2 == 0 || !positive(&[m.spacing_mm; 3])) {
            return Some("input.median needs an odd size and a spacing above zero".to_owned());
        }
        for axis in 0..3 {
            let (size, multiple, remainder) =
                (tiles.shape[axis], tiles.multiple[axis], tiles.remainder[axis]);
            if multiple == 0 || size == 0 || size % multiple != remainder {
                return Some(format!(
                    "tiles.shape {size} does not leave {remainder} when divided by {multiple}"
                ));
            }
            match tiles.join {
                Join::Border(border) if border[axis].saturating_mul(2) >= size => {
                    return Some(format!(
                        "tiles of {size} with a border of {} have nothing left",
                        border[axis]
                    ));
                }
                Join::Overlap(share) if !(0.0..1.0).contains(&share) || remainder != 0 => {
                    return Some(
                        "tiles.join.overlap must be a share below 1, and tiles.remainder 0".to_owned(),
                    );
                }
                _ => {}
            }
        }
        if !(head.threshold() > 0.0 && head.threshold() < 1.0) {
            return Some(format!("head.threshold is {} and must lie between 0 and 1", head.threshold()));
        }
        if let Head::HeatMap { stride, peak_cells, .. } = head {
            let divides = |size: &usize| *stride > 0 && size.is_multiple_of(*stride);
            if !tiles.multiple.iter().all(divides) || !tiles.remainder.iter().all(divides) {
                return Some(format!("head.stride {stride} does not divide the sizes of tiles"));
            }
            if peak_cells % 2 == 0 {
                return Some(format!("head.peak_cells is {peak_cells} and must be odd"));
            }
        }
        if self.critical_long_axis_mm.is_some_and(|mm| !(mm.is_finite() && mm > 0.0)) {
            return Some("critical_long_axis_mm must be above zero".to_owned());
        }
        if input.outside_region.is_some() && head.region().is_none() {
            return Some("input.outside_region needs head.region".to_owned());
        }
        let hex =
            |hash: &str| hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex(&self.weights.sha256) {
            return Some("weights.sha256 is not 64 lower-case hexadecimal digits".to_owned());
        }
        None
    }
}
