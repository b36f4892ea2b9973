//! From a series that was read to its report: the pipeline, top to bottom.

use dicom_io::{Reading, Uid, Volume};
use kernels::bits::Bits;
use kernels::keep::keep;
use kernels::{Device, Neighbours};
use models::{Card, Head, Network, Outputs, Progress};
use ndarray::{Array3, ArrayView3};

use crate::density::{density, solid_part};
use crate::error::Error;
use crate::evidence::Evidence;
use crate::finding::{Density, Finding, Kind, Mask, Organ, Site};
use crate::grid::{Bounds, Grid};
use crate::guideline::{Advised, Guideline, Patient, advise};
use crate::liver;
use crate::lung::{self, Lungs};
use crate::measure::measure;
use crate::narrative::{Facts, Language, Narrative};
use crate::part::{bounding_box, cut};
use crate::prepare::{Prepared, prepare};
use crate::report::{Examined, ModelRun, Provenance, Report, SCHEMA_VERSION};
use crate::track::{self, Current, Prior};
use crate::write::Writing;

/// Said in every report.
pub const INTENDED_USE: &str =
    "Research software. Not a medical device, not for diagnosis. Unverified result of an algorithm.";

/// A liver smaller than this is none, or hardly any of it is in the images, ml.
const SMALLEST_LIVER_ML: f64 = 100.0;

/// Two masks are the same lesion if they share more than this of the smaller one.
const SAME_LESION_OVERLAP: f64 = 0.5;

/// Below this lie air and lung, above it soft tissue, HU.
const LUNG_AIR_HU: f32 = -400.0;

/// How much of the surroundings of the lungs a network sees, voxels.
const CONTEXT_VOXELS: usize = 8;

/// What is asked of an analysis.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The models to look with.
    pub wanted: &'a [&'static Card],
    /// The language of the words.
    pub language: Language,
    /// The guideline to advise by; `None`: no advice.
    pub guideline: Option<Guideline>,
    /// What is known of the patient besides the images' header; sex and age are taken from there where they
    /// are not told.
    pub patient: Patient,
    /// An earlier examination to compare with.
    pub prior: Option<&'a Prior>,
}

/// How far the analysis is, for whoever shows it.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What is going on: "lung-nodule: network".
    pub what: &'a str,
    /// How many parts of it are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// What an analysis needs from outside.
pub struct Tools<'a> {
    /// Where kernels run.
    pub device: Device,
    /// Hands out a network. Called when it is needed, and never for two at a time.
    pub load: &'a dyn Fn(&'static Card) -> Result<Network, models::Error>,
    /// Takes a network back that has run: to drop it, or to keep it for the next study.
    pub done: &'a dyn Fn(Network),
    /// Told of each step.
    pub progress: &'a dyn Fn(Step<'_>),
    /// The inference library and where it computes, for the report.
    pub runtime: String,
    /// The version of the program, for the report.
    pub foci_version: String,
}

