//! These findings against those of the prior.

use dicom_io::{Ijk, Lps, Uid, Volume};
use kernels::Device;

use super::register::{Refused, Registered, register};
use super::{Alignment, Compared, Prior, PriorLesion, Resolved, change, pair};
use crate::finding::Finding;
use crate::report::Examined;

/// The examination that is compared with a prior.
#[derive(Debug)]
pub struct Current<'a> {
    /// Its images.
    pub images: &'a Volume<i16>,
    /// Whether these are Hounsfield units.
    pub is_ct: bool,
    /// Their Frame of Reference.
    pub frame_of_reference_uid: Option<Uid>,
    /// What was looked for, and with what result.
    pub examined: &'a [Examined],
}

/// The centres of one lesion in two examinations lie this far apart at most, and the share of its mean diameter,
/// mm: what is left when the images have been laid over each other.
const CENTRE_MM: f64 = 8.0;
const CENTRE_SHARE: f64 = 0.25;
const MOST_CENTRE_MM: f64 = 16.0;

/// A lesion does not become this many times as large, or as small, across.
const MOST_TIMES: f64 = 4.0;

/// Lesions of a patient who has not moved lie this close, mm.
const SAME_FRAME_MM: f64 = 10.0;

/// What is said to be of the same size without being seen: this many times as large across at most.
const ALIKE_TIMES: f64 = 1.3;

/// A place is in the images if it is further inside of them than this, mm, and its lesion's radius.
const INSIDE_MM: f64 = 6.0;

/// Holds `findings` against those of `prior`: what has become of each, with the Tracking UID that it had.
///
/// Returns what was compared, `None` where nothing could be; and what a reader should know of it, in plain
/// English. A finding without a change was not compared.
///
/// # Errors
///
/// [`kernels::Error`] if there is too little memory.
pub fn compare(
    device: &Device,
    current: &Current<'_>,
    prior: &Prior,
    findings: &mut [Finding],
) -> Result<(Option<Compared>, Vec<String>), kernels::Error> {
    let same_frame = prior.frame_of_reference_uid.is_some()
        && prior.frame_of_reference_uid == current.frame_of_reference_uid;
    let (bridge, alignment, note) = match &prior.images {
        Some(images) if current.is_ct => match register(device, current.images, images)? {
            Ok(registered) => {
                let Registered { correlation, overlap, .. } = registered;
                let alignment = Alignment::Images { correlation, overlap };
                (Bridge::Images(Box::new(registered), images), alignment, None)
            }
            Err(refused) => return Ok((None, vec![not_compared(prior, refused)])),
        },
        _ if same_frame => (Bridge::Frame, Alignment::FrameOfReference, None),
        _ => {
            let note = format!(
                "study {}: compared by kind, side and size alone, where there is one lesion of each: its images \
                 could not be laid over these",
                prior.study_uid
            );
            (Bridge::None, Alignment::Description, Some(note))
        }
    };
    let comparison = Comparison { current, prior, bridge };
    let (resolved, not_compared, left) = comparison.apply(findings);
    let mut notes: Vec<String> = note.into_iter().collect();
    if left > 0 {
        notes.push(format!(
            "{left} findings were not compared with study {}: it is not clear whether it showed them",
            prior.study_uid
        ));
    }
    if not_compared > 0 {
        notes.push(format!(
            "{not_compared} findings of study {} were not compared: it is not clear whether they are shown here",
            prior.study_uid
        ));
    }
    let compared = Compared {
        study_uid: prior.study_uid.clone(),
        series_uid: prior.series_uid.clone(),
        days: prior.days,
        alignment,
        resolved,
        not_compared,
    };
    Ok((Some(compared), notes))
}

fn not_compared(prior: &Prior, refused: Refused) -> String {
    let study = &prior.study_uid;
    match refused {
        Refused::Overlap => {
            format!("study {study}: not compared, its images show too little of what these show")
        }
        Refused::Correlation(found) => format!(
            "study {study}: not compared, its images cannot be laid over these (correlation {found:.2})"
        ),
        Refused::Unclear => {
            format!("study {study}: not compared, its images can be laid over these in more than one way")
        }
    }
}

/// How places then and now are known to be the same.
enum Bridge<'a> {
    Images(Box<Registered>, &'a Volume<i16>),
    Frame,
    None,
}

struct Comparison<'a> {
    current: &'a Current<'a>,
    prior: &'a Prior,
    bridge: Bridge<'a>,
}

