//! The Chinese of the faithful reports.

use engine::narrative::rounded;
use engine::track::Trend;
use engine::{Density, Finding, Kind, Organ, Side};

use crate::paraphrase::{ORGANS, Writer, largest, numbers, on, range, trends};

pub(crate) fn write(w: &mut Writer<'_>) {
    opening(w);
    for (organ, kind) in ORGANS {
        let findings = w.case.of(organ);
        if w.case.not_found(organ) && findings.is_empty() {
            not_assessed(w, organ);
        } else if findings.is_empty() && w.case.assessed(organ) {
            nothing(w, organ);
        } else if !findings.is_empty() {
            topic(w, organ, kind, &findings);
            conclusion(w, kind, &findings);
        }
        gone(w, organ);
    }
    if !w.case.findings.is_empty() && w.chance(30) {
        let text = w.pick(&[
            "检测评分由模型给出，未经校准，不代表患病概率。",
            "检测评分为模型输出值，不代表患病概率。",
        ]);
        w.seen(text.to_owned(), &[]);
    }
    if w.chance(40) {
        let text = w.pick(&[
            "其他器官及其他异常均未评估。",
            "其余器官未作评估。",
            "仅分析上述病变，其他异常未评估。",
        ]);
        w.seen(text.to_owned(), &[]);
    }
    critical(w);
}

fn opening(w: &mut Writer<'_>) {
    let (modality, slices) = (w.case.modality, w.case.slices);
    if w.chance(35) {
        let text = w.pick(&["{m} 序列共 {n} 层。", "{m}扫描，共{n}层。", "本次 {m} 检查共 {n} 层图像。"]);
        w.seen(text.replace("{m}", modality).replace("{n}", &slices.to_string()), &[]);
    }
    let told = w.chance(15);
    match w.case.contrast {
        Some(true) if told => {
            let text = w.pick(&["{m} 增强扫描。", "本次为 {m} 增强检查。"]);
            w.seen(text.replace("{m}", modality), &[]);
        }
        Some(false) if told => {
            let text = w.pick(&["{m} 平扫。", "本次检查为 {m} 平扫，未使用对比剂。"]);
            w.seen(text.replace("{m}", modality), &[]);
        }
        _ => {}
    }
    let Some(compared) = &w.case.compared else { return };
    if w.chance(85) {
        let text = match compared.days {
            Some(days) => w
                .pick(&[
                    "与 {d} 天前检查比较。",
                    "与{d}天前的检查对比。",
                    "对比 {d} 天前的前次检查。",
                    "与前次检查（{d} 天前）对照。",
                ])
                .replace("{d}", &days.to_string()),
            None => w.pick(&["与前次检查比较。", "与前片对比。", "对比前次检查。"]).to_owned(),
        };
        w.seen(text, &[]);
    }
}

fn organ_name(organ: Organ) -> &'static str {
    match organ {
        Organ::Lung => "肺",
        Organ::Liver => "肝脏",
    }
}

fn not_assessed(w: &mut Writer<'_>, organ: Organ) {
    let name = organ_name(organ);
    let text = w.pick(&[
        "图像中未识别到{o}，故未作评估。",
        "{o}在图像中未识别到，未评估。",
        "{o}：未识别到，未作评估。",
    ]);
    w.seen(text.replace("{o}", name), &[]);
    let text = w.pick(&["{o}未作评估。", "{o}未评估。"]);
    w.concluded(text.replace("{o}", name), &[]);
}

fn nothing(w: &mut Writer<'_>, organ: Organ) {
    let (seen, concluded) = match organ {
        Organ::Lung => (
            w.pick(&[
                "双肺未见结节。",
                "肺内未检出结节。",
                "两肺未发现结节。",
                "双肺野内未见结节影。",
                "肺：未见结节。",
                "双肺内均未检出结节。",
            ]),
            w.pick(&["未检出肺结节。", "双肺未见结节。", "未见肺部结节。"]),
        ),
        Organ::Liver => (
            w.pick(&[
                "肝内未检出局灶性病变。",
                "肝脏未见局灶性病变。",
                "肝实质内未见局灶性病灶。",
                "肝脏：未发现局灶性病变。",
                "肝脏内未见占位性病变。",
            ]),
            w.pick(&["未检出肝脏局灶性病变。", "肝脏未见局灶性病变。", "肝内未见局灶性病灶。"]),
        ),
    };
    w.seen(seen.to_owned(), &[]);
    w.concluded(concluded.to_owned(), &[]);
}

