//! The results as a page to look at: one HTML file that needs nothing but the pictures beside it.

use std::fmt::Write;

use datasets::Matching;
use datasets::matching::{Mark, Row};
use engine::narrative::{Author, Sentence};
use engine::report::Examined;
use engine::write::Writing;
use engine::{Finding, Kind, Language, Narrative, Organ, Report};

/// The page of `report`. `truth` is shown beside the findings where it is known; `pictures` are the file names
/// of the key images, in the order of the findings; `files` is all that lies beside the page.
///
/// No patient data: the report has none.
pub(crate) fn page(
    report: &Report,
    truth: Option<&Matching>,
    pictures: &[String],
    files: &[String],
) -> String {
    let zh = report.narrative.language == Language::Chinese;
    let say = |chinese: &'static str, english: &'static str| if zh { chinese } else { english };
    let mut body = String::new();
    // Writing to a string does not fail.
    let mut add = |html: String| body.push_str(&html);

    add(format!(
        "<header><h1>{}</h1><p class=notice>{}</p><p class=worklist>{}</p></header>\n",
        say("Foci 影像分析结果", "What Foci found"),
        escape(report.narrative.language.disclaimer()),
        escape(&report.narrative.worklist),
    ));
    add(words(&report.narrative));
    if !report.narrative.patient_version.is_empty() {
        let paragraphs: String =
            report.narrative.patient_version.iter().map(|line| format!("<p>{}</p>", escape(line))).collect();
        let heading = report.narrative.language.patient_heading();
        add(format!("<section><details><summary>{heading}</summary>{paragraphs}</details></section>\n"));
    }

    if let Some(matching) = truth {
        add(format!(
            "<section><h2>{}</h2>{}</section>\n",
            say("真值与发现对照", "Truth beside findings"),
            truth_table(matching, zh)
        ));
    }
    if !report.findings.is_empty() {
        add(format!(
            "<section><h2>{}</h2>{}</section>\n",
            say("测量", "Measurements"),
            measurements(report, zh)
        ));
        add(format!("<section><h2>{}</h2><div class=pictures>", say("关键图像", "Key images")));
        for (finding, picture) in report.findings.iter().zip(pictures) {
            let name = escape(&finding.tracking_id());
            let picture = escape(picture);
            add(format!(
                "<figure><a href=\"{picture}\"><img src=\"{picture}\" alt=\"{name}\" loading=lazy></a><figcaption>{name}</figcaption></figure>"
            ));
        }
        add("</div></section>\n".to_owned());
    }
    if !report.warnings.is_empty() {
        let items: String =
            report.warnings.iter().map(|warning| format!("<li>{}</li>", escape(warning))).collect();
        add(format!("<section><h2>{}</h2><ul>{items}</ul></section>\n", say("注意", "Warnings")));
    }
    add(format!("<section><h2>{}</h2>{}</section>\n", say("来源", "Provenance"), provenance(report, zh)));
    let links: String = files.iter().map(|file| escape(file)).fold(String::new(), |mut links, file| {
        let _ = write!(links, "<li><a href=\"{file}\">{file}</a></li>");
        links
    });
    add(format!("<section><h2>{}</h2><ul class=files>{links}</ul></section>\n", say("文件", "Files")));

    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <title>Foci</title>\n<style>{STYLE}</style>\n<body><main>\n{body}</main></body>\n</html>\n",
        say("zh-CN", "en"),
    )
}

/// The sections that have words, and who wrote them.
fn words(narrative: &Narrative) -> String {
    let section = |heading: &str, words: &[Sentence], list: &str| match words {
        [] => String::new(),
        _ => {
            let items: String = words
                .iter()
                .map(|words| format!("<li>{}</li>", sentence(narrative.language, words)))
                .collect();
            format!("<h2>{heading}</h2><{list} class=words>{items}</{list}>")
        }
    };
    let language = narrative.language;
    format!(
        "<section>{}{}{}<p class=by>{}</p></section>\n",
        section(language.findings_heading(), &narrative.findings, "ul"),
        section(language.impression_heading(), &narrative.impression, "ol"),
        section(language.recommendation_heading(), &narrative.recommendation, "ul"),
        escape(&narrative.written_by()),
    )
}

/// A sentence with its author, if that is not the template, and the rules that advise it.
fn sentence(language: Language, sentence: &Sentence) -> String {
    let zh = language == Language::Chinese;
    let author = match sentence.author {
        Author::Template => None,
        Author::Model => Some(if zh { "语言模型" } else { "language model" }),
        Author::Human => Some(if zh { "人工" } else { "person" }),
    };
    let marks = author.into_iter().chain(sentence.rules.iter().map(String::as_str));
    let marks: String = marks.map(|mark| format!(" <span class=mark>{}</span>", escape(mark))).collect();
    format!("{}{marks}", escape(&sentence.text))
}