impl Comparison<'_> {
    /// Gives `findings` their changes: the lesions that are gone, how many of the prior's and how many of these
    /// were not compared.
    fn apply(&self, findings: &mut [Finding]) -> (Vec<Resolved>, usize, usize) {
        let lesions = &self.prior.lesions;
        let pairs = match &self.bridge {
            Bridge::None => self.alike(findings),
            _ => self.near(findings),
        };
        let largest =
            |volume: &Volume<i16>| volume.geometry.spacing().to_array().into_iter().fold(0.0, f64::max);
        let spacing = largest(self.current.images);
        let prior_spacing = self.prior.images.as_ref().map(largest);
        let mut matched = vec![false; lesions.len()];
        for &(n, p) in &pairs.pairs {
            let (finding, lesion) = (&mut findings[n], &lesions[p]);
            let days = self.prior.days;
            finding.change =
                Some(change::change(&finding.measurements, spacing, lesion, prior_spacing, days));
            finding.tracking_uid = lesion.tracking_uid.clone();
            matched[p] = true;
        }
        let mut left = 0;
        for (n, finding) in findings.iter_mut().enumerate().filter(|(_, finding)| finding.change.is_none()) {
            if !pairs.unclear_now.contains(&n) && self.is_new(finding) {
                finding.change = Some(change::new(self.prior.days));
            } else {
                left += 1;
            }
        }
        let (mut resolved, mut unclear) = (Vec::new(), 0);
        for (p, lesion) in lesions.iter().enumerate().filter(|(p, _)| !matched[*p]) {
            if !pairs.unclear_prior.contains(&p) && self.is_gone(lesion) {
                resolved.push(Resolved {
                    kind: lesion.kind,
                    site: lesion.site,
                    tracking_uid: lesion.tracking_uid.clone(),
                    prior_long_axis_mm: lesion.long_axis_mm,
                    prior_short_axis_mm: lesion.short_axis_mm,
                });
            } else {
                unclear += 1;
            }
        }
        (resolved, unclear, left)
    }

    /// Pairs by place and size.
    fn near(&self, findings: &[Finding]) -> pair::Pairs {
        let then: Vec<Lps> = findings
            .iter()
            .map(|finding| {
                let centre = finding.measurements.centre_lps_mm;
                match &self.bridge {
                    Bridge::Images(registered, _) => registered.then(centre, mean_mm(finding) / 2.0),
                    _ => centre,
                }
            })
            .collect();
        pair::pair(findings.len(), self.prior.lesions.len(), |n, p| {
            let (finding, lesion) = (&findings[n], &self.prior.lesions[p]);
            if !may_be_one(finding, lesion) {
                return None;
            }
            let (now, before) = (mean_mm(finding), prior_mean_mm(lesion));
            let most = match self.bridge {
                Bridge::Images(..) => (CENTRE_MM + CENTRE_SHARE * now.max(before)).min(MOST_CENTRE_MM),
                _ => SAME_FRAME_MM,
            };
            let away = then[n].distance(lesion.centre_lps_mm?).0 / most;
            let times = (now / before).ln() / MOST_TIMES.ln();
            (away < 1.0 && times.abs() < 1.0).then_some(away * away + times * times)
        })
    }

    /// Pairs by kind, side and size, where there is one of each then and now.
    fn alike(&self, findings: &[Finding]) -> pair::Pairs {
        let lesions = &self.prior.lesions;
        let mut pairs = pair::Pairs::default();
        for (n, finding) in findings.iter().enumerate() {
            let mut others = (0..lesions.len()).filter(|&p| may_be_one(finding, &lesions[p]));
            let (Some(p), None) = (others.next(), others.next()) else { continue };
            let alone = findings.iter().filter(|other| may_be_one(other, &lesions[p])).count() == 1;
            let times = (mean_mm(finding) / prior_mean_mm(&lesions[p])).ln().abs();
            if alone && times <= ALIKE_TIMES.ln() {
                pairs.pairs.push((n, p));
            }
        }
        pairs
    }

    /// Whether the prior showed the place of `finding`, and nothing there.
    fn is_new(&self, finding: &Finding) -> bool {
        let Bridge::Images(registered, images) = &self.bridge else { return false };
        let radius = mean_mm(finding) / 2.0;
        let centre = finding.measurements.centre_lps_mm;
        let then = registered.then(centre, radius);
        self.prior.examined.contains(&finding.kind)
            && is_inside(images, then, radius + INSIDE_MM)
            && !is_shown(self.current.images, centre, images, then, radius)
    }

    /// Whether these images show the place of `lesion`, and nothing there.
    fn is_gone(&self, lesion: &PriorLesion) -> bool {
        let looked = |examined: &Examined| examined.kind == lesion.kind && examined.organ_found;
        let Some(centre) = lesion.centre_lps_mm else { return false };
        let radius = prior_mean_mm(lesion) / 2.0;
        let now = match &self.bridge {
            Bridge::Images(registered, images) => {
                let now = registered.now(centre);
                if is_shown(images, centre, self.current.images, now, radius) {
                    return false;
                }
                now
            }
            Bridge::Frame => centre,
            Bridge::None => return false,
        };
        self.current.examined.iter().any(looked) && is_inside(self.current.images, now, radius + INSIDE_MM)
    }
}

