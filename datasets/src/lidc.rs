//! Nodules from the XML files of the LIDC-IDRI collection.
//!
//! Up to four radiologists read each scan, first alone, then once more seeing the marks of the others.
//! They outlined every nodule of 3 mm or more on each slice and rated it; smaller nodules and other
//! things of 3 mm or more got a single mark. Nobody asked them to agree, so a nodule is a group of
//! outlines that meet, and the number of its readers says how sure one can be.
//!
//! Source: Armato et al., The Lung Image Database Consortium (LIDC) and Image Database Resource Initiative
//! (IDRI), Med Phys 2011;38:915-931.

use std::collections::{BTreeMap, HashMap};

use dicom_io::{Geometry, Ijk, Lps, SliceRef, Uid};
use engine::Kind;
use roxmltree::{Document, Node, ParsingOptions};

use crate::truth::{TrueLesion, Truth};

/// One variant per thing the caller can do about it.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The file is damaged or something else.
    #[error("not an LIDC reading: {0}")]
    NotAReading(String),

    /// Look for the file that belongs to this series.
    #[error("the LIDC reading marks image {sop_instance_uid}, which is not in this series")]
    OtherSeries {
        /// The image that was marked.
        sop_instance_uid: Uid,
    },
}

/// What the readers of one scan marked.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// How many radiologists read the scan.
    pub readers: usize,
    /// The nodules of 3 mm or more.
    pub nodules: Vec<Nodule>,
    /// The marks on nodules below 3 mm, one for each reader.
    pub small_nodules: Vec<Lps>,
    /// The marks on things of 3 mm or more that are no nodules, one for each reader.
    pub non_nodules: Vec<Lps>,
}

/// A nodule of 3 mm or more, as one to four readers outlined it; the means over their outlines.
#[derive(Debug, Clone, PartialEq)]
pub struct Nodule {
    /// How many readers outlined it.
    pub readers: usize,
    /// Each outline's rating: 1 highly unlikely to be malignant, 3 indeterminate, 5 highly suspicious.
    pub malignancy: Vec<u8>,
    /// The centre of gravity.
    pub centre_lps_mm: Lps,
    /// The longest diameter within one slice.
    pub diameter_mm: f64,
    /// The volume: pixels inside the outlines times the volume of a voxel.
    pub volume_mm3: f64,
}

impl Reading {
    /// The nodules that at least `least_readers` outlined are to be found; the other nodules and marks are
    /// excused. LUNA16 asks for three readers.
    pub fn truth(&self, least_readers: usize) -> Truth {
        let mut truth = Truth::default();
        for (nodule, number) in self.nodules.iter().zip(1..) {
            let ratings: Vec<String> = nodule.malignancy.iter().map(u8::to_string).collect();
            let lesion = TrueLesion {
                id: format!("nodule {number}"),
                kind: Kind::LungNodule,
                centre_lps_mm: nodule.centre_lps_mm,
                diameter_mm: nodule.diameter_mm,
                volume_mm3: Some(nodule.volume_mm3),
                note: format!(
                    "outlined by {} of {} readers, malignancy {}",
                    nodule.readers,
                    self.readers,
                    ratings.join(" ")
                ),
            };
            let list = if nodule.readers >= least_readers { &mut truth.lesions } else { &mut truth.excused };
            list.push(lesion);
        }
        let marks = [("small nodule", &self.small_nodules), ("no nodule", &self.non_nodules)];
        for (name, places) in marks {
            truth.excused.extend(places.iter().zip(1..).map(|(&centre_lps_mm, number)| TrueLesion {
                id: format!("{name} {number}"),
                kind: Kind::LungNodule,
                centre_lps_mm,
                diameter_mm: 0.0,
                volume_mm3: None,
                note: "marked by one reader".to_owned(),
            }));
        }
        truth
    }
}

/// Readings hold some ten thousand outline points of five elements each; this is far beyond, and keeps a
/// hostile file from filling the memory.
const MOST_NODES: u32 = 4_000_000;

