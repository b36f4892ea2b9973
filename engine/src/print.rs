//! The report on paper: a PDF with the words, the measurements and the key images.
//!
//! English needs no font, every viewer has the standard one. Chinese needs one that is given here; the glyphs
//! that are used are embedded, so that the pages look the same everywhere and their text can be copied out.
//! The patient is not named: who it is stands in the header of the DICOM object around the file.

mod pages;
mod typeface;
mod widths;

use image::RgbImage;

use crate::error::Error;
use crate::finding::Finding;
use crate::narrative::{Author, Language, Narrative, Sentence};
use crate::report::Report;
use pages::{Pages, Style};
use typeface::{Typeface, Weight};

/// What is printed.
#[derive(Debug, Clone, Copy)]
pub struct Printout<'a> {
    /// The analysis: measurements and where they come from.
    pub report: &'a Report,
    /// The words, those of the report or of a later version.
    pub narrative: &'a Narrative,
    /// What was changed in the words, by whom; a line each.
    pub changes: &'a [String],
    /// Who has signed the words, with place and time; empty: nobody.
    pub signatures: &'a [String],
    /// The key images, in the order of the findings.
    pub key_images: &'a [RgbImage],
    /// When it is printed, as it should be read.
    pub printed: &'a str,
    /// An OpenType font for what the standard one does not have.
    pub font: Option<&'a [u8]>,
}