/// Whether kind and side allow them to be one.
fn may_be_one(finding: &Finding, lesion: &PriorLesion) -> bool {
    let sides = finding.site.side.zip(lesion.site.side);
    finding.kind == lesion.kind && sides.is_none_or(|(now, then)| now == then)
}

fn mean_mm(finding: &Finding) -> f64 {
    ((finding.measurements.long_axis_mm + finding.measurements.short_axis_mm) / 2.0).max(1.0)
}

fn prior_mean_mm(lesion: &PriorLesion) -> f64 {
    let short = lesion.short_axis_mm.unwrap_or(lesion.long_axis_mm);
    ((lesion.long_axis_mm + short) / 2.0).max(1.0)
}

/// Whether all that lies within `reach_mm` of `place` along the axes is in the images.
fn is_inside(volume: &Volume<i16>, place: Lps, reach_mm: f64) -> bool {
    let at = volume.geometry.to_ijk(place).to_array();
    let spacing = volume.geometry.spacing().to_array();
    let [slices, rows, columns] = volume.shape();
    [columns, rows, slices].into_iter().enumerate().all(|(a, size)| {
        let reach = reach_mm / spacing[a];
        at[a] - reach >= 0.0 && at[a] + reach <= size as f64 - 1.0
    })
}

/// A lesion stands out elsewhere if it does so by this share of how it stands out where it was found.
const SHOWN_SHARE: f64 = 0.5;

/// How far from its place it is looked for, mm, and in which steps.
const LOOK_MM: f64 = 6.0;
const LOOK_STEP_MM: f64 = 2.0;

/// No more voxels than this are looked at along each axis: a mean needs no more.
const MOST_ACROSS: usize = 24;

/// Whether a lesion that stands out from its surroundings at `place` of `volume` also does so at or around
/// `there` of `other`, whether somebody noticed or not.
///
/// What was overlooked then is not new now, and what was overlooked now has not gone.
fn is_shown(volume: &Volume<i16>, place: Lps, other: &Volume<i16>, there: Lps, radius: f64) -> bool {
    let Some(contrast) = contrast(volume, place, radius) else { return true };
    let steps = (LOOK_MM / LOOK_STEP_MM) as i32;
    let all = -steps..=steps;
    for s in all.clone() {
        for p in all.clone() {
            for l in all.clone() {
                let [l, p, s] = [l, p, s].map(|n| f64::from(n) * LOOK_STEP_MM);
                if l * l + p * p + s * s > LOOK_MM * LOOK_MM {
                    continue;
                }
                let at = Lps::new(there.l + l, there.p + p, there.s + s);
                let found = self::contrast(other, at, radius);
                if found.is_some_and(|found| found / contrast >= SHOWN_SHARE) {
                    return true;
                }
            }
        }
    }
    false
}

/// By how many HU the middle of a lesion differs from the shell around it; `None` at the border of the images.
fn contrast(volume: &Volume<i16>, place: Lps, radius: f64) -> Option<f64> {
    let spacing = volume.geometry.spacing().to_array();
    let at = volume.geometry.to_ijk(place).to_array();
    let reach = 1.8 * radius + 1.0;
    let range = |a: usize, size: usize| {
        let low = (at[a] - reach / spacing[a]).ceil().max(0.0) as usize;
        let high = (at[a] + reach / spacing[a]).floor().min(size as f64 - 1.0);
        let end = if high < 0.0 { low } else { high as usize + 1 };
        (low..end).step_by((end.saturating_sub(low)).div_ceil(MOST_ACROSS).max(1))
    };
    let [slices, rows, columns] = volume.shape();
    // Even a small lesion has its nearest voxel.
    let core = (0.6 * radius).max(0.75 * spacing.into_iter().fold(0.0, f64::max));
    let shell = 1.3 * radius + 1.0..reach;
    let (mut inside, mut around) = ((0.0, 0.0), (0.0, 0.0));
    for k in range(2, slices) {
        for j in range(1, rows) {
            for i in range(0, columns) {
                let away = volume.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64)).distance(place).0;
                let value = f64::from(volume.voxels[(k, j, i)]);
                if away <= core {
                    inside = (inside.0 + 1.0, inside.1 + value);
                } else if shell.contains(&away) {
                    around = (around.0 + 1.0, around.1 + value);
                }
            }
        }
    }
    (inside.0 > 0.0 && around.0 > 0.0).then(|| inside.1 / inside.0 - around.1 / around.0)
}