fn measurements(report: &Report, zh: bool) -> String {
    let heads = if zh {
        [
            "编号",
            "病灶",
            "长径 mm",
            "短径 mm",
            "最大三维径 mm",
            "体积 mm³",
            "平均 HU",
            "评分",
            "中心 L, P, S mm",
        ]
    } else {
        [
            "no.",
            "finding",
            "long axis mm",
            "short axis mm",
            "longest in 3-D mm",
            "volume mm³",
            "mean HU",
            "score",
            "centre L, P, S mm",
        ]
    };
    let row = |finding: &Finding| {
        let m = &finding.measurements;
        let at = m.centre_lps_mm;
        cells(&[
            finding.number.to_string(),
            report.narrative.language.describe(finding),
            format!("{:.1}", m.long_axis_mm),
            format!("{:.1}", m.short_axis_mm),
            format!("{:.1}", m.max_diameter_3d_mm),
            format!("{:.0}", m.volume_mm3),
            // Other modalities have no Hounsfield units.
            if report.modality == "CT" { format!("{:.0}", m.mean_hu) } else { "–".to_owned() },
            format!("{:.2}", finding.confidence),
            format!("{:.1}, {:.1}, {:.1}", at.l, at.p, at.s),
        ])
    };
    table(&heads, report.findings.iter().map(row))
}

fn truth_table(matching: &Matching, zh: bool) -> String {
    let heads = if zh {
        ["真值", "种类", "真实直径 mm", "发现", "距离 mm", "测得直径 mm", "误差 mm", "体积比"]
    } else {
        [
            "truth",
            "kind",
            "true diameter mm",
            "finding",
            "distance mm",
            "measured mm",
            "error mm",
            "volume ratio",
        ]
    };
    let nothing = || "–".to_owned();
    let row = |Row { lesion, hit }: &Row| {
        let number = |value: Option<f64>, digits: usize, signed: bool| match value {
            Some(value) if signed => format!("{value:+.digits$}"),
            Some(value) => format!("{value:.digits$}"),
            None => nothing(),
        };
        let missed = if zh { "漏诊" } else { "missed" };
        cells(&[
            lesion.id.clone(),
            format!("{}, {}", kind(lesion.kind, zh), lesion.note),
            format!("{:.1}", lesion.diameter_mm),
            hit.as_ref().map_or(missed.to_owned(), |hit| hit.mark.number.to_string()),
            number(hit.as_ref().map(|hit| hit.distance_mm), 1, false),
            number(hit.as_ref().map(|hit| hit.mark.diameter_mm), 1, false),
            number(hit.as_ref().and_then(|hit| hit.diameter_error_mm), 1, true),
            number(hit.as_ref().and_then(|hit| hit.volume_ratio), 2, false),
        ])
    };
    let wrong = |mark: &Mark| {
        let none = if zh { "假阳性" } else { "false positive" };
        let mut row =
            vec![none.to_owned(), kind(mark.kind, zh).to_owned(), nothing(), mark.number.to_string()];
        row.extend([nothing(), format!("{:.1}", mark.diameter_mm), nothing(), nothing()]);
        cells(&row)
    };
    let rows = matching.rows.iter().map(row).chain(matching.false_positives.iter().map(wrong));
    let (found, all, wrong) = (matching.found(), matching.rows.len(), matching.false_positives.len());
    let sum = if zh {
        format!("{all} 个病灶中发现 {found} 个，假阳性 {wrong} 个。这是合成病人，不说明临床性能。")
    } else {
        format!(
            "{found} of {all} lesions found, {wrong} false positives. A synthetic patient: this says nothing of clinical performance."
        )
    };
    format!("<p>{sum}</p>{}", table(&heads, rows))
}

fn provenance(report: &Report, zh: bool) -> String {
    let say = |chinese: &'static str, english: &'static str| if zh { chinese } else { english };
    let [i, j, k] = report.spacing_mm;
    let examined = |examined: &Examined| {
        let organ = match examined.organ {
            Organ::Lung => say("肺", "lungs"),
            Organ::Liver => say("肝", "liver"),
        };
        match examined.organ_volume_ml {
            Some(ml) => format!("{organ} {ml:.0} ml"),
            None => format!("{organ}: {}", say("图像中未见", "not found in the images")),
        }
    };
    let organs = report.examined.iter().map(examined).collect::<Vec<_>>().join("; ");
    let facts = [
        (say("检查", "study"), report.study_uid.to_string()),
        (say("序列", "series"), report.series_uid.to_string()),
        (
            say("图像", "images"),
            format!("{}, {} x {i:.3} x {j:.3} x {k:.3} mm", report.modality, report.slices),
        ),
        (say("器官", "organs"), organs),
        ("Foci", report.provenance.foci_version.clone()),
        (say("推理库", "runtime"), report.provenance.runtime.clone()),
    ];
    let writing = writing(&report.provenance.writing, zh);
    let facts: String = facts
        .iter()
        .chain(&writing)
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value)))
        .collect();
    let heads = [say("模型", "model"), say("版本", "version"), "SHA-256", say("参数", "parameters")];
    let models = report.provenance.models.iter().map(|model| {
        // The hash has a column of its own.
        let parameters = model.parameters.iter().filter(|p| !p.starts_with("weights_sha256"));
        let parameters = parameters.cloned().collect::<Vec<_>>().join(", ");
        cells(&[model.name.clone(), model.version.clone(), model.weights_sha256.clone(), parameters])
    });
    format!("<dl>{facts}</dl>{}", table(&heads, models))
}