/// Reads the XML file of one scan.
///
/// `geometry` and `slices` are those of the series: of its [`dicom_io::Reading`].
///
/// # Errors
///
/// [`Error::NotAReading`] if the file is no LIDC reading of a CT or cut short, [`Error::OtherSeries`] if
/// it marks an image that is not among `slices`.
pub fn read(xml: &[u8], geometry: &Geometry, slices: &[SliceRef]) -> Result<Reading, Error> {
    let wrong = |what: &str| Error::NotAReading(what.to_owned());
    let text = std::str::from_utf8(xml).map_err(|_| wrong("not UTF-8"))?;
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| Error::NotAReading(error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "LidcReadMessage" {
        return Err(wrong("the root element is not LidcReadMessage"));
    }
    let grid =
        Grid { geometry, slices: slices.iter().map(|slice| &slice.sop_instance_uid).zip(0..).collect() };

    let mut outlines = Vec::new();
    let (mut small_nodules, mut non_nodules) = (Vec::new(), Vec::new());
    let mut readers = 0;
    for session in children(root, "readingSession") {
        for nodule in children(session, "unblindedReadNodule") {
            match grid.mark(nodule, readers)? {
                Mark::Outline(outline) => outlines.push(outline),
                Mark::Point(place) => small_nodules.push(place),
            }
        }
        for mark in children(session, "nonNodule") {
            let [column, row] = point(child(mark, "locus")?)?;
            non_nodules.push(geometry.to_lps(Ijk::new(column as f64, row as f64, grid.slice(mark)?)));
        }
        readers += 1;
    }
    if readers == 0 {
        return Err(wrong("no reading session"));
    }
    let nodules = groups(&outlines).iter().map(|group| nodule(group)).collect();
    Ok(Reading { readers, nodules, small_nodules, non_nodules })
}

/// What one reader made of one nodule.
enum Mark {
    Outline(Outline),
    /// A single point: below 3 mm.
    Point(Lps),
}

/// A nodule as one reader outlined it.
struct Outline {
    reader: usize,
    malignancy: Option<u8>,
    centre: Lps,
    diameter_mm: f64,
    volume_mm3: f64,
}

/// The series that was read.
struct Grid<'a> {
    geometry: &'a Geometry,
    slices: HashMap<&'a Uid, u32>,
}

impl Grid<'_> {
    /// The number of the slice that a region or a mark names.
    fn slice(&self, marked: Node<'_, '_>) -> Result<f64, Error> {
        let uid = Uid::parse(text(child(marked, "imageSOP_UID")?))
            .map_err(|_| Error::NotAReading("imageSOP_UID is no UID".to_owned()))?;
        match self.slices.get(&uid) {
            Some(&k) => Ok(f64::from(k)),
            None => Err(Error::OtherSeries { sop_instance_uid: uid }),
        }
    }

    fn mark(&self, nodule: Node<'_, '_>, reader: usize) -> Result<Mark, Error> {
        let spacing = self.geometry.spacing();
        let pixel_mm = (spacing.i + spacing.j) / 2.0;
        let (mut pixels, mut sum, mut diameter_mm) = (0.0, [0.0; 3], 0.0_f64);
        let mut corners = Vec::new();
        let mut outlined = false;
        for region in children(nodule, "roi") {
            let k = self.slice(region)?;
            let edge = children(region, "edgeMap").map(point).collect::<Result<Vec<_>, _>>()?;
            corners.extend(edge.iter().map(|&[column, row]| [column as f64, row as f64, k]));
            outlined |= edge.len() > 1;
            let area = Area::within(&edge);
            // A region that is not included is a hole. Its outline, as every outline, is not nodule.
            let included = text(child(region, "inclusion")?).eq_ignore_ascii_case("true");
            let weight = if included { area.inside } else { -(area.inside + area.border) };
            pixels += weight;
            let [column, row] = area.centre;
            sum = [sum[0] + weight * column, sum[1] + weight * row, sum[2] + weight * k];
            if included {
                diameter_mm = diameter_mm.max(longest(edge, [spacing.i, spacing.j]) - pixel_mm);
            }
        }
        if corners.is_empty() {
            return Err(Error::NotAReading("a nodule without a point".to_owned()));
        }
        // Outlines too thin to hold a pixel lie where their points lie.
        let centre = if pixels > 0.0 {
            sum.map(|along| along / pixels)
        } else {
            [0, 1, 2].map(|a| corners.iter().map(|corner| corner[a]).sum::<f64>() / corners.len() as f64)
        };
        let centre = self.geometry.to_lps(centre.into());
        if !outlined {
            return Ok(Mark::Point(centre));
        }
        let rating = nodule.descendants().find(|node| node.tag_name().name() == "malignancy");
        Ok(Mark::Outline(Outline {
            reader,
            malignancy: rating
                .and_then(|node| text(node).parse().ok())
                .filter(|rating| (1..=5).contains(rating)),
            centre,
            diameter_mm,
            volume_mm3: pixels.max(0.0) * self.geometry.voxel_mm3(),
        }))
    }
}

/// What lies within an outline on one slice.
struct Area {
    /// How many pixel centres lie inside, the outline excluded.
    inside: f64,
    /// How many lie on the outline.
    border: f64,
    /// Column and row of the centre of gravity; the first point if the outline has no area.
    centre: [f64; 2],
}