/// The report of the series in `reading`, as far as the models that `task` wants can tell.
///
/// # Errors
///
/// [`Error::Card`] for a model that finds nothing by itself (the whole-liver model), and whatever kept a
/// network from running.
pub fn analyze(reading: &Reading, task: &Task<'_>, tools: &mut Tools<'_>) -> Result<Report, Error> {
    let mut run = Run {
        volume: &reading.volume,
        tools,
        examined: Vec::new(),
        models: Vec::new(),
        lesions: Vec::new(),
        warnings: Vec::new(),
    };
    for card in task.wanted {
        let kind = Kind::of(card).ok_or_else(|| Error::Card {
            model: card.name.clone(),
            problem: "the engine has no name for what it finds",
        })?;
        match card.head.region().map(|region| region.organ) {
            Some(models::Organ::Lungs) => run.lungs(card, kind)?,
            Some(models::Organ::Liver) => run.liver(card, kind)?,
            None => {
                return Err(Error::Card {
                    model: card.name.clone(),
                    problem: "it names no organ to look in",
                });
            }
        }
    }
    let Run { mut examined, models, lesions, warnings: odd, .. } = run;
    examined.sort_by_key(|examined| examined.organ as usize);

    (tools.progress)(Step { what: "measuring", done: 0, total: 1 });
    let spacing = reading.volume.geometry.spacing();
    let (mut findings, immeasurable) = findings(reading, lesions);
    let mut warnings: Vec<String> = reading.warnings.iter().map(ToString::to_string).chain(odd).collect();
    if immeasurable > 0 {
        warnings.push(format!(
            "{immeasurable} candidates were left out: they fill one voxel of a slice, too little to measure"
        ));
    }
    let modality = reading.source.modality();
    let mut compared = None;
    if let Some(prior) = task.prior {
        (tools.progress)(Step { what: "comparing", done: 0, total: 1 });
        let current = Current {
            images: &reading.volume,
            is_ct: modality == "CT",
            frame_of_reference_uid: reading.source.frame_of_reference_uid(),
            examined: &examined,
        };
        let notes;
        (compared, notes) = match track::compare(&tools.device, &current, prior, &mut findings) {
            Err(kernels::Error::OutOfMemory { .. }) if !matches!(tools.device, Device::Cpu) => {
                warnings.push(on_cpu_instead("comparing"));
                track::compare(&Device::Cpu, &current, prior, &mut findings)?
            }
            done => done?,
        };
        warnings.extend(notes);
    }
    let mut facts = Facts {
        modality: &modality,
        slices: reading.slices.len(),
        spacing_mm: spacing.to_array(),
        findings: &findings,
        examined: &examined,
        compared: compared.as_ref(),
        advised: &Advised::default(),
        warnings: &warnings,
    };
    let patient = task.patient.completed(&reading.source);
    let lesions = Evidence::of(&facts, patient, reading.source.contrast()).lesions;
    let advised = task.guideline.map(|guideline| advise(guideline, &patient, &lesions, task.prior.is_some()));
    let advised = advised.unwrap_or_default();
    facts.advised = &advised;
    let narrative = Narrative::template(task.language, &facts);
    Ok(Report {
        schema_version: SCHEMA_VERSION,
        intended_use: INTENDED_USE.into(),
        study_uid: reading.source.study_uid().clone(),
        series_uid: reading.source.series_uid().clone(),
        modality,
        slices: reading.slices.len(),
        spacing_mm: spacing.to_array(),
        findings,
        examined,
        compared,
        advised,
        narrative,
        warnings,
        provenance: Provenance {
            foci_version: tools.foci_version.clone(),
            runtime: tools.runtime.clone(),
            models,
            writing: Writing::default(),
        },
    })
}

impl Kind {
    /// What the model of `card` finds, if the engine has a name for it.
    pub fn of(card: &Card) -> Option<Self> {
        match (card.head.region()?.organ, card.label.finding.value.as_str()) {
            (models::Organ::Lungs, "27925004") => Some(Self::LungNodule),
            (models::Organ::Liver, "52988006") => Some(Self::LiverLesion),
            _ => None,
        }
    }
}

/// A lesion before it is numbered.
struct Lesion {
    kind: Kind,
    site: Site,
    mask: Mask,
    confidence: f64,
    model: &'static Card,
}

/// One analysis under way.
struct Run<'a, 'b> {
    volume: &'a Volume<i16>,
    tools: &'a mut Tools<'b>,
    examined: Vec<Examined>,
    models: Vec<ModelRun>,
    lesions: Vec<Lesion>,
    warnings: Vec<String>,
}

