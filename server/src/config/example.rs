//! `foci.example.toml` says what is true.

use super::parse::parse;
use super::{Config, sense};

const EXAMPLE: &str = include_str!("../../../foci.example.toml");

/// The configuration in `text`, which must be right.
#[track_caller]
fn read(text: &str) -> Config {
    let (config, mut faults) = parse(text).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"));
    faults.extend(sense::faults(&config));
    assert!(faults.is_empty(), "{faults:#?}\n{text}");
    config
}

/// Whether `line` is a setting or the head of a section.
fn is_setting(line: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let key = line.split_once(" = ").is_some_and(|(key, _)| !key.is_empty() && key.chars().all(is_name));
    key || (line.starts_with('[') && line.ends_with(']'))
}

/// The example with the lines in force that begin with one of `marks`.
fn uncommented(marks: &[&str]) -> String {
    let uncomment = |line: &'static str| {
        let bare = marks.iter().find_map(|mark| line.strip_prefix(mark).filter(|bare| is_setting(bare)));
        bare.unwrap_or(line)
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_called_a_default_is_one() {
    let defaults = uncommented(&["#"]);
    let stated = defaults.lines().count() - defaults.lines().filter(|line| line.starts_with('#')).count();
    let in_force = EXAMPLE.lines().filter(|line| !line.starts_with('#')).count();
    assert!(stated > in_force + 30, "the example states {stated} - {in_force} defaults");
    same(&format!("{:#?}", read(&defaults)), &format!("{:#?}", read(EXAMPLE)));
    // And what the whole says is what the program does without being told.
    let bare = read("data = \"data\"");
    let example = read(EXAMPLE);
    let node = |config: &Config| {
        let Config { dicom, http, studies, analysis, delivery, .. } = config;
        format!("{dicom:#?} {http:#?} {studies:#?} {analysis:#?} {delivery:#?}")
    };
    same(&node(&example), &node(&bare));
}

/// Compares line by line: all of it at once is too much to read.
#[track_caller]
fn same(stated: &str, real: &str) {
    for (stated, real) in stated.lines().zip(real.lines()) {
        assert_eq!(stated, real);
    }
    assert_eq!(stated.lines().count(), real.lines().count());
}

#[test]
fn every_setting_is_in_it() {
    let all = uncommented(&["#", "# "]);
    read(&all);
    let table: toml::Table = toml::from_str(&all).unwrap();
    for section in [
        "",
        "dicom",
        "dicom.tls",
        "dicom.limits",
        "http",
        "studies",
        "analysis",
        "delivery",
        "[peer]",
        "[dicomweb]",
        "[rule]",
        "rule.when",
        "alert",
        "llm",
        "report",
        "report.headings",
        "report.headings.en",
        "report.headings.zh",
    ] {
        // What is not known is refused with the names of all that is.
        let head = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let head = if section == "rule.when" { "[[rule]]\n".to_owned() + &head } else { head };
        let (_, faults) = parse(&format!("{head}something_unheard_of = 1\n")).unwrap();
        let (_, known) =
            faults[0].split_once("there are ").unwrap_or_else(|| panic!("{section}: {faults:?}"));
        for name in known.split(", ") {
            let there = section.trim_matches(['[', ']']).split('.').filter(|step| !step.is_empty());
            let mut at = vec![toml::Value::Table(table.clone())];
            for step in there.chain([name]) {
                let inner = at.iter().filter_map(|value| value.get(step).cloned());
                at = inner
                    .flat_map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value]))
                    .collect();
            }
            // An empty list is stated too.
            assert!(!at.is_empty() || name == "wrapper", "{section}: {name} is not in foci.example.toml");
        }
    }
}

#[test]
fn the_worked_examples_are_whole() {
    let mut examples = vec![String::new()];
    for line in EXAMPLE.lines() {
        let last = examples.last_mut().expect("there is one from the start");
        match line.strip_prefix("#> ") {
            Some(line) => *last += &format!("{line}\n"),
            None if !last.is_empty() => examples.push(String::new()),
            None => {}
        }
    }
    let whole: Vec<_> = examples.iter().filter(|text| !text.is_empty()).map(|text| read(text)).collect();
    assert_eq!(whole.len(), 3);
    assert!(whole.iter().all(|config| !config.rule.is_empty() && !config.peer.is_empty()));
}

#[test]
fn whatever_stands_for_a_value_there_is_a_configuration_or_a_sentence() {
    let all = uncommented(&["#", "# "]);
    let lines: Vec<_> = all.lines().collect();
    let settings = lines.iter().enumerate().filter(|(_, line)| is_setting(line) && !line.starts_with('['));
    let mut wrong = 0;
    for (n, line) in settings {
        let (key, _) = line.split_once(" = ").expect("a setting");
        for value in
            ["-1", "nan", "\"\"", "\"ä\\u0000\\n\"", "[]", "[[1]]", "{}", "{ x = [{ y = 1 }] }", "1979-05-27"]
        {
            let changed = format!("{key} = {value}");
            let text = [&lines[..n], &[&changed], &lines[n + 1..]].concat().join("\n");
            let faults = match parse(&text) {
                Ok((config, mut faults)) => {
                    faults.extend(sense::faults(&config));
                    faults
                }
                Err(faults) => faults,
            };
            wrong += usize::from(!faults.is_empty());
            for fault in faults {
                assert!(!fault.is_empty() && !fault.contains(['\n', '\0']), "{changed}: {fault:?}");
            }
        }
    }
    assert!(wrong > 300, "only {wrong} were found wrong");
}
