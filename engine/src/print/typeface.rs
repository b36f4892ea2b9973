//! The letters of a printout: the standard ones that every viewer has, or those of a font that is embedded.

use std::collections::BTreeMap;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Chunk, Finish, Name, Rect, Ref, Str};
use subsetter::GlyphRemapper;
use ttf_parser::{Face, GlyphId, Tag};

use super::widths::{BOLD, REGULAR};
use crate::error::Error;

/// Where text is drawn in bold. An embedded font has one weight only, and is drawn larger instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// The letters of a printout.
pub(super) enum Typeface<'a> {
    /// Helvetica, which is not embedded.
    Standard,
    /// A font of which the glyphs that are used go into the file.
    Embedded(Box<Embedded<'a>>),
}

pub(super) struct Embedded<'a> {
    face: Face<'a>,
    data: &'a [u8],
    glyphs: GlyphRemapper,
    /// New glyph number to character, for whoever copies text out.
    characters: BTreeMap<u16, char>,
}

/// The resources of a page.
pub(super) const REGULAR_NAME: Name<'static> = Name(b"F1");
pub(super) const BOLD_NAME: Name<'static> = Name(b"F2");

impl<'a> Typeface<'a> {
    /// The standard letters if they will do for `text`, else those of `font`.
    ///
    /// # Errors
    ///
    /// [`Error::NeedsFont`] if there is no font, and [`Error::Font`] if it is not usable.
    pub(super) fn choose(text: &str, font: Option<&'a [u8]>) -> Result<Self, Error> {
        let Some(beyond) = text.chars().find(|c| win_ansi(*c).is_none()) else { return Ok(Self::Standard) };
        let data = font.ok_or(Error::NeedsFont(beyond))?;
        let face = Face::parse(data, 0).map_err(|error| Error::Font(error.to_string()))?;
        let (glyphs, characters) = (GlyphRemapper::new(), BTreeMap::new());
        Ok(Self::Embedded(Box::new(Embedded { face, data, glyphs, characters })))
    }

    /// How wide `c` is, in parts of the font size.
    pub(super) fn width(&self, c: char, weight: Weight) -> f32 {
        match self {
            Self::Standard => {
                let table = if weight == Weight::Bold { &BOLD } else { &REGULAR };
                let at = usize::from(win_ansi(c).unwrap_or(b'?')) - 32;
                f32::from(table[at]) / 1000.0
            }
            Self::Embedded(font) => font.advance(font.glyph(c)) / 1000.0,
        }
    }

    /// `text` as the bytes that draw it.
    pub(super) fn encode(&mut self, text: &str) -> Vec<u8> {
        match self {
            Self::Standard => text.chars().map(|c| win_ansi(c).unwrap_or(b'?')).collect(),
            Self::Embedded(font) => {
                let Embedded { face, glyphs, characters, .. } = &mut **font;
                let code = |c: char| {
                    let new = glyphs.remap(face.glyph_index(c).unwrap_or_default().0);
                    characters.entry(new).or_insert(c);
                    new.to_be_bytes()
                };
                text.chars().flat_map(code).collect()
            }
        }
    }

    /// Writes the fonts: `regular` and `bold` are what the pages refer to, `next` gives references for the rest.
    ///
    /// # Errors
    ///
    /// [`Error::Font`] if the font cannot be cut down to its used glyphs.
    pub(super) fn write(
        &self,
        pdf: &mut Chunk,
        regular: Ref,
        bold: Ref,
        mut next: impl FnMut() -> Ref,
    ) -> Result<(), Error> {
        match self {
            Self::Standard => {
                for (id, name) in [(regular, "Helvetica"), (bold, "Helvetica-Bold")] {
                    pdf.type1_font(id)
                        .base_font(Name(name.as_bytes()))
                        .encoding_predefined(Name(b"WinAnsiEncoding"));
                }
                Ok(())
            }
            Self::Embedded(font) => {
                let descendants = [next(), next(), next(), next()];
                // Both names are the same font, so the same parts serve twice.
                font.write(pdf, [regular, bold], descendants)
            }
        }
    }
}