impl Run<'_, '_> {
    /// Looks for nodules in the lungs with the heat map of `card`.
    fn lungs(&mut self, card: &'static Card, kind: Kind) -> Result<(), Error> {
        let Head::HeatMap { heat, log_diameter, mask, stride, offset, peak_cells, threshold, .. } =
            &card.head
        else {
            return Err(Error::Card { model: card.name.clone(), problem: "lungs need a heat map" });
        };
        self.step(&format!("{}: preparing", card.name), 0, 1);
        let volume = self.volume;
        let whole = Bounds::of(&volume.geometry, volume.shape());
        let Prepared { tensor, grid } =
            self.on_device("preparing", |device| prepare(device, volume, card, whole))?;
        let window = &card.input.window;
        let air = window.low
            + (LUNG_AIR_HU - window.low_hu) / (window.high_hu - window.low_hu) * (window.high - window.low);
        let found = self.on_device("finding the lungs", |device| {
            // No number is above the one before `air` and below `air`.
            let dark = tensor.above(device, air.next_down())?.inverted();
            Lungs::find(device, &dark, grid)
        })?;
        self.examined.push(Examined {
            organ: Organ::Lung,
            kind,
            organ_found: found.is_some(),
            organ_volume_ml: found.as_ref().map(|lungs| lungs.volume_ml),
            model: card.name.clone(),
        });
        let Some(lungs) = found else { return Ok(()) };

        // Only the box of the lungs: tiles begin at its corner, and there are fewer of them.
        let Some((corner, shape)) = bounding_box(&lungs.mask) else { return Ok(()) };
        let corner = corner.map(|at| at.saturating_sub(CONTEXT_VOXELS));
        let end: [usize; 3] =
            std::array::from_fn(|a| (corner[a] + shape[a] + 2 * CONTEXT_VOXELS).min(grid.shape[a]));
        let grid = grid.part(corner, std::array::from_fn(|a| end[a] - corner[a]));
        let inside = lungs.mask.to_mask()?;
        let inside = inside.slice(cut(corner, grid.shape));
        let part = tensor.part(corner, grid.shape)?;
        let mut outputs = self.network(card, (&part).into(), Some(inside))?;
        let [heat, log_diameter, probability] = [heat, log_diameter, mask].map(|name| outputs.take(name));

        self.step(&format!("{}: outlining", card.name), 0, 1);
        let stride = *stride as f64;
        let cells_in_lung = Array3::from_shape_fn(heat.dim(), |(k, j, i)| {
            let at = [k, j, i].map(|cell| (cell as f64 * stride + offset) as usize);
            inside.get(at).copied().unwrap_or(false)
        });
        let peaks = self.on_device("finding peaks", |device| {
            let cells = Some(cells_in_lung.view());
            kernels::peaks::peaks(device, heat.view(), peak_cells / 2, *threshold, cells)
        })?;
        for peak in peaks {
            let [k, j, i] = peak.at.map(|cell| cell as f64 * stride + offset);
            let centre = grid.geometry.to_lps([i, j, k].into());
            let diameter_mm = 10.0 * f64::from(log_diameter[peak.at]).exp();
            let mask = self.on_device("outlining", |device| {
                lung::outline_nodule(device, volume, probability.view(), &grid, centre, diameter_mm)
            })?;
            let Some(mask) = mask else { continue };
            let site = Site { organ: Organ::Lung, side: lungs.side(centre) };
            self.add(Lesion { kind, site, mask, confidence: f64::from(peak.score), model: card });
        }
        Ok(())
    }

    /// Looks for lesions inside the liver with the segmentation of `card`.
    fn liver(&mut self, card: &'static Card, kind: Kind) -> Result<(), Error> {
        let (Head::Segmentation { threshold, minimum_ml, .. }, Some(region)) =
            (&card.head, card.head.region())
        else {
            return Err(Error::Card { model: card.name.clone(), problem: "the liver needs a segmentation" });
        };
        let volume = self.volume;
        let organ = self.whole_liver()?;
        self.examined.push(Examined {
            organ: Organ::Liver,
            kind,
            organ_found: organ.is_some(),
            organ_volume_ml: organ.as_ref().map(|organ| organ.volume_ml),
            model: card.name.clone(),
        });
        let Some(organ) = organ else { return Ok(()) };

        self.step(&format!("{}: preparing", card.name), 0, 1);
        let margin = card.input.spacing_mm.iter().fold(0.0, |most: f64, mm| most.max(*mm))
            * (region.dilate_voxels + 1) as f64;
        let whole = Bounds::of(&volume.geometry, volume.shape());
        let bounds =
            Bounds::of_box(&organ.grid.geometry, organ.corner, organ.shape).grown(margin).within(whole);
        let Prepared { tensor, grid } =
            self.on_device("preparing", |device| prepare(device, volume, card, bounds))?;
        let map = grid.geometry.index_map(&organ.grid.geometry);
        let inside = self.on_device("growing the liver", |device| {
            let liver = Bits::resampled(device, organ.mask.view(), grid.shape, &map, 0.5)?;
            liver.dilated(device, Neighbours::Eighteen, region.dilate_voxels)
        })?;
        let Some((corner, shape)) = bounding_box(&inside) else { return Ok(()) };
        let grid = grid.part(corner, shape);
        let wanted = inside.to_mask()?;
        let wanted = wanted.slice(cut(corner, shape));
        let inside = Bits::of(wanted)?;
        let mut part = tensor.part(corner, shape)?;
        if let Some(outside) = card.input.outside_region {
            part = part.kept(&inside, outside)?;
        }

        let mut probability = self.segment(card, (&part).into(), Some(wanted))?;
        self.step(&format!("{}: outlining", card.name), 0, 1);
        keep(probability.view_mut(), &inside, 0.0);
        let found = self.on_device("outlining", |device| {
            let (source, full) = (&volume.geometry, volume.shape());
            liver::lesions(device, probability.view(), &grid, *threshold, *minimum_ml, source, full)
        })?;
        for lesion in found {
            let site = Site { organ: Organ::Liver, side: None };
            self.add(Lesion { kind, site, mask: lesion.mask, confidence: lesion.confidence, model: card });
        }
        Ok(())
    }

