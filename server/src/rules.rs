//! Which rule applies to a study, and why.
//!
//! Rules are tried in the order of the configuration. One applies if at least one series meets all that it
//! asks; the first that applies decides, and those behind it are not looked at. What was asked and whether
//! it held is kept, so that a person can be told.

use std::fmt;

use dicom_io::{Series, Study, Uid};

use crate::config::{Config, Pattern, Rule};

/// What is to be done with a study, and why.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    /// The rules that were tried, in their order. The last one applies if any does.
    pub(crate) tried: Vec<Tried<'a>>,
}

/// One rule held against every series of a study.
#[derive(Debug)]
pub(crate) struct Tried<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) series: Vec<Met>,
}

/// One series held against one rule.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) series: Uid,
    /// All that the rule asks, in the order of the settings. None: it applies to everything.
    pub(crate) conditions: Vec<Condition>,
}

/// One thing that a rule asks of a series.
#[derive(Debug)]
pub(crate) struct Condition {
    /// The setting: `modality`, `tags.StationName`.
    pub(crate) what: String,
    /// What it asks for.
    pub(crate) asked: String,
    pub(crate) found: Found,
    pub(crate) held: bool,
}

/// What a header says. Free text, in which people write names: for the operator's own terminal, never for a
/// log, which is why it does not print itself.
pub(crate) struct Found(Option<String>);

impl Found {
    /// `None`: the header says nothing.
    pub(crate) fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Found(..)" } else { "Found(nothing)" })
    }
}

/// Holds `study` against the rules of `config`. `sender` is what [`Sender::name`](crate::intake::Sender) is.
///
/// Reads headers again where a rule asks for further attributes.
pub(crate) fn decide<'a>(config: &'a Config, study: &Study, sender: &str) -> Decision<'a> {
    let mut tried = Vec::new();
    for rule in &config.rule {
        let hold = |series: &Series| Met {
            series: series.uid.clone(),
            conditions: conditions(rule, series, sender),
        };
        let one = Tried { rule, series: study.series.iter().map(hold).collect() };
        let applies = one.applies();
        tried.push(one);
        if applies {
            break;
        }
    }
    Decision { tried }
}

impl<'a> Decision<'a> {
    /// The rule that applies and the series that meet it, if any does.
    pub(crate) fn applies(&self) -> Option<&Tried<'a>> {
        self.tried.last().filter(|tried| tried.applies())
    }
}

impl Tried<'_> {
    /// Whether a series meets it.
    pub(crate) fn applies(&self) -> bool {
        self.series.iter().any(Met::all)
    }

    /// Whether `series` is one that meets it.
    pub(crate) fn includes(&self, series: &Uid) -> bool {
        self.series.iter().any(|met| met.series == *series && met.all())
    }
}

impl Met {
    /// Whether everything that was asked holds.
    pub(crate) fn all(&self) -> bool {
        self.conditions.iter().all(|condition| condition.held)
    }
}

fn conditions(rule: &Rule, series: &Series, sender: &str) -> Vec<Condition> {
    let when = &rule.when;
    let mut conditions = Vec::new();
    if !when.sender.is_empty() {
        conditions.push(one_of("sender", &when.sender, sender));
    }
    if !when.modality.is_empty() {
        conditions.push(one_of("modality", &when.modality, &series.modality));
    }
    if let Some(pattern) = &when.body_part {
        conditions.push(matches("body_part", pattern, series.body_part.clone()));
    }
    if let Some(pattern) = &when.series_description {
        conditions.push(matches("series_description", pattern, series.description()));
    }
    for (attribute, pattern) in &when.tags {
        conditions.push(matches(&format!("tags.{attribute}"), pattern, series.attribute(attribute)));
    }
    if let Some(minimum) = when.minimum_images {
        let images = series.images();
        conditions.push(Condition {
            what: "minimum_images".to_owned(),
            asked: format!("at least {minimum}"),
            found: Found(Some(images.to_string())),
            held: images >= minimum,
        });
    }
    conditions
}

fn one_of(what: &str, wanted: &[String], found: &str) -> Condition {
    Condition {
        what: what.to_owned(),
        asked: wanted.join(" or "),
        held: wanted.iter().any(|wanted| wanted == found),
        found: Found(Some(found.to_owned()).filter(|found| !found.is_empty())),
    }
}

/// What is not there matches nothing, not even a pattern for the empty text.
fn matches(what: &str, pattern: &Pattern, found: Option<String>) -> Condition {
    Condition {
        what: what.to_owned(),
        asked: pattern.0.as_str().to_owned(),
        held: found.as_ref().is_some_and(|found| pattern.0.is_match(found)),
        found: Found(found),
    }
}
