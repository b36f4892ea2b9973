//! `foci serve --explain`: what would be done with a study, and why.
//!
//! For the operator's own terminal: it shows what headers say, which no log does.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use dicom_io::{Study, Uid, scan};

use crate::analyze::wanted;
use crate::archive::Archive;
use crate::config::{Config, Lane};
use crate::rules::{Condition, Tried, decide};
use crate::store::Store;

/// Prints which rule applies to `study`, a path or the UID of a study that the node has, rule by rule,
/// series by series, condition by condition; then what follows from it. `sender` is from where it came, or
/// is to be thought to have come.
///
/// # Errors
///
/// If there is no such study or no such sender.
pub(crate) fn explain(config: &Config, study: &str, sender: Option<&str>) -> Result<()> {
    if let Some(name) = sender {
        ensure!(config.is_sender(name), "there is no peer {name:?}, nor is it stow or pull");
    }
    let (studies, came) = if Path::new(study).exists() {
        let found = scan(&[PathBuf::from(study)])?;
        ensure!(!found.studies.is_empty(), "no DICOM image was found in {} files", found.skipped.len());
        (found.studies, None)
    } else {
        let Ok(uid) = Uid::parse(study) else {
            bail!("{study:?} is neither a path nor a Study Instance UID")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (study, sender, lane) = runtime.block_on(kept(config, &uid))?;
        (vec![study], Some((sender, lane)))
    };
    for study in studies {
        let sender = sender.or(came.as_ref().map(|(sender, _)| sender.as_str()));
        let lane = match (sender, &came) {
            (Some(name), Some((known, lane))) if name == known => *lane,
            (Some(name), _) => config.peer(name).map(|peer| peer.lane).unwrap_or_default(),
            (None, _) => Lane::default(),
        };
        print(config, study, sender, lane)?;
    }
    Ok(())
}

/// The study `uid` as it lies in the node's data folder, its sender and its lane.
async fn kept(config: &Config, uid: &Uid) -> Result<(Study, String, Lane)> {
    ensure!(Store::exists(&config.data), "study {uid} is unknown: nothing has come here yet");
    let store = Store::open(&config.data).await?;
    let Some(came) = store.came(uid).await? else { bail!("study {uid} is unknown: it has not come here") };
    let files = store.images_of(uid, came.revision).await?;
    store.close().await;
    let archive = Archive::new(&config.data, config.studies.minimum_free_mb);
    let files: Vec<_> = files.iter().map(|file| archive.image(file)).filter(|file| file.exists()).collect();
    let study = scan(&files)?.studies.into_iter().find(|study| study.uid == *uid);
    let Some(study) = study else { bail!("study {uid} came here, but its images are not kept any more") };
    Ok((study, came.sender, came.lane))
}

fn print(config: &Config, mut study: Study, sender: Option<&str>, lane: Lane) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "study {}, {} series, from {}", study.uid, study.series.len(), sender.unwrap_or("nobody"))?;
    let decision = decide(config, &study, sender.unwrap_or_default());
    for tried in &decision.tried {
        print_rule(&mut out, tried)?;
    }
    for rule in &config.rule[decision.tried.len()..] {
        writeln!(out, "rule {:?}: not tried, for the one above applies", rule.name)?;
    }
    let Some(applied) = decision.applies() else {
        writeln!(out, "no rule applies: the study is kept and not analyzed")?;
        return Ok(());
    };
    let rule = applied.rule;
    if rule.models.is_empty() {
        writeln!(out, "rule {:?} runs no model: the study is kept and not analyzed", rule.name)?;
        return Ok(());
    }
    let cards = wanted(&rule.models)?;
    let models: Vec<_> = cards.iter().map(|card| format!("{} {}", card.name, card.version)).collect();
    let lane = rule.lane.unwrap_or(lane);
    let send_to = if rule.send_to.is_empty() { "nobody".to_owned() } else { rule.send_to.join(", ") };
    writeln!(out, "models    {}", models.join(", "))?;
    writeln!(out, "lane      {lane}")?;
    writeln!(out, "language  {}", rule.language)?;
    if let Some(guideline) = rule.guideline {
        writeln!(out, "guideline {guideline}")?;
    }
    writeln!(out, "send to   {send_to}")?;
    study.series.retain(|series| applied.includes(&series.uid));
    match engine::choose::choose(&study, &cards) {
        Ok(choice) => {
            let (series, images) = (choice.series, choice.series.images());
            writeln!(out, "reads     series {}, {images} images", series.uid)?;
            for (other, reason) in choice.others {
                writeln!(out, "not       series {}: {}", other.uid, without(&reason, &other.uid))?;
            }
        }
        Err(error) => writeln!(out, "reads     nothing: {error}")?,
    }
    Ok(())
}

fn print_rule(out: &mut impl Write, tried: &Tried<'_>) -> Result<()> {
    let applies = if tried.applies() { "applies" } else { "does not apply" };
    writeln!(out, "rule {:?}: {applies}", tried.rule.name)?;
    for met in &tried.series {
        let meets = if met.all() { "meets it" } else { "does not meet it" };
        writeln!(out, "  series {}: {meets}", met.series)?;
        if met.conditions.is_empty() {
            writeln!(out, "    yes  nothing is asked")?;
        }
        for Condition { what, asked, found, held } in &met.conditions {
            let held = if *held { "yes" } else { "no" };
            // Escaped, for a header can hold what a terminal obeys.
            let found = found.reveal().map_or("nothing".to_owned(), |found| format!("{found:?}"));
            writeln!(out, "    {held:<5}{what}: asked {asked}, found {found}")?;
        }
    }
    Ok(())
}

/// `reason` without the name of its series in front.
fn without<'a>(reason: &'a str, series: &Uid) -> &'a str {
    reason.strip_prefix(&format!("series {series}: ")).unwrap_or(reason)
}