fn gone(w: &mut Writer<'_>, organ: Organ) {
    let Some(compared) = &w.case.compared else { return };
    for lesion in compared.resolved.iter().filter(|lesion| lesion.site.organ == organ) {
        let long = rounded::millimetres(lesion.prior_long_axis_mm);
        let what = match (lesion.kind, lesion.site.side) {
            (Kind::LungNodule, Some(Side::Left)) => "左肺结节",
            (Kind::LungNodule, Some(Side::Right)) => "右肺结节",
            (Kind::LungNodule, None) => "肺结节",
            (Kind::LiverLesion, _) => "肝脏局灶性病变",
        };
        let text = w.pick(&[
            "前次所见{w}（{l} mm）本次未检出。",
            "前片{w}（长径 {l} mm）此次已消失。",
            "原{w}（长径约{l}mm）本次未见显示。",
        ]);
        w.seen(text.replace("{w}", what).replace("{l}", &long), &[]);
    }
}

fn place(w: &mut Writer<'_>, finding: &Finding) -> &'static str {
    match (finding.site.organ, finding.site.side) {
        (Organ::Lung, Some(Side::Left)) => w.pick(&["左肺", "左肺", "左侧肺"]),
        (Organ::Lung, Some(Side::Right)) => w.pick(&["右肺", "右肺", "右侧肺"]),
        (Organ::Lung, None) => "肺",
        (Organ::Liver, _) => w.pick(&["肝脏", "肝脏", "肝"]),
    }
}

fn noun(w: &mut Writer<'_>, finding: &Finding) -> String {
    let text = match (finding.kind, finding.density) {
        (Kind::LiverLesion, _) => w.pick(&["局灶性病变", "局灶性病灶", "局灶病变"]),
        (Kind::LungNodule, None) => w.pick(&["结节", "结节", "结节影"]),
        (Kind::LungNodule, Some(Density::Solid)) => w.pick(&["实性结节", "实性结节", "实性结节影"]),
        (Kind::LungNodule, Some(Density::PartSolid)) => {
            w.pick(&["部分实性结节", "混合磨玻璃结节", "混杂磨玻璃结节"])
        }
        (Kind::LungNodule, Some(Density::GroundGlass)) => {
            w.pick(&["磨玻璃结节", "纯磨玻璃结节", "磨玻璃密度结节", "磨玻璃影"])
        }
    };
    text.to_owned()
}

fn size(w: &mut Writer<'_>, finding: &Finding) -> String {
    let m = &finding.measurements;
    let spaces = w.chance(50);
    let axes = w.axes(finding, spaces);
    let (long, short) = (w.length(m.long_axis_mm, spaces), w.length(m.short_axis_mm, spaces));
    match w.random.below(8) {
        0 => format!("长径 {long}，短径 {short}"),
        1 => format!("长径约{long}，短径约{short}"),
        2 => format!("直径约{long}"),
        3 => format!("最大层面大小约{axes}"),
        4 => format!("大小 {axes}"),
        5 => format!("最大径约{long}"),
        6 => format!("长短径分别为 {} 和 {}", long, short),
        _ => format!("大小约{axes}"),
    }
}

fn more(w: &mut Writer<'_>, finding: &Finding) -> Vec<String> {
    let mut parts = Vec::new();
    let slice = finding.measurements.slice + 1;
    let spaces = w.chance(50);
    if w.chance(70) {
        let volume = w.volume(finding, spaces);
        parts.push(w.pick(&["体积约{v}", "体积 {v}", "体积为{v}"]).replace("{v}", &volume));
    }
    if w.is_ct() && w.chance(60) {
        let hu = w.attenuation(finding);
        let text = w.pick(&["平均CT值约{h}HU", "平均 CT 值 {h} HU", "CT值平均约{h} HU", "平均密度约 {h} HU"]);
        parts.push(text.replace("{h}", &hu));
    }
    w.random.shuffle(&mut parts);
    if w.chance(55) {
        let text = w.pick(&["位于第 {k} 层", "（第{k}层）", "见于第 {k} 层"]);
        parts.push(text.replace("{k}", &slice.to_string()));
    }
    if w.chance(20) {
        parts.push(format!("检测评分 {}", rounded::score(finding.confidence)));
    }
    parts
}

fn joined(parts: &[String]) -> String {
    parts.iter().fold(
        String::new(),
        |text, part| {
            if part.starts_with('（') { text + part } else { text + "，" + part }
        },
    )
}

fn topic(w: &mut Writer<'_>, organ: Organ, kind: Kind, findings: &[&Finding]) {
    if w.chance(60) || findings.len() > 3 {
        count(w, organ, kind, findings);
    }
    if let [first, second] = findings
        && w.chance(20)
    {
        merged(w, first, second);
    } else {
        for finding in findings {
            describe(w, finding);
        }
    }
}

const WORDS: [&str; 7] = ["零", "一", "两", "三", "四", "五", "六"];

/// "2枚", "两个": how many.
fn how_many(w: &mut Writer<'_>, count: usize) -> String {
    let measure = w.pick(&["个", "枚", "个"]);
    match w.random.below(3) {
        0 => format!("{}{measure}", WORDS[count.min(6)]),
        1 => format!("{count}{measure}"),
        _ => format!(" {count} {measure}"),
    }
}

fn count(w: &mut Writer<'_>, organ: Organ, kind: Kind, findings: &[&Finding]) {
    let noun = match kind {
        Kind::LungNodule => w.pick(&["结节", "肺结节", "结节影"]),
        Kind::LiverLesion => w.pick(&["局灶性病变", "局灶性病灶"]),
    };
    let inside = match organ {
        Organ::Lung => "肺内",
        Organ::Liver => "肝内",
    };
    let many = how_many(w, findings.len());
    let [right, left, unknown] = [Some(Side::Right), Some(Side::Left), None].map(|side| on(findings, side));
    let split = organ == Organ::Lung && right > 0 && left > 0 && unknown == 0;
    let text = match w.random.below(4) {
        0 if split => format!("双肺见{many}{noun}，其中右肺 {right} 个，左肺 {left} 个。"),
        1 if split => format!("两肺共检出{noun} {} 个（右侧 {right} 个，左侧 {left} 个）。", findings.len()),
        0 => format!("{inside}见{many}{noun}。"),
        1 => format!("共检出{noun}{many}。"),
        2 => format!("{inside}可见{many}{noun}。"),
        _ => format!("{inside}检出{many}{noun}。"),
    };
    w.seen(text, &numbers(findings));
}

fn merged(w: &mut Writer<'_>, first: &Finding, second: &Finding) {
    let [a, b] = [first, second].map(|finding| (place(w, finding), noun(w, finding), w.axes(finding, false)));
    let text = match w.random.below(3) {
        0 => format!("{}见{}，大小约{}；{}见{}，大小约{}。", a.0, a.1, a.2, b.0, b.1, b.2),
        1 => format!(
            "病灶 {}（{}）大小 {}，病灶 {}（{}）大小 {}。",
            first.number, a.0, a.2, second.number, b.0, b.2
        ),
        _ => format!("{}{}大小约{}，{}{}大小约{}。", a.0, a.1, a.2, b.0, b.1, b.2),
    };
    w.seen(text, &[first.number, second.number]);
    for finding in [first, second] {
        changed(w, finding);
    }
}

fn describe(w: &mut Writer<'_>, finding: &Finding) {
    let (place, noun, number) = (place(w, finding), noun(w, finding), finding.number);
    let size = size(w, finding);
    let more = joined(&more(w, finding));
    let slice = finding.measurements.slice + 1;
    let about = [number];
    match w.random.below(8) {
        0 => w.seen(format!("病灶 {number}：{place}{noun}，{size}{more}。"), &about),
        1 => w.seen(format!("{place}见一{noun}，{size}{more}。"), &about),
        2 => {
            let one = w.pick(&["一枚", "一个", "1 个", "1枚"]);
            let see = w.pick(&["见", "可见", "内见", "内可见", "检出"]);
            w.seen(format!("{place}{see}{one}{noun}，{size}{more}。"), &about);
        }
        3 => {
            let axes = w.axes(finding, false);
            w.seen(format!("{place}{noun}，位于第 {slice} 层。"), &about);
            let volume = w.volume(finding, false);
            w.seen(format!("病灶大小约{axes}，体积约{volume}。"), &about);
        }
        4 => w.seen(format!("第 {slice} 层{place}见{noun}，{size}。"), &about),
        5 => w.seen(format!("{place}可见{noun}，{size}{more}。"), &about),
        6 => {
            let named = match finding.kind {
                Kind::LungNodule => w.pick(&["结节", "病灶"]),
                Kind::LiverLesion => "病灶",
            };
            w.seen(format!("{named} {number} 位于{place}，为{noun}，{size}{more}。"), &about);
        }
        _ => w.seen(format!("{place}{noun}一枚，{size}{more}。"), &about),
    }
    changed(w, finding);
}

fn changed(w: &mut Writer<'_>, finding: &Finding) {
    let (Some(change), Some(_)) = (&finding.change, &w.case.compared) else { return };
    let about = [finding.number];
    let number = finding.number;
    let now = rounded::millimetres(finding.measurements.long_axis_mm);
    let before = change.prior_long_axis_mm.map(rounded::millimetres).unwrap_or_default();
    let percent = change.volume_change_percent.map(rounded::percent).unwrap_or_default();
    let text = match change.trend {
        Trend::New => w.pick(&[
            "病灶 {n} 为新发病灶。",
            "该病灶为新发，前次检查未见。",
            "为新出现病灶。",
            "前片未见此病灶，为新发。",
        ]),
        Trend::Grown => w.pick(&[
            "较前增大，长径由 {b} mm 增至 {a} mm。",
            "病灶 {n} 较前增大（前次长径 {b} mm）。",
            "与前片比较，病灶增大，体积增加约{p}%。",
            "病灶较前次检查增大，长径 {a} mm（前次 {b} mm）。",
        ]),
        Trend::Shrunk => w.pick(&[
            "较前缩小，长径由 {b} mm 减至 {a} mm。",
            "病灶 {n} 较前缩小（前次长径 {b} mm）。",
            "与前片比较病灶缩小，体积减少约{p}%。",
        ]),
        Trend::Unchanged => w.pick(&[
            "较前无明显变化。",
            "病灶 {n} 较前未见明显变化。",
            "与前片相仿。",
            "大致同前。",
            "与前次检查比较变化不明显。",
        ]),
    };
    let text = text
        .replace("{n}", &number.to_string())
        .replace("{a}", &now)
        .replace("{b}", &before)
        .replace("{p}", &percent);
    w.seen(text, &about);
    if let (Some(days), Trend::Grown) = (change.doubling_days, change.trend)
        && w.chance(30)
    {
        w.seen(format!("体积倍增时间约 {} 天。", rounded::days(days)), &about);
    }
}

fn conclusion(w: &mut Writer<'_>, kind: Kind, findings: &[&Finding]) {
    let about = numbers(findings);
    let Some(largest) = largest(findings) else { return };
    let axes = w.axes(largest, false);
    let organ_noun = match kind {
        Kind::LungNodule => w.pick(&["肺结节", "肺内结节"]),
        Kind::LiverLesion => w.pick(&["肝脏局灶性病变", "肝内局灶性病灶"]),
    };
    if let [only] = findings {
        let (place, noun) = (place(w, only), noun(w, only));
        let text = match w.random.below(3) {
            0 => format!("{place}{noun}，大小约{axes}。"),
            1 => format!("{place}{noun} 1 个（病灶 {}），大小 {axes}。", only.number),
            _ => format!("{place}单发{noun}，大小 {axes}。"),
        };
        w.concluded(text, &about);
    } else {
        let many = how_many(w, findings.len());
        let [low, high] = range(findings);
        let place = place(w, largest);
        let text = match w.random.below(4) {
            0 => format!("{organ_noun}{many}，最大者位于{place}，大小约{axes}。"),
            1 => format!("{organ_noun}{many}，长径 {low} 至 {high} mm。"),
            2 => {
                format!("多发{organ_noun}，共{many}，长径约{low}~{high}mm，较大者为病灶 {}。", largest.number)
            }
            _ => format!("{organ_noun}{many}，其中最大者为病灶 {}，大小 {axes}。", largest.number),
        };
        w.concluded(text, &about);
    }
    let trends = trends(findings);
    if w.case.compared.is_some() && !trends.is_empty() && w.chance(70) {
        let parts: Vec<String> = trends
            .iter()
            .map(|(trend, numbers)| {
                let name = match trend {
                    Trend::New => "新发",
                    Trend::Grown => "增大",
                    Trend::Shrunk => "缩小",
                    Trend::Unchanged => "无明显变化",
                };
                format!("{name} {} 个", numbers.len())
            })
            .collect();
        w.concluded(format!("与前次检查比较：{}。", parts.join("，")), &about);
    }
}

fn critical(w: &mut Writer<'_>) {
    let critical: Vec<&Finding> = w.case.findings.iter().filter(|finding| finding.critical).collect();
    for finding in critical {
        let long = rounded::millimetres(finding.measurements.long_axis_mm);
        let text = w.pick(&[
            "危急值提示：病灶 {n}（长径 {l} mm），请立即通知临床医师。",
            "危急值：病灶 {n}，长径 {l} mm，请立即通知临床医师。",
        ]);
        w.concluded(
            text.replace("{n}", &finding.number.to_string()).replace("{l}", &long),
            &[finding.number],
        );
    }
}
