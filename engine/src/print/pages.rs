//! Pages that fill from the top: paragraphs that wrap, rows of a table, pictures side by side.

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::typeface::{BOLD_NAME, REGULAR_NAME, Typeface, Weight};
use crate::error::Error;

/// A4, in points of 1/72 inch.
const PAGE: [f32; 2] = [595.0, 842.0];

/// Free on all sides.
const MARGIN: f32 = 54.0;

/// From one line to the next, in parts of the font size.
const LEADING: f32 = 1.45;

/// Key images are drawn from few grey levels and thin lines; less would show.
const JPEG_QUALITY: u8 = 92;

/// A size and weight of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) size: f32,
    pub(super) weight: Weight,
    /// 0 is black, 1 white.
    pub(super) grey: f32,
}

/// Pages under construction.
pub(super) struct Pages<'a> {
    letters: Typeface<'a>,
    pages: Vec<Page>,
    pictures: Vec<Picture>,
    /// Where the next line begins, from the bottom.
    y: f32,
}

struct Page {
    content: Content,
    pictures: Vec<usize>,
}

struct Picture {
    jpeg: Vec<u8>,
    width: i32,
    height: i32,
}

impl<'a> Pages<'a> {
    pub(super) fn new(letters: Typeface<'a>) -> Self {
        let mut pages = Self { letters, pages: Vec::new(), pictures: Vec::new(), y: 0.0 };
        pages.next_page();
        pages
    }

    fn next_page(&mut self) {
        self.pages.push(Page { content: Content::new(), pictures: Vec::new() });
        self.y = PAGE[1] - MARGIN;
    }

    /// Begins a page if less than `height` is left of this one.
    pub(super) fn need(&mut self, height: f32) {
        // Below the text stands the foot.
        if self.y - height < MARGIN + 18.0 {
            self.next_page();
        }
    }

    /// Leaves `height` free.
    pub(super) fn space(&mut self, height: f32) {
        self.y -= height;
    }

    /// A thin line across the page.
    pub(super) fn rule(&mut self) {
        self.y -= 4.0;
        let y = self.y;
        let content = &mut self.page().content;
        content.set_stroke_gray(0.75).set_line_width(0.6);
        content.move_to(MARGIN, y).line_to(PAGE[0] - MARGIN, y).stroke();
        self.y -= 4.0;
    }

    /// A paragraph; `mark` hangs before its first line, and the others are indented as much.
    pub(super) fn paragraph(&mut self, mark: &str, text: &str, style: Style) {
        let indent = if mark.is_empty() { 0.0 } else { 18.0 };
        let lines = self.wrap(text, style, PAGE[0] - 2.0 * MARGIN - indent);
        for (at, line) in lines.iter().enumerate() {
            self.need(style.size * LEADING);
            self.y -= style.size * LEADING;
            if at == 0 {
                self.draw(MARGIN, self.y, mark, style);
            }
            self.draw(MARGIN + indent, self.y, line, style);
        }
    }

    /// A row of a table: cells at `columns`, shares of the width of the page. A cell that is too long wraps.
    pub(super) fn row(&mut self, columns: &[f32], cells: &[String], style: Style) {
        let width = PAGE[0] - 2.0 * MARGIN;
        let ends = columns.iter().skip(1).copied().chain([1.0]);
        let lines: Vec<Vec<String>> = cells
            .iter()
            .zip(columns.iter().zip(ends))
            .map(|(cell, (from, to))| self.wrap(cell, style, (to - from) * width - 6.0))
            .collect();
        let height = lines.iter().map(Vec::len).max().unwrap_or_default() as f32 * style.size * LEADING;
        self.need(height);
        for (cell, from) in lines.iter().zip(columns) {
            for (at, line) in (1..).zip(cell) {
                self.draw(MARGIN + from * width, self.y - at as f32 * style.size * LEADING, line, style);
            }
        }
        self.y -= height + 2.0;
    }