    /// The liver by the network of that name; `None` where there is too little of it.
    fn whole_liver(&mut self) -> Result<Option<WholeLiver>, Error> {
        let card = Card::named("liver")?;
        self.step("liver: preparing", 0, 1);
        let volume = self.volume;
        let Prepared { tensor, grid } = self.on_device("preparing", |device| {
            let body = liver::body(device, volume)?;
            prepare(device, volume, card, body)
        })?;
        // Air is no liver: tiles of nothing else are left out.
        let tissue = self.on_device("preparing", |device| tensor.above(device, card.input.window.low))?;
        let probability = self.segment(card, (&tensor).into(), Some(tissue.to_mask()?.view()))?;
        let mask = self.on_device("finding the liver", |device| {
            liver::largest_part(device, probability.view(), card.head.threshold())
        })?;
        let volume_ml = mask.count() as f64 * grid.geometry.voxel_mm3() / 1000.0;
        let Some((corner, shape)) = bounding_box(&mask) else { return Ok(None) };
        if volume_ml < SMALLEST_LIVER_ML {
            return Ok(None);
        }
        let head_to_foot = (0..3).find(|&a| grid.geometry.axes()[2 - a][2].abs() > 0.5);
        if head_to_foot.is_some_and(|a| corner[a] == 0 || corner[a] + shape[a] == grid.shape[a]) {
            self.warnings.push("the liver is cut off by the first or the last slice".to_owned());
        }
        Ok(Some(WholeLiver { mask: mask.to_mask()?, grid, volume_ml, corner, shape }))
    }

    /// Runs the segmentation network of `card` on `tensor`.
    fn segment(
        &mut self,
        card: &'static Card,
        tensor: models::Tensor<'_>,
        wanted: Option<ArrayView3<'_, bool>>,
    ) -> Result<Array3<f32>, Error> {
        let Head::Segmentation { output, .. } = &card.head else {
            return Err(Error::Card { model: card.name.clone(), problem: "it is no segmentation" });
        };
        Ok(self.network(card, tensor, wanted)?.take(output))
    }

    /// Loads the network of `card`, notes that it ran, and runs it on `tensor`.
    fn network(
        &mut self,
        card: &'static Card,
        tensor: models::Tensor<'_>,
        wanted: Option<ArrayView3<'_, bool>>,
    ) -> Result<Outputs, Error> {
        let what = format!("{}: network", card.name);
        self.step(&what, 0, 1);
        let mut network = (self.tools.load)(card)?;
        if !self.models.iter().any(|model| model.name == card.name) {
            self.models.push(ModelRun::of(card));
        }
        let progress = self.tools.progress;
        let heard = |heard: Progress<'_>| {
            progress(Step { what: &what, done: heard.done as usize, total: heard.total as usize });
        };
        let outputs = network.run(tensor, wanted, &heard)?;
        self.warnings.extend_from_slice(outputs.notes());
        (self.tools.done)(network);
        Ok(outputs)
    }

    /// Keeps `lesion` unless one that is surer covers the same voxels.
    fn add(&mut self, lesion: Lesion) {
        let size = |mask: &Mask| mask.voxels.iter().filter(|&&set| set).count();
        let same = |other: &Lesion| {
            let smaller = size(&other.mask).min(size(&lesion.mask)) as f64;
            other.mask.overlap(&lesion.mask) as f64 > SAME_LESION_OVERLAP * smaller
        };
        match self.lesions.iter().position(same) {
            Some(at) if self.lesions[at].confidence < lesion.confidence => self.lesions[at] = lesion,
            Some(_) => {}
            None => self.lesions.push(lesion),
        }
    }

    /// Does `work` where kernels run; on the CPU if a GPU has no room for it, and then the report says so.
    fn on_device<T>(
        &mut self,
        what: &str,
        work: impl Fn(&Device) -> Result<T, kernels::Error>,
    ) -> Result<T, Error> {
        match (work(&self.tools.device), &self.tools.device) {
            (Err(kernels::Error::OutOfMemory { .. }), Device::Cuda(_)) => {
                let done = work(&Device::Cpu)?;
                self.warnings.push(on_cpu_instead(what));
                Ok(done)
            }
            (done, _) => Ok(done?),
        }
    }

    fn step(&self, what: &str, done: usize, total: usize) {
        (self.tools.progress)(Step { what, done, total });
    }
}

