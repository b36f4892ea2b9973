//! Key images: the slice on which a finding was measured, with the measurement drawn in.
//!
//! Left, the whole slice as it is stored, with square pixels in millimetres, the outline of the lesion,
//! orientation letters from the geometry and a scale. Right, what was measured, and the lesion
//! enlarged: once with its outline and axes, once bare, for the reader to judge the outline. Below, on
//! every picture, that it is unverified.
//!
//! Pictures hold no patient data. Writing them as PNG or Secondary Capture is the server's business.

mod canvas;
mod view;

use dicom_io::Volume;
use image::RgbImage;
use ndarray::{ArrayView2, Axis};

use crate::finding::{Finding, Kind};
use crate::narrative::{Language, rounded};
use canvas::{Canvas, Frame, Size};
use view::View;

/// The width and height of the slice's part of a key image, in pixels: its upper left corner.
pub const SLICE_PIXELS: u32 = 896;
/// The width of the part to the right of the slice.
const PANEL_PIXELS: u32 = 352;
/// The height of what was measured; below it, the two enlargements.
const WORDS_PIXELS: u32 = SLICE_PIXELS - 2 * PANEL_PIXELS;
/// The height of the strip that says that nobody has checked this.
const STRIP_PIXELS: u32 = 32;

/// Burned into every key image: the pixels travel where no report goes with them.
const STATEMENT: &str = "RESEARCH - UNVERIFIED AI - NOT FOR DIAGNOSIS";

/// The enlargements show a lesion this much larger than the whole slice does, where it fits.
const ENLARGED: f64 = 3.5;
/// An enlargement is at least this much wider than the lesion: what surrounds it matters.
const SURROUNDINGS: f64 = 1.5;

/// Blue, orange and yellow can be told apart by almost everybody, and from grey.
const OUTLINE: [u8; 3] = [255, 214, 10];
const LONG_AXIS: [u8; 3] = [64, 200, 255];
const SHORT_AXIS: [u8; 3] = [255, 140, 40];
const WHITE: [u8; 3] = [235, 235, 235];
const GREY: [u8; 3] = [150, 150, 150];
const PANEL: [u8; 3] = [22, 24, 28];
const STRIP: [u8; 3] = [120, 16, 24];

/// The values shown as black and as white, in the unit of the voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    low: f32,
    high: f32,
}

impl Window {
    /// The window in which radiologists look for `kind` in CT; elsewhere one that suits the slice.
    fn of(kind: Kind, modality: &str, slice: ArrayView2<'_, i16>) -> Self {
        match (modality, kind) {
            ("CT", Kind::LungNodule) => Self::centred(-600.0, 1500.0),
            ("CT", Kind::LiverLesion) => Self::centred(50.0, 350.0),
            // Values of MR have no unit: the darkest and brightest hundredth are cut off.
            _ => {
                let mut values: Vec<i16> = slice.iter().copied().collect();
                let last = values.len().saturating_sub(1);
                let mut percentile = |percent: usize| match last {
                    0 => values.first().copied().unwrap_or(0),
                    _ => *values.select_nth_unstable(last * percent / 100).1,
                };
                let (low, high) = (percentile(1), percentile(99));
                Self { low: f32::from(low), high: f32::from(high).max(f32::from(low) + 1.0) }
            }
        }
    }

    fn centred(centre: f32, width: f32) -> Self {
        Self { low: centre - width / 2.0, high: centre + width / 2.0 }
    }

    fn label(self) -> String {
        format!("C {:.0}  W {:.0}", (self.low + self.high) / 2.0, self.high - self.low)
    }
}