    /// Pictures with a caption below each, two in a row.
    pub(super) fn pictures(&mut self, pictures: &[(&RgbImage, String)], caption: Style) {
        let gap = 14.0;
        self.y -= 4.0;
        let width = (PAGE[0] - 2.0 * MARGIN - gap) / 2.0;
        for pair in pictures.chunks(2) {
            let height = |picture: &RgbImage| width * picture.height() as f32 / picture.width().max(1) as f32;
            let tallest = pair.iter().map(|(picture, _)| height(picture)).fold(0.0, f32::max);
            self.need(tallest + caption.size * LEADING + gap);
            for ((picture, words), x) in pair.iter().zip([MARGIN, MARGIN + width + gap]) {
                let at = self.add(picture);
                let (y, height) = (self.y - height(picture), height(picture));
                let page = self.page();
                page.pictures.push(at);
                page.content.save_state();
                page.content.transform([width, 0.0, 0.0, height, x, y]);
                page.content.x_object(Name(format!("P{at}").as_bytes()));
                page.content.restore_state();
                let below = self.y - tallest - caption.size * LEADING;
                let line = self.wrap(words, caption, width).swap_remove(0);
                self.draw(x, below, &line, caption);
            }
            self.y -= tallest + caption.size * LEADING + gap;
        }
    }

    /// The file: every page gets `foot` and its number.
    ///
    /// # Errors
    ///
    /// [`Error::Font`] if the font cannot be embedded.
    pub(super) fn finish(
        mut self,
        title: &str,
        foot: &str,
        number: impl Fn(usize, usize) -> String,
    ) -> Result<Vec<u8>, Error> {
        let style = Style { size: 7.5, weight: Weight::Regular, grey: 0.35 };
        let count = self.pages.len();
        for at in 0..count {
            let number = number(at + 1, count);
            let right = PAGE[0] - MARGIN - self.measure(&number, style);
            let lines = self.wrap(foot, style, right - MARGIN - 12.0);
            for (line, text) in lines.iter().enumerate() {
                self.draw_on(at, [MARGIN, MARGIN - 12.0 - line as f32 * 9.5], text, style);
            }
            self.draw_on(at, [right, MARGIN - 12.0], &number, style);
        }

        let mut last = 0;
        let mut next = || {
            last += 1;
            Ref::new(last)
        };
        let [catalog, tree, about, regular, bold] = [next(), next(), next(), next(), next()];
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        pdf.document_info(about).title(TextStr(title)).producer(TextStr("Foci"));
        let pictures: Vec<Ref> = self.pictures.iter().map(|_| next()).collect();
        let pages: Vec<[Ref; 2]> = self.pages.iter().map(|_| [next(), next()]).collect();
        pdf.pages(tree).kids(pages.iter().map(|[page, _]| *page)).count(count as i32);
        for (page, [id, content]) in self.pages.into_iter().zip(pages) {
            let mut to = pdf.page(id);
            to.parent(tree).media_box(Rect::new(0.0, 0.0, PAGE[0], PAGE[1])).contents(content);
            let mut resources = to.resources();
            resources.fonts().pair(REGULAR_NAME, regular).pair(BOLD_NAME, bold);
            let mut objects = resources.x_objects();
            for at in page.pictures {
                objects.pair(Name(format!("P{at}").as_bytes()), pictures[at]);
            }
            objects.finish();
            resources.finish();
            to.finish();
            pdf.stream(content, &page.content.finish());
        }
        for (picture, id) in self.pictures.iter().zip(pictures) {
            let mut to = pdf.image_xobject(id, &picture.jpeg);
            to.width(picture.width).height(picture.height).bits_per_component(8);
            to.color_space().device_rgb();
            to.filter(Filter::DctDecode);
        }
        self.letters.write(&mut pdf, regular, bold, next)?;
        Ok(pdf.finish())
    }