impl Printout<'_> {
    /// The PDF.
    ///
    /// # Errors
    ///
    /// [`Error::NeedsFont`] if the text holds more than Western letters and no font is given, and
    /// [`Error::Font`] if that font cannot be embedded.
    pub fn to_pdf(&self) -> Result<Vec<u8>, Error> {
        let mut all = String::new();
        self.words(&mut |text| all.push_str(text));
        let letters = Typeface::choose(&all, self.font)?;
        self.lay_out(letters)
    }

    fn say<'b>(&self, chinese: &'b str, english: &'b str) -> &'b str {
        match self.narrative.language {
            Language::Chinese => chinese,
            Language::English => english,
        }
    }

    /// Gives every text of the pages to `take`.
    fn words(&self, take: &mut dyn FnMut(&str)) {
        let narrative = self.narrative;
        let sentences = [&narrative.findings, &narrative.impression, &narrative.recommendation];
        sentences.into_iter().flatten().for_each(|sentence| take(&sentence.text));
        self.changes.iter().chain(self.signatures).for_each(|text| take(text));
        for text in [self.title(), self.notice(), &self.written(), &self.examination()] {
            take(text);
        }
        self.provenance().iter().for_each(|text| take(text));
    }

    fn lay_out(&self, letters: Typeface<'_>) -> Result<Vec<u8>, Error> {
        let body = Style { size: 10.0, weight: Weight::Regular, grey: 0.0 };
        let small = Style { size: 8.0, weight: Weight::Regular, grey: 0.3 };
        let narrative = self.narrative;
        let mut pages = Pages::new(letters);

        pages.paragraph("", self.title(), Style { size: 17.0, weight: Weight::Bold, grey: 0.0 });
        pages.paragraph("", self.notice(), small);
        pages.space(6.0);
        pages.rule();
        pages.paragraph("", &self.examination(), small);
        pages.paragraph("", &format!("Study {}", self.report.study_uid), small);
        pages.paragraph("", &format!("Series {}", self.report.series_uid), small);
        for line in self.status() {
            pages.paragraph("", &line, small);
        }

        heading(&mut pages, narrative.language.findings_heading());
        for sentence in &narrative.findings {
            pages.paragraph("", &sentence.text, body);
            pages.space(2.0);
        }
        heading(&mut pages, narrative.language.impression_heading());
        for (number, sentence) in (1..).zip(&narrative.impression) {
            pages.paragraph(&format!("{number}."), &sentence.text, body);
            pages.space(2.0);
        }
        if !narrative.recommendation.is_empty() {
            heading(&mut pages, narrative.language.recommendation_heading());
        }
        for sentence in &narrative.recommendation {
            let rules = sentence.rules.join(", ");
            let rules = if rules.is_empty() { rules } else { format!(" [{rules}]") };
            pages.paragraph("", &format!("{}{rules}", sentence.text), body);
            pages.space(2.0);
        }
        if !self.changes.is_empty() {
            heading(&mut pages, self.say("修改记录", "Changes"));
            self.changes.iter().for_each(|line| pages.paragraph("", line, small));
        }
        self.measurements(&mut pages);
        if !self.key_images.is_empty() {
            heading(&mut pages, self.say("关键图像", "Key images"));
            let caption = |finding: &Finding| {
                let slice = finding.measurements.slice + 1;
                let describe = narrative.language.describe(finding);
                match narrative.language {
                    Language::Chinese => format!("{}. {describe}，第 {slice} 层", finding.number),
                    Language::English => format!("{}. {describe}, slice {slice}", finding.number),
                }
            };
            let pictures: Vec<(&RgbImage, String)> =
                self.key_images.iter().zip(&self.report.findings).map(|(p, f)| (p, caption(f))).collect();
            pages.pictures(&pictures, small);
        }
        heading(&mut pages, self.say("来源", "Where this comes from"));
        pages.paragraph("", &self.written(), small);
        self.provenance().iter().for_each(|line| pages.paragraph("", line, small));

        let number = |page, count| match narrative.language {
            Language::Chinese => format!("第 {page} 页，共 {count} 页"),
            Language::English => format!("Page {page} of {count}"),
        };
        pages.finish(self.title(), self.notice(), number)
    }

    fn measurements(&self, pages: &mut Pages<'_>) {
        if self.report.findings.is_empty() {
            return;
        }
        heading(pages, self.say("测量", "Measurements"));
        const COLUMNS: [f32; 8] = [0.0, 0.06, 0.38, 0.49, 0.60, 0.72, 0.83, 0.92];
        let heads = match self.narrative.language {
            Language::Chinese => ["编号", "病灶", "长径 mm", "短径 mm", "体积 mm³", "平均 HU", "层", "评分"],
            Language::English => {
                ["No.", "Finding", "Long mm", "Short mm", "Volume mm³", "Mean HU", "Slice", "Score"]
            }
        };
        let head = Style { size: 8.0, weight: Weight::Bold, grey: 0.0 };
        let cell = Style { size: 8.5, weight: Weight::Regular, grey: 0.0 };
        pages.row(&COLUMNS, &heads.map(str::to_owned), head);
        pages.rule();
        for finding in &self.report.findings {
            let m = &finding.measurements;
            let hu = if self.report.modality == "CT" { format!("{:.0}", m.mean_hu) } else { "-".to_owned() };
            let cells = [
                finding.number.to_string(),
                self.narrative.language.describe(finding),
                format!("{:.1}", m.long_axis_mm),
                format!("{:.1}", m.short_axis_mm),
                format!("{:.0}", m.volume_mm3),
                hu,
                (m.slice + 1).to_string(),
                format!("{:.2}", finding.confidence),
            ];
            pages.row(&COLUMNS, &cells, cell);
        }
    }

    fn title(&self) -> &'static str {
        match self.narrative.language {
            Language::Chinese => "影像分析报告",
            Language::English => "Imaging analysis report",
        }
    }

    fn examination(&self) -> String {
        let Report { modality, slices, .. } = self.report;
        match self.narrative.language {
            Language::Chinese => format!("{modality}，{slices} 层；打印时间：{}", self.printed),
            Language::English => format!("{modality}, {slices} slices; printed {}", self.printed),
        }
    }

    /// What the pages may not be used for. That nobody has checked them is true only of some.
    fn notice(&self) -> &str {
        if self.signatures.is_empty() {
            return self.narrative.language.disclaimer();
        }
        self.say(
            "由科研软件生成，非医疗器械，不得用于临床诊断。",
            "Made with research software: not a medical device, not for diagnosis.",
        )
    }

    /// Whether anybody has signed.
    fn status(&self) -> Vec<String> {
        if self.signatures.is_empty() {
            return vec![self.say("未经医师审核", "Not verified by anybody").to_owned()];
        }
        let verified = self.say("审核：", "Verified by ");
        self.signatures.iter().map(|line| format!("{verified}{line}")).collect()
    }

    /// Who wrote how many sentences.
    fn written(&self) -> String {
        let narrative = self.narrative;
        let all = || {
            let sections = [&narrative.findings, &narrative.impression, &narrative.recommendation];
            sections.into_iter().flatten()
        };
        let count = |author: Author| all().filter(|sentence: &&Sentence| sentence.author == author).count();
        let [template, model, human] = [Author::Template, Author::Model, Author::Human].map(count);
        let name = self.report.provenance.writing.model.as_deref().unwrap_or("-");
        match narrative.language {
            Language::Chinese => {
                format!("语句来源：模板 {template} 句，语言模型（{name}）{model} 句，人工 {human} 句")
            }
            Language::English => format!(
                "Sentences: {template} by the template, {model} by a language model ({name}), {human} by people"
            ),
        }
    }

    fn provenance(&self) -> Vec<String> {
        let provenance = &self.report.provenance;
        let mut lines = vec![format!("Foci {}, {}", provenance.foci_version, provenance.runtime)];
        lines.extend(
            provenance
                .models
                .iter()
                .map(|model| format!("{} {}, SHA-256 {}", model.name, model.version, model.weights_sha256)),
        );
        lines
    }
}

fn heading(pages: &mut Pages<'_>, text: &str) {
    let style = Style { size: 12.0, weight: Weight::Bold, grey: 0.0 };
    pages.space(10.0);
    // A heading does not stand alone at the bottom.
    pages.need(60.0);
    pages.paragraph("", text, style);
    pages.rule();
}