/// The key image of `finding`: 1248 x 928 pixels, of which the upper left 896 x 896 are the slice.
///
/// `volume` is the series in which the finding was measured, `modality` its modality as DICOM writes it:
/// CT is shown in a lung or soft tissue window, everything else between the 1st and 99th percentile.
/// The slice is shown as stored: its first row on top, its first column left.
///
/// # Panics
///
/// If the finding's slice is not in the volume: it was measured elsewhere.
pub fn render(volume: &Volume<i16>, finding: &Finding, modality: &str) -> RgbImage {
    let measured = &finding.measurements;
    let slice = volume.voxels.index_axis(Axis(0), measured.slice);
    let window = Window::of(finding.kind, modality, slice);
    let spacing = volume.geometry.spacing();
    let spacing_mm = [spacing.i, spacing.j];

    let mut canvas = Canvas::new(SLICE_PIXELS + PANEL_PIXELS, SLICE_PIXELS + STRIP_PIXELS);
    let whole_frame = Frame { x: 0, y: 0, width: SLICE_PIXELS, height: SLICE_PIXELS };
    let whole = View::whole(whole_frame, slice.dim(), spacing_mm);
    let (centre_mm, extent_mm) = surround(finding, spacing_mm, slice.dim());
    let side_mm = (whole.mm_per_pixel * f64::from(PANEL_PIXELS) / ENLARGED).max(SURROUNDINGS * extent_mm);
    let close = |y| {
        let frame = Frame { x: SLICE_PIXELS, y, width: PANEL_PIXELS, height: PANEL_PIXELS };
        View::around(frame, centre_mm, side_mm, spacing_mm)
    };
    let (marked, bare) = (close(WORDS_PIXELS), close(WORDS_PIXELS + PANEL_PIXELS));

    for view in [&whole, &marked, &bare] {
        view.draw_slice(&mut canvas, slice, window);
    }
    outline(&mut canvas, &whole, finding, 1.5);
    corners(&mut canvas, &whole, &marked);
    outline(&mut canvas, &marked, finding, 2.0);
    for (ends, colour) in [(measured.long_axis_ij, LONG_AXIS), (measured.short_axis_ij, SHORT_AXIS)] {
        canvas.line(marked.frame, ends.map(|ij| marked.pixel(ij)), 1.5, colour);
    }

    orientation(&mut canvas, whole_frame, volume.geometry.axes());
    for view in [&whole, &marked, &bare] {
        scale(&mut canvas, view);
    }
    let place = format!("slice {} of {}", measured.slice + 1, volume.shape()[0]);
    canvas.text([12, 8], &place, Size::Small, WHITE);
    canvas.text([12, 28], &window.label(), Size::Small, WHITE);
    let enlarged = format!("x {:.1}", whole.mm_per_pixel / marked.mm_per_pixel);
    canvas.text([SLICE_PIXELS + 8, WORDS_PIXELS + 6], &enlarged, Size::Small, WHITE);
    words(&mut canvas, finding, modality);
    separate(&mut canvas);
    canvas.into_image()
}

/// The middle of what is drawn of a finding and its longer side, mm in the plane of the slice.
fn surround(finding: &Finding, spacing_mm: [f64; 2], (rows, columns): (usize, usize)) -> ([f64; 2], f64) {
    let measured = &finding.measurements;
    let drawn = measured.outline_ij.iter().chain(&measured.long_axis_ij).chain(&measured.short_axis_ij);
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for ij in drawn.filter(|ij| ij.iter().all(|v| v.is_finite())) {
        for d in 0..2 {
            low[d] = low[d].min(ij[d] * spacing_mm[d]);
            high[d] = high[d].max(ij[d] * spacing_mm[d]);
        }
    }
    if low[0] > high[0] {
        let middle = |count: usize, mm: f64| (count as f64 - 1.0) / 2.0 * mm;
        return ([middle(columns, spacing_mm[0]), middle(rows, spacing_mm[1])], 0.0);
    }
    let centre = [0, 1].map(|d| f64::midpoint(low[d], high[d]));
    (centre, (high[0] - low[0]).max(high[1] - low[1]))
}

fn outline(canvas: &mut Canvas, view: &View, finding: &Finding, width: f64) {
    for edge in finding.measurements.outline_ij.windows(2) {
        canvas.line(view.frame, [edge[0], edge[1]].map(|ij| view.pixel(ij)), width, OUTLINE);
    }
}

