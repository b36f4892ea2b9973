//! Cards: those that come with Foci are right, and wrong ones are refused with the reason.

use models::{Card, Error, Organ, Status, Weights};

const LIVER: &str = include_str!("../liver/card.toml");
const LUNG: &str = include_str!("../lung-nodule/card.toml");

/// `card` with `from` replaced by `to` is refused, and the reason holds `reason`.
#[track_caller]
fn check(card: &str, from: &str, to: &str, reason: &str) {
    assert!(card.contains(from), "{from}");
    let error = Card::parse(&card.replacen(from, to, 1)).unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn the_catalogue_holds_three_networks_and_lesions_are_sought_in_the_liver() {
    let names: Vec<_> = Card::catalog().iter().map(|card| card.name.as_str()).collect();
    assert_eq!(names, ["liver", "liver-lesion", "lung-nodule"]);
    let region = Card::named("liver-lesion").unwrap().head.region().unwrap();
    assert_eq!((region.organ, region.dilate_voxels), (Organ::Liver, 2));
}

#[test]
fn an_unknown_network_is_answered_with_those_that_there_are() {
    let error = Card::named("brain").unwrap_err().to_string();
    assert_eq!(error, r#"there is no model "brain"; there are liver, liver-lesion, lung-nodule"#);
}

#[test]
fn a_card_with_a_missing_or_unknown_field_is_refused() {
    check(LIVER, "title =", "titel =", "titel");
    check(LIVER, "threshold = 0.5\n", "", "threshold");
    check(LIVER, r#"modalities = ["CT"]"#, r#"modalities = ["US"]"#, "US");
}

#[test]
fn a_card_that_contradicts_itself_is_refused() {
    check(LIVER, r#"name = "liver""#, r#"name = "../liver""#, "name must be");
    check(LIVER, r#"modalities = ["CT"]"#, "modalities = []", "modalities is empty");
    check(LIVER, "spacing_mm = [3.0, 3.0, 3.0]", "spacing_mm = [3.0, 0.0, 3.0]", "above zero");
    check(LIVER, r#""anterior""#, r#""left""#, "each axis of the body once");
    check(LIVER, "low_hu = -200", "low_hu = 200", "window is empty");
    check(LIVER, "size = 3", "size = 2", "odd size");
    check(LIVER, "shape = [162,", "shape = [161,", "161 does not leave 0 when divided by 27");
    check(LIVER, "border = [13, 13, 13]", "border = [81, 13, 13]", "nothing left");
    check(LIVER, "threshold = 0.5", "threshold = 1.5", "between 0 and 1");
    check(LIVER, "outside_image = 0.0", "outside_image = 0.0\noutside_region = 0.0", "needs head.region");
    check(LIVER, r#"sha256 = ""#, r#"sha256 = "x"#, "64 lower-case hexadecimal digits");
    check(LUNG, "overlap = 0.25", "overlap = 1.0", "share below 1");
    check(LUNG, "stride = 2", "stride = 3", "does not divide");
    check(LUNG, "long_axis_mm = 30", "long_axis_mm = 0", "above zero");
    check(LUNG, "peak_cells = 5", "peak_cells = 4", "must be odd");
}

#[test]
fn a_mass_in_the_lung_is_critical_and_nothing_in_the_liver_is() {
    let [lung, liver] = ["lung-nodule", "liver-lesion"].map(|name| Card::named(name).unwrap());
    assert!(lung.is_critical(30.1) && !lung.is_critical(30.0), "a nodule is up to 30 mm large");
    assert!(!liver.is_critical(300.0));
}

#[test]
fn weights_that_are_not_those_of_the_card_are_refused() {
    let card = Card::named("liver").unwrap();
    let error = Weights::checked(card, b"other weights".as_slice()).unwrap_err();
    assert!(matches!(error, Error::Weights(_)));
    let [found, expected] = [models::sha256(b"other weights"), card.weights.sha256.clone()];
    assert!(
        error.to_string().contains(&format!("has the SHA-256 {found} where {expected} is expected")),
        "{error}"
    );
}

#[test]
fn weights_that_are_part_of_the_program_are_those_of_their_card() {
    let cache = models::Cache::at("nothing/is/there");
    for card in Card::catalog().iter().filter(|card| card.weights.from == models::Origin::Program {}) {
        let status = Weights::status(card, &cache).unwrap();
        assert!(!matches!(status, Status::Wrong { .. }), "{}: {status:?}", card.name);
    }
}

#[test]
fn weights_in_the_cache_are_missing_or_wrong_until_they_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let cache = models::Cache::at(folder.path());
    let mut card = Card::named("liver").unwrap().clone();
    assert_eq!(Weights::status(&card, &cache).unwrap(), Status::Missing);

    let entry = folder.path().join(format!("liver-{}.onnx", &card.weights.sha256[..16]));
    std::fs::write(&entry, "half a file").unwrap();
    let found = models::sha256(b"half a file");
    assert_eq!(Weights::status(&card, &cache).unwrap(), Status::Wrong { found: found.clone() });
    let error = Weights::ensure(&card, &cache, &|_| ()).unwrap_err().to_string();
    assert!(error.contains("delete liver-"), "{error}");

    card.weights.sha256 = found;
    std::fs::write(folder.path().join(format!("liver-{}.onnx", &card.weights.sha256[..16])), "half a file")
        .unwrap();
    assert_eq!(Weights::status(&card, &cache).unwrap(), Status::Present);
}