impl Area {
    /// LIDC outlines run through the first pixels outside of the nodule, so its pixels are the lattice
    /// points strictly inside, and Pick's theorem counts them. Where an outline runs back along itself, a
    /// pixel for each step is lost.
    fn within(edge: &[[i64; 2]]) -> Self {
        let (mut twice, mut border, mut moment) = (0_i64, 0_u64, [0.0; 2]);
        for (a, b) in edge.iter().zip(edge.iter().cycle().skip(1)) {
            let cross = a[0] * b[1] - b[0] * a[1];
            twice += cross;
            border += gcd(a[0].abs_diff(b[0]), a[1].abs_diff(b[1]));
            moment = [0, 1].map(|d| moment[d] + ((a[d] + b[d]) * cross) as f64);
        }
        let inside = twice.unsigned_abs() as f64 / 2.0 - border as f64 / 2.0 + 1.0;
        let first = edge.first().map_or([0.0; 2], |point| point.map(|along| along as f64));
        Self {
            inside: if twice == 0 { 0.0 } else { inside.max(0.0) },
            border: border as f64,
            centre: if twice == 0 { first } else { moment.map(|along| along / (3 * twice) as f64) },
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The longest distance between two of `points` (column, row) with pixels `pixel_mm` wide and high.
fn longest(points: Vec<[i64; 2]>, pixel_mm: [f64; 2]) -> f64 {
    let hull = hull(points);
    let mut longest = 0.0_f64;
    for (a, from) in hull.iter().enumerate() {
        for to in &hull[a + 1..] {
            let apart = [0, 1].map(|d| (from[d] - to[d]) as f64 * pixel_mm[d]);
            longest = longest.max(apart[0].hypot(apart[1]));
        }
    }
    longest
}

/// The corners of the convex hull (Andrew's monotone chain).
fn hull(mut points: Vec<[i64; 2]>) -> Vec<[i64; 2]> {
    points.sort_unstable();
    points.dedup();
    let chain = |points: &mut dyn Iterator<Item = [i64; 2]>| {
        let mut chain: Vec<[i64; 2]> = Vec::new();
        for point in points {
            while let [.., a, b] = chain[..]
                && (b[0] - a[0]) * (point[1] - a[1]) <= (b[1] - a[1]) * (point[0] - a[0])
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain
    };
    let mut corners = chain(&mut points.iter().copied());
    corners.extend(chain(&mut points.iter().rev().copied()));
    corners
}

/// Outlines of the same nodule: those of two readers whose centres are closer than the sum of their
/// radii, and what they lead to. The rule is that of LUNA16.
fn groups(outlines: &[Outline]) -> Vec<Vec<&Outline>> {
    let same = |a: &Outline, b: &Outline| {
        a.reader != b.reader && a.centre.distance(b.centre).0 < (a.diameter_mm + b.diameter_mm) / 2.0
    };
    // Each outline is in the group of its first member.
    let mut first: Vec<usize> = (0..outlines.len()).collect();
    for b in 0..outlines.len() {
        for a in 0..b {
            if first[a] != first[b] && same(&outlines[a], &outlines[b]) {
                let (keep, gone) = (first[a].min(first[b]), first[a].max(first[b]));
                first.iter_mut().filter(|group| **group == gone).for_each(|group| *group = keep);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Outline>> = BTreeMap::new();
    for (outline, group) in outlines.iter().zip(first) {
        groups.entry(group).or_default().push(outline);
    }
    groups.into_values().collect()
}

/// What the readers of one group of outlines say together.
fn nodule(group: &[&Outline]) -> Nodule {
    let mean = |value: &dyn Fn(&Outline) -> f64| {
        group.iter().map(|one| value(one)).sum::<f64>() / group.len() as f64
    };
    let mut readers: Vec<usize> = group.iter().map(|outline| outline.reader).collect();
    readers.sort_unstable();
    readers.dedup();
    Nodule {
        readers: readers.len(),
        malignancy: group.iter().filter_map(|outline| outline.malignancy).collect(),
        centre_lps_mm: Lps::new(mean(&|o| o.centre.l), mean(&|o| o.centre.p), mean(&|o| o.centre.s)),
        diameter_mm: mean(&|o| o.diameter_mm),
        volume_mm3: mean(&|o| o.volume_mm3),
    }
}

/// Elements are known by their local name: files differ in the namespace they declare.
fn children<'a, 'x>(node: Node<'a, 'x>, name: &'static str) -> impl Iterator<Item = Node<'a, 'x>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child<'a, 'x>(node: Node<'a, 'x>, name: &'static str) -> Result<Node<'a, 'x>, Error> {
    children(node, name)
        .next()
        .ok_or_else(|| Error::NotAReading(format!("{} without {name}", node.tag_name().name())))
}

fn text<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

/// Column and row, 0-based, of an `edgeMap` or a `locus`.
fn point(node: Node<'_, '_>) -> Result<[i64; 2], Error> {
    let along = |name: &'static str| {
        // Rows and Columns are 16-bit numbers in DICOM.
        let pixel: u16 = text(child(node, name)?)
            .parse()
            .map_err(|_| Error::NotAReading(format!("{name} is no pixel number")))?;
        Ok(i64::from(pixel))
    };
    Ok([along("xCoord")?, along("yCoord")?])
}