/// Marks on the whole slice what is enlarged beside it: four corners, which hide less than a box.
fn corners(canvas: &mut Canvas, whole: &View, close: &View) {
    let [low, high] = close.corners_mm().map(|mm| whole.pixel_of_mm(mm));
    let arm = 0.15 * (high[0] - low[0]);
    let mut arms = Vec::new();
    for (x, inward_x) in [(low[0], arm), (high[0], -arm)] {
        for (y, inward_y) in [(low[1], arm), (high[1], -arm)] {
            arms.extend([[[x, y], [x + inward_x, y]], [[x, y], [x, y + inward_y]]]);
        }
    }
    canvas.edged_lines(whole.frame, &arms, 1.5, WHITE);
}

/// Letters for the directions in which the columns and rows run, at the four borders.
fn orientation(canvas: &mut Canvas, frame: Frame, axes: [[f64; 3]; 3]) {
    let back = |axis: [f64; 3]| axis.map(|v| -v);
    let (middle_x, middle_y) = (frame.x + frame.width / 2, frame.y + frame.height / 2 - 10);
    let width = |letters: &str| canvas::text_width(letters, Size::Large);
    let left = letters(back(axes[0]));
    let right = letters(axes[0]);
    let top = letters(back(axes[1]));
    let bottom = letters(axes[1]);
    canvas.text([frame.x + 10, middle_y], &left, Size::Large, WHITE);
    canvas.text([frame.x + frame.width - 10 - width(&right), middle_y], &right, Size::Large, WHITE);
    canvas.text([middle_x - width(&top) / 2, frame.y + 8], &top, Size::Large, WHITE);
    let bottom_y = frame.y + frame.height - 28;
    canvas.text([middle_x - width(&bottom) / 2, bottom_y], &bottom, Size::Large, WHITE);
}

/// A direction is named after a part of the body when it leans there by more than this: about 10
/// degrees. Smaller angles, like that of a head not quite straight, would only clutter the picture.
const LEANS: f64 = 0.18;

/// The letters of a direction in the patient (a unit vector, LPS), the strongest first: "A", "AL".
fn letters(direction: [f64; 3]) -> String {
    let mut parts: Vec<(f64, char)> = [(0, 'L', 'R'), (1, 'P', 'A'), (2, 'H', 'F')]
        .map(|(d, to, from): (usize, char, char)| {
            (direction[d].abs(), if direction[d] > 0.0 { to } else { from })
        })
        .into_iter()
        .filter(|(share, _)| *share > LEANS)
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    parts.into_iter().map(|(_, letter)| letter).collect()
}

/// A bar of a round length, at most a third of the view wide.
fn scale(canvas: &mut Canvas, view: &View) {
    const LENGTHS: [(f64, &str); 8] = [
        (200.0, "20 cm"),
        (100.0, "10 cm"),
        (50.0, "5 cm"),
        (20.0, "2 cm"),
        (10.0, "1 cm"),
        (5.0, "5 mm"),
        (2.0, "2 mm"),
        (1.0, "1 mm"),
    ];
    let room_mm = f64::from(view.frame.width) * view.mm_per_pixel / 3.0;
    let Some((length_mm, label)) = LENGTHS.into_iter().find(|(mm, _)| *mm <= room_mm) else { return };
    let length = length_mm / view.mm_per_pixel;
    let x = f64::from(view.frame.x) + 12.0;
    let y = f64::from(view.frame.y + view.frame.height) - 14.0;
    let end = |x: f64| [[x, y - 5.0], [x, y + 5.0]];
    let bar = [[[x, y], [x + length, y]], end(x), end(x + length)];
    canvas.edged_lines(view.frame, &bar, 2.0, WHITE);
    canvas.text([view.frame.x + 12, view.frame.y + view.frame.height - 40], label, Size::Small, WHITE);
}

