//! Faithful reports by rule: the same facts in many wordings, orders and units, in merged and split sentences.

use engine::narrative::{Author, Sentence, rounded};
use engine::track::Trend;
use engine::{Finding, Kind, Language, Narrative, Organ, Side};

use crate::case::Case;
use crate::seeded::Seeded;
use crate::{chinese, english};

/// The report of `case` in other words.
pub(crate) fn paraphrase(case: &Case, language: Language, seed: u64) -> Narrative {
    let mut writer = Writer { case, random: Seeded::new(seed), findings: Vec::new(), impression: Vec::new() };
    match language {
        Language::Chinese => chinese::write(&mut writer),
        Language::English => english::write(&mut writer),
    }
    let template = case.template(language);
    // What is told at once and who has not checked it stand in every report.
    let about_findings = |s: &Sentence| case.findings.iter().any(|f| s.evidence.contains(&f.number));
    let (mut findings, mut impression) = (writer.findings, writer.impression);
    if writer.random.chance(60) {
        findings.insert(0, template.findings[0].clone());
    }
    let quoted = |s: &&Sentence| case.warnings.iter().any(|warning| s.text.contains(warning));
    findings.extend(template.findings.iter().filter(quoted).cloned());
    let last = template.impression.last().filter(|s| !about_findings(s)).cloned();
    impression.extend(last);
    Narrative { findings, impression, ..template }
}

/// Writes sentences on a case.
pub(crate) struct Writer<'a> {
    pub(crate) case: &'a Case,
    pub(crate) random: Seeded,
    findings: Vec<Sentence>,
    impression: Vec<Sentence>,
}

impl Writer<'_> {
    /// Another sentence of what was seen.
    pub(crate) fn seen(&mut self, text: String, about: &[usize]) {
        self.findings.push(sentence(text, about));
    }

    /// Another sentence of what it comes to.
    pub(crate) fn concluded(&mut self, text: String, about: &[usize]) {
        self.impression.push(sentence(text, about));
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        self.random.pick(of)
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.random.chance(percent)
    }

    /// Whether attenuation is in Hounsfield units.
    pub(crate) fn is_ct(&self) -> bool {
        self.case.modality == "CT"
    }

    /// A length in mm, or in cm where its rounding leaves no doubt.
    pub(crate) fn length(&mut self, mm: f64, spaces: bool) -> String {
        let gap = if spaces { " " } else { "" };
        let printed = rounded::millimetres(mm);
        let (one, of_printed) =
            (format!("{:.1}", mm / 10.0), printed.parse().map(|mm: f64| format!("{:.1}", mm / 10.0)));
        match self.random.below(8) {
            0 if of_printed == Ok(one.clone()) && mm > 10.0 => format!("{one}{gap}cm"),
            1 => format!("{:.2}{gap}cm", printed.parse::<f64>().unwrap_or(mm) / 10.0),
            _ => format!("{printed}{gap}mm"),
        }
    }

    /// Two axes with one unit or two.
    pub(crate) fn axes(&mut self, finding: &Finding, spaces: bool) -> String {
        let m = &finding.measurements;
        let (long, short) = (rounded::millimetres(m.long_axis_mm), rounded::millimetres(m.short_axis_mm));
        let cm = |mm: &str| format!("{:.2}", mm.parse::<f64>().unwrap_or_default() / 10.0);
        let gap = if spaces { " " } else { "" };
        let times = if spaces {
            self.pick(&[" × ", " x ", " by ", "×", "x"])
        } else {
            self.pick(&["×", "x", "*", " × "])
        };
        match self.random.below(5) {
            0 => format!("{long}{gap}mm{times}{short}{gap}mm"),
            1 => format!("{}{times}{}{gap}cm", cm(&long), cm(&short)),
            _ => format!("{long}{times}{short}{gap}mm"),
        }
    }

    /// A volume with its unit.
    pub(crate) fn volume(&mut self, finding: &Finding, spaces: bool) -> String {
        let gap = if spaces { " " } else { "" };
        let mm3 = finding.measurements.volume_mm3;
        let text = rounded::volume(mm3);
        match (text.strip_suffix(" mm³"), text.strip_suffix(" ml")) {
            (Some(mm3), _) => format!("{mm3}{gap}{}", self.pick(&["mm³", "mm3", "mm³"])),
            (_, Some(ml)) => format!("{ml}{gap}{}", self.pick(&["ml", "mL", "cm³", "cm3"])),
            _ => text,
        }
    }

    /// The mean attenuation, without its unit.
    pub(crate) fn attenuation(&self, finding: &Finding) -> String {
        rounded::hounsfield(finding.measurements.mean_hu)
    }
}

fn sentence(text: String, about: &[usize]) -> Sentence {
    Sentence { text, evidence: about.to_vec(), rules: Vec::new(), author: Author::Model }
}

/// The numbers of `findings`.
pub(crate) fn numbers(findings: &[&Finding]) -> Vec<usize> {
    findings.iter().map(|finding| finding.number).collect()
}

/// How many of `findings` lie on `side`.
pub(crate) fn on(findings: &[&Finding], side: Option<Side>) -> usize {
    findings.iter().filter(|finding| finding.site.side == side).count()
}

/// The one with the longest long axis.
pub(crate) fn largest<'a>(findings: &[&'a Finding]) -> Option<&'a Finding> {
    findings
        .iter()
        .copied()
        .max_by(|a, b| a.measurements.long_axis_mm.total_cmp(&b.measurements.long_axis_mm))
}

/// The shortest and the longest long axis, as printed.
pub(crate) fn range(findings: &[&Finding]) -> [String; 2] {
    let long = findings.iter().map(|finding| finding.measurements.long_axis_mm);
    let smallest = long.clone().fold(f64::INFINITY, f64::min);
    [smallest, long.fold(0.0, f64::max)].map(rounded::millimetres)
}

/// How many of `findings` have become what.
pub(crate) fn trends(findings: &[&Finding]) -> Vec<(Trend, Vec<usize>)> {
    [Trend::New, Trend::Grown, Trend::Shrunk, Trend::Unchanged]
        .into_iter()
        .map(|trend| {
            let changed = findings.iter().filter(|f| f.change.as_ref().is_some_and(|c| c.trend == trend));
            (trend, changed.map(|f| f.number).collect::<Vec<usize>>())
        })
        .filter(|(_, numbers)| !numbers.is_empty())
        .collect()
}

/// Organs in the order of the report, with what was looked for in them.
pub(crate) const ORGANS: [(Organ, Kind); 2] =
    [(Organ::Lung, Kind::LungNodule), (Organ::Liver, Kind::LiverLesion)];
