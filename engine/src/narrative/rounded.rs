//! How measurements are rounded wherever people read them: words, pictures, pages.
//!
//! Lengths to 0.1 mm; volumes to 1 mm³ below 1 ml and to 0.1 ml from there on; attenuation to 1 HU;
//! scores to 0.01; changes to 1 percent; doubling times to 1 day. Half goes to the even neighbour of the exact
//! binary value, which is `format!`'s way.
//! `findings.json` and the DICOM objects have the unrounded values.

/// A length, without its unit: "12.3".
pub fn millimetres(length_mm: f64) -> String {
    fixed(length_mm, 1)
}

/// A volume with its unit: "523 mm³" or "12.3 ml".
pub fn volume(volume_mm3: f64) -> String {
    // 999.5 would be written "1000 mm³".
    if volume_mm3 < 999.5 {
        format!("{} mm³", fixed(volume_mm3, 0))
    } else {
        format!("{} ml", fixed(volume_mm3 / 1000.0, 1))
    }
}

/// The volume of an organ, without its unit (ml): "1523".
pub fn organ_millilitres(volume_ml: f64) -> String {
    fixed(volume_ml, 0)
}

/// An attenuation, without its unit: "-12".
pub fn hounsfield(attenuation_hu: f64) -> String {
    fixed(attenuation_hu, 0)
}

/// A share, without its sign and unit: "56" for -55.9 %.
pub fn percent(percent: f64) -> String {
    fixed(percent.abs(), 0)
}

/// A doubling time, without its unit: "143".
pub fn days(days: f64) -> String {
    fixed(days, 0)
}

/// A network's score: "0.93".
pub fn score(score: f64) -> String {
    fixed(score, 2)
}

/// `value` with so many digits after the point, and no minus before a zero.
fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_volumes_are_in_cubic_millimetres_and_large_ones_in_millilitres() {
        assert_eq!(volume(0.4), "0 mm³");
        assert_eq!(volume(999.4), "999 mm³");
        assert_eq!(volume(999.6), "1.0 ml");
        assert_eq!(volume(12_345.0), "12.3 ml");
    }

    #[test]
    fn nothing_is_minus_zero() {
        assert_eq!(hounsfield(-0.4), "0");
        assert_eq!(hounsfield(-0.6), "-1");
        assert_eq!(millimetres(-0.04), "0.0");
    }
}