/// Said in the report of what was to be done on a GPU that had no room for it.
fn on_cpu_instead(what: &str) -> String {
    format!("the GPU ran out of memory ({what}); it was done on the CPU")
}

/// The whole liver on its network's grid.
struct WholeLiver {
    mask: Array3<bool>,
    grid: Grid,
    volume_ml: f64,
    corner: [usize; 3],
    shape: [usize; 3],
}

/// The lesions measured, put in order and numbered; and how many have no size that could be measured: on coarse
/// images a candidate can come down to single voxels, and a lesion of 0.0 mm is none.
fn findings(reading: &Reading, lesions: Vec<Lesion>) -> (Vec<Finding>, usize) {
    let candidates = lesions.len();
    let mut measured: Vec<_> = lesions
        .into_iter()
        .filter_map(|lesion| measure(&reading.volume, &lesion.mask).map(|numbers| (lesion, numbers)))
        .filter(|(_, numbers)| numbers.long_axis_mm > 0.0)
        .collect();
    let immeasurable = candidates - measured.len();
    measured.sort_by(|(a, x), (b, y)| {
        let organ = |lesion: &Lesion| lesion.site.organ as usize;
        organ(a).cmp(&organ(b)).then(y.long_axis_mm.total_cmp(&x.long_axis_mm))
    });
    let number = |(number, (lesion, measurements)): (usize, (Lesion, crate::Measurements))| {
        let at = measurements.centre_lps_mm;
        let place = format!("{:.1} {:.1} {:.1}", at.l, at.p, at.s);
        let series = reading.source.series_uid().as_str();
        // Only CT has Hounsfield units to tell.
        let tells = lesion.kind == Kind::LungNodule && reading.source.modality() == "CT";
        let density = tells.then(|| density(&reading.volume, &lesion.mask)).flatten();
        let part_solid = density == Some(Density::PartSolid);
        Finding {
            number,
            kind: lesion.kind,
            site: lesion.site,
            confidence: lesion.confidence,
            model: lesion.model.name.clone(),
            sop_instance_uid: reading.slices[measurements.slice].sop_instance_uid.clone(),
            tracking_uid: Uid::derived(&["tracking", series, &lesion.model.weights.sha256, &place]),
            density,
            solid_part: part_solid.then(|| solid_part(&reading.volume, &lesion.mask)).flatten(),
            change: None,
            critical: lesion.model.is_critical(measurements.long_axis_mm),
            measurements,
            mask: lesion.mask,
        }
    };
    ((1..).zip(measured).map(number).collect(), immeasurable)
}

impl ModelRun {
    /// The network of `card` as the engine runs it.
    fn of(card: &Card) -> Self {
        let spacing = card.input.spacing_mm;
        Self {
            name: card.name.clone(),
            version: card.version.clone(),
            weights_sha256: card.weights.sha256.clone(),
            device_uid: Uid::derived(&["device", &card.name, &card.weights.sha256]),
            parameters: vec![
                format!("weights_sha256={}", card.weights.sha256),
                format!("threshold={}", card.head.threshold()),
                format!("input_spacing_mm={}x{}x{}", spacing[0], spacing[1], spacing[2]),
            ],
        }
    }
}