/// What was measured, as in the report's words.
fn words(canvas: &mut Canvas, finding: &Finding, modality: &str) {
    let measured = &finding.measurements;
    canvas.fill(Frame { x: SLICE_PIXELS, y: 0, width: PANEL_PIXELS, height: WORDS_PIXELS }, PANEL);
    let left = SLICE_PIXELS + 14;
    canvas.text([left, 10], &format!("Finding {}", finding.number), Size::Large, OUTLINE);
    canvas.text([left, 38], &Language::English.describe(finding), Size::Small, WHITE);
    let hounsfield = (modality == "CT").then(|| format!("{} HU", rounded::hounsfield(measured.mean_hu)));
    let rows = [
        ("long axis", Some(format!("{} mm", rounded::millimetres(measured.long_axis_mm))), LONG_AXIS),
        ("short axis", Some(format!("{} mm", rounded::millimetres(measured.short_axis_mm))), SHORT_AXIS),
        ("volume", Some(rounded::volume(measured.volume_mm3)), WHITE),
        ("mean", hounsfield, WHITE),
        ("score", Some(rounded::score(finding.confidence)), WHITE),
    ];
    let mut y = 68;
    for (name, value, colour) in rows {
        let Some(value) = value else { continue };
        canvas.text([left, y], name, Size::Small, GREY);
        canvas.text([left + 120, y], &value, Size::Small, colour);
        y += 23;
    }
}

/// Thin lines between the parts, and the strip below them.
fn separate(canvas: &mut Canvas) {
    for y in [WORDS_PIXELS, WORDS_PIXELS + PANEL_PIXELS] {
        canvas.fill(Frame { x: SLICE_PIXELS, y, width: PANEL_PIXELS, height: 1 }, GREY);
    }
    canvas.fill(Frame { x: SLICE_PIXELS, y: 0, width: 1, height: SLICE_PIXELS }, GREY);
    let width = SLICE_PIXELS + PANEL_PIXELS;
    canvas.fill(Frame { x: 0, y: SLICE_PIXELS, width, height: STRIP_PIXELS }, STRIP);
    let x = (width - canvas::text_width(STATEMENT, Size::Large)) / 2;
    canvas.text([x, SLICE_PIXELS + 6], STATEMENT, Size::Large, WHITE);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letters left, right, top and bottom of a slice whose columns and rows run so.
    #[track_caller]
    fn check(columns: [f64; 3], rows: [f64; 3], expected: [&str; 4]) {
        let back = |axis: [f64; 3]| axis.map(|v| -v);
        let found = [back(columns), columns, back(rows), rows].map(letters);
        assert_eq!(found, expected);
    }

    #[test]
    fn the_patients_right_is_left_on_an_axial_slice() {
        check([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], ["R", "L", "A", "P"]);
    }

    #[test]
    fn an_axial_slice_of_a_prone_patient_is_shown_as_stored() {
        check([-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], ["L", "R", "P", "A"]);
    }

    #[test]
    fn a_sagittal_slice_looks_from_the_left() {
        check([0.0, 1.0, 0.0], [0.0, 0.0, -1.0], ["A", "P", "H", "F"]);
    }

    #[test]
    fn a_coronal_slice_looks_from_the_front() {
        check([1.0, 0.0, 0.0], [0.0, 0.0, -1.0], ["R", "L", "H", "F"]);
    }

    #[test]
    fn an_oblique_slice_has_two_letters_the_stronger_first() {
        // Columns run 30 degrees from the left towards the back; rows run down but for 6 degrees.
        check([0.866, 0.5, 0.0], [0.05, -0.087, -0.995], ["RA", "LP", "H", "F"]);
    }

    #[test]
    fn lungs_and_liver_have_their_windows_and_mr_that_of_its_slice() {
        let slice = ndarray::Array2::from_shape_fn((10, 20), |(j, i)| (j * 20 + i) as i16);
        let window = |kind, modality| Window::of(kind, modality, slice.view());
        assert_eq!(window(Kind::LungNodule, "CT"), Window { low: -1350.0, high: 150.0 });
        assert_eq!(window(Kind::LiverLesion, "CT"), Window { low: -125.0, high: 225.0 });
        assert_eq!(window(Kind::LiverLesion, "MR"), Window { low: 1.0, high: 197.0 });
        let flat = ndarray::Array2::from_elem((3, 4), 7i16);
        assert_eq!(Window::of(Kind::LiverLesion, "MR", flat.view()), Window { low: 7.0, high: 8.0 });
    }
}
