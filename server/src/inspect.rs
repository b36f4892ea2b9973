//! `foci inspect`: what is in these files, and why a series would be refused.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use dicom_io::{Scan, Series, SkipReason, scan};
use serde_json::{Value, json};

/// Show studies and series, their geometry, and why a series would be refused
///
/// Reads headers only. Prints one line for each series, tab-separated: study UID, series UID, modality,
/// images, voxels (columns x rows x slices), spacing (mm), and `ok`, warnings, or the reason why it makes
/// no volume. Prints no patient data.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Folders or files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Print JSON, with geometry in full
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<()> {
        let found = scan(&self.paths)?;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&as_json(&found))?)?;
        } else {
            for series in found.studies.iter().flat_map(|study| &study.series) {
                writeln!(out, "{}", line(series))?;
            }
        }
        if !self.json {
            for (reason, files) in skipped(&found) {
                let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
                eprintln!("note: left out {files}: {reason}");
            }
        }
        if found.studies.is_empty() {
            bail!("no DICOM image was found in {} files", found.skipped.len());
        }
        Ok(())
    }
}

fn line(series: &Series) -> String {
    let start = format!("{}\t{}\t{}\t{}", series.study_uid, series.uid, series.modality, series.images());
    match series.check() {
        Ok((geometry, [slices, rows, columns], warnings)) => {
            let spacing = geometry.spacing();
            let state = if warnings.is_empty() {
                "ok".to_owned()
            } else {
                warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            };
            let grid =
                format!("{columns}x{rows}x{slices}\t{:.3}x{:.3}x{:.3}", spacing.i, spacing.j, spacing.k);
            format!("{start}\t{grid}\t{state}")
        }
        Err(error) => format!("{start}\t-\t-\trefused: {error}"),
    }
}

fn skipped(found: &Scan) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    // An index is not a file that anybody misses.
    for skipped in found.skipped.iter().filter(|skipped| skipped.reason != SkipReason::Index) {
        *counts.entry(skipped.reason.to_string()).or_insert(0) += 1;
    }
    counts
}

fn as_json(found: &Scan) -> Value {
    let series = |series: &Series| {
        let mut value = json!({
            "series_uid": series.uid,
            "modality": series.modality,
            "number": series.number,
            "image_type": series.image_type,
            "body_part": series.body_part,
            "kernel": series.kernel,
            "contrast": series.contrast,
            "images": series.images(),
        });
        match series.check() {
            Ok((geometry, [slices, rows, columns], warnings)) => {
                value["geometry"] = json!({
                    "columns": columns,
                    "rows": rows,
                    "slices": slices,
                    "spacing_mm": geometry.spacing(),
                    "origin_lps_mm": geometry.origin(),
                    "axes_lps": geometry.axes(),
                    "affine_lps": geometry.affine(),
                });
                let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
                value["warnings"] = json!(warnings);
            }
            Err(error) => value["refused"] = json!(error.to_string()),
        }
        value
    };
    let studies: Vec<Value> = found
        .studies
        .iter()
        .map(|study| {
            json!({ "study_uid": study.uid, "series": study.series.iter().map(series).collect::<Vec<_>>() })
        })
        .collect();
    json!({ "studies": studies, "skipped": skipped(found) })
}

/// The series in `paths` that is called `uid`, or the only one there.
///
/// # Errors
///
/// If there is none, or several and no `uid` to tell which.
pub(crate) fn one_series(paths: &[PathBuf], uid: Option<&str>) -> Result<Series> {
    let found = scan(paths)?;
    let files = found.skipped.len();
    let mut series: Vec<Series> = found.studies.into_iter().flat_map(|study| study.series).collect();
    if let Some(uid) = uid {
        return series
            .into_iter()
            .find(|series| series.uid.as_str() == uid)
            .with_context(|| format!("there is no series {uid}"));
    }
    match series.len() {
        0 => bail!("no DICOM image was found in {files} files"),
        1 => Ok(series.remove(0)),
        several => {
            let uids: Vec<_> = series.iter().map(|series| series.uid.as_str()).collect();
            bail!("{several} series were found; name one with --series: {}", uids.join(", "))
        }
    }
}