    fn page(&mut self) -> &mut Page {
        self.pages.last_mut().expect("there is a first page")
    }

    fn add(&mut self, picture: &RgbImage) -> usize {
        let mut jpeg = Vec::new();
        // Writing to memory fails only for pictures larger than JPEG can be; they are drawn as nothing.
        let _ = JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY).encode_image(picture);
        let (width, height) = (picture.width() as i32, picture.height() as i32);
        self.pictures.push(Picture { jpeg, width, height });
        self.pictures.len() - 1
    }

    fn draw(&mut self, x: f32, y: f32, text: &str, style: Style) {
        self.draw_on(self.pages.len() - 1, [x, y], text, style);
    }

    fn draw_on(&mut self, page: usize, [x, y]: [f32; 2], text: &str, style: Style) {
        if text.is_empty() {
            return;
        }
        let bytes = self.letters.encode(text);
        let name = if style.weight == Weight::Bold { BOLD_NAME } else { REGULAR_NAME };
        let content = &mut self.pages[page].content;
        content.begin_text().set_font(name, style.size).set_fill_gray(style.grey);
        content.next_line(x, y).show(Str(&bytes)).end_text();
    }

    fn measure(&self, text: &str, style: Style) -> f32 {
        text.chars().map(|c| self.letters.width(c, style.weight)).sum::<f32>() * style.size
    }

    /// The lines of `text`, at least one: broken at blanks, between Chinese characters, and anywhere in what is
    /// longer than a line.
    fn wrap(&self, text: &str, style: Style, width: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        let mut used = 0.0;
        for piece in pieces(text) {
            let length = self.measure(piece.trim_end(), style);
            if used > 0.0 && used + length > width {
                lines.push(String::new());
                used = 0.0;
            }
            if length <= width {
                lines.last_mut().expect("there is a line").push_str(piece);
                used += self.measure(piece, style);
                continue;
            }
            for c in piece.chars() {
                let length = self.letters.width(c, style.weight) * style.size;
                if used > 0.0 && used + length > width {
                    lines.push(String::new());
                    used = 0.0;
                }
                lines.last_mut().expect("there is a line").push(c);
                used += length;
            }
        }
        lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
        lines
    }
}

/// The parts between which a line may end. A closing mark stays with what it closes, an opening one with what it
/// opens.
fn pieces(text: &str) -> Vec<&str> {
    let closing = |c: char| "，。、；：！？）】》”’%‰°)".contains(c);
    let opening = |c: char| "（【《“‘(".contains(c);
    let wide = |c: char| c >= '\u{2e80}';
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let may_end = before.is_some_and(|before| {
            !c.is_whitespace()
                && !closing(c)
                && !opening(before)
                && (before.is_whitespace() || wide(before) || wide(c))
        });
        if may_end {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(c);
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_blanks_and_between_chinese_characters_and_not_before_a_closing_mark() {
        assert_eq!(pieces("a bc, d"), ["a ", "bc, ", "d"]);
        assert_eq!(pieces("右肺，8.4 mm。"), ["右", "肺，", "8.4 ", "mm。"]);
        assert_eq!(pieces("见（图）"), ["见", "（图）"]);
    }

    #[test]
    fn no_line_is_wider_than_its_place_and_no_word_is_lost() {
        let pages = Pages::new(Typeface::Standard);
        let style = Style { size: 10.0, weight: Weight::Regular, grey: 0.0 };
        let text =
            "A solid nodule of 8.4 x 6.9 mm, 1.2.826.0.1.3680043.8.498.1234567890123456789 in one word.";
        for width in [40.0, 90.0, 400.0] {
            let lines = pages.wrap(text, style, width);
            assert!(lines.iter().all(|line| pages.measure(line, style) <= width), "{lines:?}");
            let joined: String = lines.concat();
            assert_eq!(joined.replace(' ', ""), text.replace(' ', ""));
        }
    }
}