/// Which language model was asked, and what became of its words; nothing where none was.
fn writing(writing: &Writing, zh: bool) -> Vec<(&'static str, String)> {
    let say = |chinese: &'static str, english: &'static str| if zh { chinese } else { english };
    let known =
        |parts: [&Option<String>; 3]| parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
    let mut facts = Vec::new();
    let model = known([&writing.model, &writing.model_version, &writing.endpoint]);
    if !model.is_empty() {
        facts.push((say("语言模型", "language model"), model));
    }
    if let Some(failure) = &writing.failure {
        facts.push((say("未得到回答", "no reply"), failure.clone()));
    }
    if let Some(judgement) = &writing.judgement {
        let (accepted, rejected, rounds) = (judgement.accepted, judgement.rejected.len(), judgement.rounds);
        let sum = if zh {
            format!("采用 {accepted} 句，未采用 {rejected} 句，共 {rounds} 轮")
        } else {
            let plural = if rounds == 1 { "" } else { "s" };
            format!("{accepted} sentences accepted, {rejected} rejected, {rounds} round{plural}")
        };
        facts.push((say("核对", "check"), sum));
    }
    facts
}

fn kind(kind: Kind, zh: bool) -> &'static str {
    match (kind, zh) {
        (Kind::LungNodule, true) => "肺结节",
        (Kind::LungNodule, false) => "lung nodule",
        (Kind::LiverLesion, true) => "肝病灶",
        (Kind::LiverLesion, false) => "liver lesion",
    }
}

fn cells(values: &[String]) -> String {
    values.iter().map(|value| format!("<td>{}</td>", escape(value))).collect()
}

fn table(heads: &[&str], rows: impl Iterator<Item = String>) -> String {
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    let rows: String = rows.map(|row| format!("<tr>{row}</tr>")).collect();
    format!("<div class=scroll><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #b3261e; }
body { font: 16px/1.55 system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif; margin: 0; }
main { max-width: 1100px; margin: 0 auto; padding: 24px; }
h1 { font-size: 28px; margin: 8px 0; }
h2 { font-size: 18px; margin: 0 0 8px; }
section { border-top: 1px solid var(--line); padding: 18px 0; }
section h2 + ul + h2, section h2 + ol + h2 { margin-top: 18px; }
.notice { background: var(--accent); color: #fff; padding: 8px 12px; border-radius: 6px; margin: 0 0 12px; }
.words { padding-left: 22px; margin: 0; } .words li { margin: 3px 0; }
.worklist { font-weight: 600; margin: 0 0 8px; } .by { font-size: 14px; opacity: .7; margin: 12px 0 0; }
.mark { font-size: 12px; border: 1px solid var(--line); border-radius: 4px; padding: 0 5px; white-space: nowrap; opacity: .8; }
summary { font-size: 18px; font-weight: 700; cursor: pointer; } details p { margin: 8px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; } th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(460px, 1fr)); gap: 16px; }
figure { margin: 0; background: var(--soft); border-radius: 8px; overflow: hidden; }
figure img { width: 100%; display: block; } figcaption { padding: 6px 10px; font-size: 14px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; font-size: 14px; margin: 0 0 12px; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
.files { columns: 3; font-size: 14px; }
@media (max-width: 560px) { .pictures { grid-template-columns: 1fr; } .files { columns: 1; } }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_shows_who_wrote_it_and_which_rule_advises_it() {
        let words = |author, rules: &[&str]| Sentence {
            text: "a < b".to_owned(),
            evidence: Vec::new(),
            rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            author,
        };
        for (words, expected) in [
            (words(Author::Template, &[]), "a &lt; b"),
            (words(Author::Model, &[]), "a &lt; b <span class=mark>language model</span>"),
            (words(Author::Template, &["rule.1"]), "a &lt; b <span class=mark>rule.1</span>"),
        ] {
            assert_eq!(sentence(Language::English, &words), expected);
        }
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b a=\"x\">&"), "&lt;b a=&quot;x&quot;&gt;&amp;");
    }
}