impl Embedded<'_> {
    fn glyph(&self, c: char) -> GlyphId {
        self.face.glyph_index(c).unwrap_or_default()
    }

    /// In thousandths of the font size.
    fn advance(&self, glyph: GlyphId) -> f32 {
        let advance = f32::from(self.face.glyph_hor_advance(glyph).unwrap_or_default());
        advance * self.scale()
    }

    fn scale(&self) -> f32 {
        1000.0 / f32::from(self.face.units_per_em().max(1))
    }

    /// Source: ISO 32000-1 9.7.
    fn write(&self, pdf: &mut Chunk, ids: [Ref; 2], parts: [Ref; 4]) -> Result<(), Error> {
        let [cid, descriptor, unicode, file] = parts;
        let unusable = |error: &dyn std::fmt::Display| Error::Font(error.to_string());
        let subset = subsetter::subset(self.data, 0, &self.glyphs).map_err(|error| unusable(&error))?;
        // A font with PostScript outlines is embedded as its CFF table alone.
        let part = Face::parse(&subset, 0).ok();
        let cff = part.as_ref().and_then(|face| face.raw_face().table(Tag::from_bytes(b"CFF ")));
        let system = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
        let name = Name(b"FOCIAA+Report");
        for id in ids {
            pdf.type0_font(id)
                .base_font(name)
                .encoding_predefined(Name(b"Identity-H"))
                .descendant_font(cid)
                .to_unicode(unicode);
        }
        let mut font = pdf.cid_font(cid);
        font.subtype(if cff.is_some() { CidFontType::Type0 } else { CidFontType::Type2 });
        font.base_font(name).system_info(system).font_descriptor(descriptor).default_width(1000.0);
        if cff.is_none() {
            font.cid_to_gid_map_predefined(Name(b"Identity"));
        }
        let mut widths = font.widths();
        for (new, old) in (0u16..).zip(self.glyphs.remapped_gids()) {
            widths.consecutive(new, [self.advance(GlyphId(old))]);
        }
        widths.finish();
        font.finish();

        let scale = self.scale();
        let scaled = |value: i16| f32::from(value) * scale;
        let bounds = self.face.global_bounding_box();
        let mut about = pdf.font_descriptor(descriptor);
        about
            .name(name)
            .flags(FontFlags::SYMBOLIC)
            .bbox(Rect::new(
                scaled(bounds.x_min),
                scaled(bounds.y_min),
                scaled(bounds.x_max),
                scaled(bounds.y_max),
            ))
            .italic_angle(0.0)
            .ascent(scaled(self.face.ascender()))
            .descent(scaled(self.face.descender()))
            .cap_height(scaled(self.face.capital_height().unwrap_or(self.face.ascender())))
            .stem_v(80.0);
        if cff.is_some() {
            about.font_file3(file);
        } else {
            about.font_file2(file);
        }
        about.finish();

        let mut map = UnicodeCmap::new(Name(b"Report"), system);
        for (new, c) in &self.characters {
            map.pair(*new, *c);
        }
        pdf.cmap(unicode, &map.finish());
        let mut stream = pdf.stream(file, cff.unwrap_or(&subset));
        if cff.is_some() {
            stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
        }
        stream.finish();
        Ok(())
    }
}

/// The code of `c` in WinAnsiEncoding. Source: ISO 32000-1 annex D.2.
fn win_ansi(c: char) -> Option<u8> {
    const BEYOND: [(char, u8); 12] = [
        ('€', 0x80),
        ('…', 0x85),
        ('‰', 0x89),
        ('‘', 0x91),
        ('’', 0x92),
        ('“', 0x93),
        ('”', 0x94),
        ('•', 0x95),
        ('–', 0x96),
        ('—', 0x97),
        ('™', 0x99),
        ('\u{a0}', 0x20),
    ];
    match c {
        ' '..='~' | '\u{a1}'..='ÿ' => u8::try_from(u32::from(c)).ok(),
        _ => BEYOND.iter().find(|(known, _)| *known == c).map(|(_, code)| *code),
    }
}
