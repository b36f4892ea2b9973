//! `foci phantom`: a synthetic CT with its truth.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use dicom_io::Spacing;
use dicom_io::phantom::{self, Fate, FollowUp, Orientation, Pose};

use crate::output::OutputFolder;

/// Write a synthetic CT study with known lesions
///
/// Chest and upper abdomen in the portal venous phase: lungs, vessels, ribs, heart, liver and its neighbours,
/// lung nodules and liver lesions of several kinds and sizes, noise. The same seed is the same patient on
/// every grid and machine, byte for byte. truth.json says where each lesion lies (LPS, mm) and how large
/// it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Phantom {
    /// The folder to write; it must not exist yet, or be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Which patient
    #[arg(long, default_value_t = phantom::Phantom::default().seed, value_name = "N")]
    seed: u64,

    /// Columns, rows and slices
    #[arg(long, value_name = "CxRxS", default_value = "256x256x140", value_parser = three::<usize>)]
    size: [usize; 3],

    /// Millimetres between columns, rows and slices
    #[arg(long, value_name = "CxRxS", default_value = "1.4x1.4x2.5", value_parser = three::<f64>)]
    spacing: [f64; 3],

    /// How the slices are cut
    #[arg(long, value_enum, default_value_t = Cut::Axial)]
    orientation: Cut,

    /// How far an oblique cut is turned about all three axes, degrees
    #[arg(long, default_value_t = 12.0, value_name = "DEGREES")]
    tilt: f64,

    /// Number the slices from the last to the first
    #[arg(long)]
    reversed: bool,

    /// How many lung nodules
    #[arg(long, default_value_t = phantom::Phantom::default().nodules, value_name = "N")]
    nodules: usize,

    /// How many liver lesions
    #[arg(long, default_value_t = phantom::Phantom::default().liver_lesions, value_name = "N")]
    liver_lesions: usize,

    /// No lesions at all
    #[arg(long)]
    healthy: bool,

    /// Standard deviation of the noise, HU
    #[arg(long, default_value_t = phantom::Phantom::default().noise_hu, value_name = "HU")]
    noise: f32,

    /// Store signed values
    #[arg(long)]
    signed: bool,

    /// The same patient this many days later: moved, breathing deeper, lesions grown, shrunk, gone and new
    #[arg(long, value_name = "DAYS")]
    follow_up: Option<u32>,
}

/// What has become of `patient` after so many days. Of any five nodules and any three liver lesions one grows and
/// one goes away.
fn later(patient: phantom::Phantom, days: u32) -> FollowUp {
    let nodules = [1.4, 1.0, 0.0, 0.75, 1.0].map(fate);
    let liver = [1.0, 0.0, 1.35].map(fate);
    let fates = (0..patient.nodules).map(|n| nodules[n % nodules.len()]);
    let fates = fates.chain((0..patient.liver_lesions).map(|n| liver[n % liver.len()])).collect();
    let pose = Pose { shift_mm: [9.0, -6.0, 14.0], turn_degrees: [3.0, -2.0, 5.0], breath: 1.04 };
    FollowUp { patient, days, pose, fates, new_nodules: 1, new_liver_lesions: 1 }
}

/// Diameters become so many times as large; 0 is gone.
fn fate(times: f64) -> Fate {
    if times > 0.0 { Fate::Scaled(times) } else { Fate::Gone }
}

/// How the slices are cut.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Cut {
    Axial,
    Sagittal,
    Coronal,
    Oblique,
}

/// Three numbers with an `x` between them.
fn three<T: std::str::FromStr>(text: &str) -> Result<[T; 3], String> {
    let numbers: Option<Vec<T>> = text.split('x').map(|part| part.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "three numbers like 256x256x140 are expected".to_owned())
}

/// A volume larger than this is a mistake of the fingers, voxels.
const MOST_VOXELS: usize = 1 << 30;

impl Phantom {
    pub(crate) fn run(self) -> Result<()> {
        let [i, j, k] = self.spacing;
        if !self.spacing.iter().all(|mm| (0.05..=50.0).contains(mm)) {
            bail!("the spacing must be between 0.05 and 50 mm");
        }
        let voxels = self.size.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        let rows_fit = self.size[..2].iter().all(|&n| n <= usize::from(u16::MAX));
        if !rows_fit || !voxels.is_some_and(|voxels| (1..=MOST_VOXELS).contains(&voxels)) {
            bail!("the size must be at least 1x1x1 and at most {MOST_VOXELS} voxels");
        }
        let phantom = phantom::Phantom {
            seed: self.seed,
            size: self.size,
            spacing: Spacing { i, j, k },
            orientation: match self.orientation {
                Cut::Axial => Orientation::Axial,
                Cut::Sagittal => Orientation::Sagittal,
                Cut::Coronal => Orientation::Coronal,
                Cut::Oblique => Orientation::Oblique(self.tilt),
            },
            reversed: self.reversed,
            noise_hu: self.noise,
            nodules: self.nodules,
            liver_lesions: self.liver_lesions,
            healthy: self.healthy,
            signed: self.signed,
        };
        let folder = OutputFolder::create(&self.folder)?;
        let written = match self.follow_up {
            Some(days) => later(phantom, days).write(folder.path()),
            None => phantom.write(folder.path()),
        };
        written.context("cannot write the phantom")?;
        folder.finish()
    }
}
