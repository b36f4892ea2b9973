//! English words, in lower case, hyphens written as spaces.

use super::{Extreme, Fate, Head, Label, Meaning, Place, Sides, Technique, Unit};
use crate::evidence::Lobe;
use crate::finding::Density::{GroundGlass, PartSolid, Solid};
use crate::guideline::Sex;
use Meaning::{
    About, Above, Advice, Age, And, Below, But, By, Category, Certainty, ChangedBy, Contrast, Date, Disease,
    Each, Feature, Fill, Identifier, Instruction, Lesion, Lies, Malignancy, Many, Modality, Normal, Not,
    NotAssessed, Organ, Prior, Respectively, Rest, Seen, Segment, Sex as OfSex, SexOrgan, Side, SideUnknown,
    Single, SmallerThan, Think, To, Trend,
};

/// What each word says.
pub(super) const WORDS: &[(&[Meaning], &str)] = &[
    // Sides, organs and parts of them.
    (&[Side(Sides::Left)], "left, left sided, left side, left hand"),
    (&[Side(Sides::Right)], "right, right sided, right side, right hand"),
    (
        &[Side(Sides::Both)],
        "both, bilateral, bilaterally, either, both sides, either side, on both sides, left and right, right and left, each side",
    ),
    (
        &[SideUnknown],
        "side undetermined, undetermined side, side not determined, side unknown, side unclear, side could not be determined, side not known, of undetermined side, the side could not be determined, laterality undetermined, laterality not determined, the side is undetermined, side uncertain, undetermined laterality, unknown side, indeterminate side, laterality could not be determined, laterality unknown",
    ),
    (
        &[Organ(Place::Lung)],
        "lung, pulmonary, lung parenchyma, pulmonary parenchyma, intrapulmonary, hemithorax, lung field, parenchymal lung",
    ),
    (&[Organ(Place::Lung)], "lungs, lung fields"),
    (&[Each, Side(Sides::Both), Organ(Place::Lung)], "each lung, each of the lungs, either lung"),
    (&[Organ(Place::Liver)], "liver, hepatic, intrahepatic, liver parenchyma, hepatic parenchyma"),
    (
        &[Organ(Place::Elsewhere)],
        "kidney, kidneys, renal, spleen, splenic, pancreas, pancreatic, gallbladder, bile duct, bile ducts, adrenal, adrenals, adrenal gland, \
         adrenal glands, stomach, gastric, bowel, colon, rectum, bladder, mediastinum, mediastinal, heart, cardiac, pericardium, \
         pericardial, pleura, pleural, pleural space, chest wall, thyroid, breast, oesophagus, esophagus, trachea, bronchus, \
         bronchi, airways, airway, aorta, aortic, pulmonary artery, pulmonary arteries, portal vein, bone, bones, osseous, rib, ribs, vertebra, \
         vertebrae, vertebral, spine, brain, peritoneum, abdomen, abdominal, pelvis, pelvic, retroperitoneum, retroperitoneal, soft tissue, soft tissues, \
         lymph node, lymph nodes, hilum, hilar, hila, diaphragm, thorax, biliary, duodenum, appendix, ureter, neck, skin, vessel, vessels, vascular, coronary, coronary arteries, sternum, scapula, clavicle",
    ),
    (&[Meaning::Lobe(Lobe::Upper)], "upper lobe, upper lobes"),
    (&[Meaning::Lobe(Lobe::Middle)], "middle lobe"),
    (&[Meaning::Lobe(Lobe::Lower)], "lower lobe, lower lobes"),
    (&[Side(Sides::Right), Meaning::Lobe(Lobe::Upper)], "rul"),
    (&[Side(Sides::Right), Meaning::Lobe(Lobe::Middle)], "rml"),
    (&[Side(Sides::Right), Meaning::Lobe(Lobe::Lower)], "rll"),
    (&[Side(Sides::Left), Meaning::Lobe(Lobe::Upper)], "lul"),
    (&[Side(Sides::Left), Meaning::Lobe(Lobe::Lower)], "lll"),
    (
        &[Segment],
        "segment, segments, segmental, subsegment, subsegmental, zone, zones, upper zone, lower zone, middle zone, mid zone, apex, apical, apices, base, bases, \
         basal, posterior, anterior, posterior segment, anterior segment, apical segment, apicoposterior, lingula, lingular, superior segment, inferior, superior, \
         lateral, medial, posterobasal, anterobasal, laterobasal, mediobasal, perihilar, parahilar, peripheral, peripherally, central, centrally, subpleural, \
         pleural based, juxtapleural, perifissural, fissural, fissure, major fissure, minor fissure, left lobe, right lobe, caudate lobe, quadrate lobe, \
         caudate, subcapsular, dome, hepatic dome, porta hepatis, lobe, lobes, lobar, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, segment i, segment ii, segment iii, segment iv, \
         segment v, segment vi, segment vii, segment viii, couinaud, paravertebral, paramediastinal, costophrenic, upper, lower, middle, mid, dorsal, ventral, \
         left hepatic lobe, right hepatic lobe, left lobe of the liver, right lobe of the liver, periportal, iva, ivb, hepatic segment, lung base, lung apex",
    ),
    // Lesions.
    (
        &[Lesion(Head::Nodule, false)],
        "nodule, nodular lesion, nodular opacity, nodular density, nodular focus, micro nodule, nodular finding",
    ),
    (
        &[Lesion(Head::Nodule, true)],
        "nodules, nodular lesions, nodular opacities, nodular densities, nodular foci",
    ),
    (&[Lesion(Head::Mass, false)], "mass, lump"),
    (&[Lesion(Head::Mass, true)], "masses, lumps"),
    (&[Lesion(Head::Focal, false)], "focal lesion, space occupying lesion, focal abnormality, focal finding"),
    (&[Organ(Place::Liver), Lesion(Head::Focal, false)], "focal liver lesion, focal hepatic lesion"),
    (&[Organ(Place::Liver), Lesion(Head::Focal, true)], "focal liver lesions, focal hepatic lesions"),
    (
        &[Lesion(Head::Focal, true)],
        "focal lesions, space occupying lesions, focal abnormalities, focal findings",
    ),
    (
        &[Lesion(Head::Any, false)],
        "lesion, finding, focus, abnormality, target lesion, detection, opacity, target, such lesion",
    ),
    (
        &[Lesion(Head::Any, true)],
        "lesions, findings, foci, abnormalities, target lesions, detections, opacities, targets",
    ),
    (&[SmallerThan(10.0)], "small"),
    (&[SmallerThan(5.0)], "tiny, minute"),
    (&[SmallerThan(5.0), Lesion(Head::Nodule, false)], "micronodule"),
    (&[SmallerThan(5.0), Lesion(Head::Nodule, true)], "micronodules"),
    (
        &[Meaning::Density(&[Solid])],
        "solid, solid type, purely solid, entirely solid, of solid density, solid density, solid attenuation, completely solid, fully solid",
    ),
    (
        &[Meaning::Density(&[PartSolid])],
        "part solid, partly solid, partially solid, mixed ground glass, mixed density, mixed attenuation, semi solid, semisolid, part solid density, mixed",
    ),
    (&[Meaning::Density(&[PartSolid]), Lesion(Head::Nodule, false)], "psn, mggn, mggo"),
    (
        &[Meaning::Density(&[GroundGlass])],
        "ground glass, groundglass, pure ground glass, non solid, nonsolid, ground glass density, ground glass attenuation, ground glass type, purely ground glass, pure groundglass",
    ),
    (
        &[Meaning::Density(&[GroundGlass]), Lesion(Head::Nodule, false)],
        "ggn, ggo, ground glass opacity, pggn, pggo, pure ground glass opacity",
    ),
    (&[Meaning::Density(&[GroundGlass]), Lesion(Head::Nodule, true)], "ggns, ggos, ground glass opacities"),
    (&[Meaning::Density(&[GroundGlass, PartSolid])], "subsolid, sub solid"),
    (
        &[Many],
        "multiple, several, numerous, many, a few, few, various, multifocal, scattered, some, innumerable, a number of, more than one",
    ),
    (&[Single], "single, solitary, only one, sole, isolated, unifocal, just one, the only, lone"),
    (
        &[Rest],
        "further, additional, other, others, another, remaining, rest, remainder, besides, elsewhere, in addition, additionally, apart from, aside from, except, otherwise, the others, beyond, more, also, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, besides this, next, other than",
    ),
    (
        &[Each],
        "each, all, every, all of them, both of which, all of which, each of which, each of them, both of them, all located, all of these",
    ),
    (&[Respectively], "respectively, in that order, in this order, in turn, in order, correspondingly"),
    (
        &[Meaning::Extreme(Extreme::Largest)],
        "largest, biggest, larger one, the larger, dominant, greatest, largest one, larger of which, larger of the two, bigger one, biggest one, bigger of the two, largest of which, largest of these, largest of them, maximum, maximally, up to, measuring up to, as large as, most voluminous, index",
    ),
    (
        &[Meaning::Extreme(Extreme::Smallest)],
        "smallest, tiniest, smaller one, the smaller, smallest one, smaller of which, smaller of the two, least, smallest of which, smallest of these, smallest of them, minimum",
    ),
    // What was measured.
    (
        &[Meaning::Label(Label::Size)],
        "size, sized, diameter, diameters, in size, in diameter, dimensions, dimension, axes, axial dimensions, axial size, axial diameters, cross section, bidimensional, in cross section, axial plane dimensions, axial measurements, size in the axial plane, in axial dimensions, cross sectional size",
    ),
    (
        &[Meaning::Label(Label::Axes)],
        "long and short axis, long and short axes, long × short axis, long x short axis, long by short axis, long × short, long x short, long by short, long and short axis diameters, long and short diameters, long axis by short axis, long axis × short axis, long axis x short axis, long and short axis measurements, long axis and short axis, long short axis, long and short diameter, axes",
    ),
    (
        &[Meaning::Label(Label::Long)],
        "long axis, long axis diameter, longest axis, major axis, long diameter, longest axial diameter, long axial diameter, longest in plane diameter, maximum axial diameter, maximal axial diameter, greatest axial diameter, longest axial dimension, largest axial diameter, long axes, long axis length, long axis measurement, long axis dimension, major diameter, length of the long axis, longest axis diameter, maximum long axis, in long axis, in its long axis, largest long axis, long dimension, long axis diameters, long axis size",
    ),
    (
        &[Meaning::Label(Label::Short)],
        "short axis, short axis diameter, shortest axis, minor axis, short diameter, perpendicular diameter, perpendicular short axis, short axial diameter, orthogonal diameter, short axes, perpendicular, perpendicular axis, short axis length, short axis measurement, short axis dimension, minor diameter, in short axis, in its short axis, orthogonal short axis, perpendicular to it, short dimension, short axis diameters",
    ),
    (
        &[Meaning::Label(Label::Longest)],
        "maximum diameter, maximal diameter, greatest diameter, longest diameter, largest diameter, greatest dimension, maximum dimension, largest dimension, longest dimension, maximal dimension, in greatest dimension, in maximum diameter, in maximal diameter, max diameter, in longest dimension, greatest extent",
    ),
    (
        &[Meaning::Label(Label::Longest3d)],
        "3d diameter, maximum 3d diameter, three dimensional diameter, longest 3d diameter, maximal 3d diameter, largest 3d diameter, 3d maximum diameter, maximum three dimensional diameter, largest three dimensional diameter, longest three dimensional diameter, in 3d, 3d longest diameter, in any direction, longest diameter in any direction",
    ),
    (
        &[Meaning::Label(Label::SolidPart)],
        "solid component, solid part, solid portion, its solid part, the solid part, its solid component, solid core, long axis of the solid part, size of the solid part",
    ),
    (
        &[Meaning::Label(Label::MeanDiameter)],
        "mean diameter, average diameter, mean of long and short axis, average of long and short axis, mean axial diameter, mean of the long and short axes, mean of long and short axes, average of the long and short axes",
    ),
    (
        &[Meaning::Label(Label::Volume)],
        "volume, volumes, volumetric size, volumetrically, in volume, segmented volume, volume measurement, by volume, lesion volume, nodule volume, measured volume",
    ),
    (
        &[Meaning::Label(Label::Attenuation)],
        "attenuation, mean attenuation, average attenuation, density, mean density, average density, mean hu, mean ct number, ct number, ct value, mean ct value, mean ct density, ct density, ct attenuation, mean ct attenuation, attenuates, average hu, average ct number, average ct value, attenuation value, mean attenuation value, hounsfield value, mean hounsfield value, mean value, hu value, mean hu value, mean ct numbers, averaging, attenuating, mean",
    ),
    (&[Meaning::Label(Label::AttenuationSd)], "standard deviation, sd, attenuation sd"),
    (
        &[Meaning::Label(Label::AttenuationRange)],
        "attenuation range, density range, attenuation ranges, attenuation ranging",
    ),
    (
        &[Meaning::Label(Label::AttenuationMin)],
        "minimum attenuation, lowest attenuation, minimal attenuation, minimum density, lowest density",
    ),
    (
        &[Meaning::Label(Label::AttenuationMax)],
        "maximum attenuation, highest attenuation, maximal attenuation, maximum density, highest density",
    ),
    (
        &[Meaning::Label(Label::Score)],
        "score, scores, detection score, confidence, detection confidence, network score, model score, detector score, model confidence, confidence score, scored, detection scores, scoring, network confidence, algorithm score, model detection score, scoring by the network, software score, ai score",
    ),
    (
        &[Meaning::Label(Label::Slice)],
        "slice, slices, image, images, slice number, image number, slice no., im, img, level, section, sections, slice position, axial slice, axial image, key slice, axial slices, slice index, axial section, at slice, on slice, cut",
    ),
    (&[Meaning::Label(Label::Series)], "series, se, series number, ser, sequence number, acquisition number"),
    (
        &[Meaning::Label(Label::Total)],
        "total, in total, in all, altogether, a total of, totalling, totaling, number of, overall, numbering, out of, comprising, comprises, consisting of, consists of, contains, containing, made up of, composed of",
    ),
    (
        &[Meaning::Label(Label::Gap)],
        "apart, slice spacing, slice interval, interslice distance, inter slice distance, inter slice spacing, interslice spacing, slice distance, slice gap, spacing between slices, distance between slices, reconstruction interval, slice increment, slice to slice distance, slice separation, spaced, at intervals of, between neighbouring slices, between slices, gap, apart from each other, between adjacent slices, separated by, between neighboring slices, slice to slice spacing, spacing",
    ),
    (
        &[Meaning::Label(Label::Pixel)],
        "pixel spacing, pixel size, in plane pixel spacing, in plane spacing, in plane resolution, pixels of, pixel, pixels, in plane pixel size, pixel dimensions, in plane voxel size, with pixels of",
    ),
    (
        &[Meaning::Label(Label::OrganVolume)],
        "within the images, within the image, imaged volume, volume within the images, volume in the images, visible volume, organ volume, liver volume, lung volume, in the images, imaged organ volume, volume within the image, imaged portion, visible within the images, is imaged, are imaged, of it is imaged, of which is imaged, of lung, of liver, of liver imaged, imaged liver volume, imaged lung volume, covered by the images, within the scan range, in the scanned range, included in the images, within the field of view, combined volume, of the organ",
    ),
    (
        &[Meaning::Label(Label::DoublingTime)],
        "doubling time, volume doubling time, vdt, doubling in, doubles in, doubling times, volume doubles in, volume doubling",
    ),
    (
        &[Meaning::Label(Label::Uncertainty)],
        "uncertainty, measurement uncertainty, measurement error, error, margin of error, volume uncertainty, measurement variability, variability, measurement repeatability, repeatability",
    ),
    (
        &[Meaning::Label(Label::Unmeasured)],
        "transverse diameter, anteroposterior diameter, craniocaudal diameter, transverse, anteroposterior, ap diameter, craniocaudal, cranio caudal, height, width, depth, circumference, area, slice thickness, thickness, thick, wall thickness, weight, length, radius, distance, distance to, ap, cc diameter, sagittal diameter, coronal diameter, perimeter",
    ),
    (
        &[Meaning::Label(Label::Reference)],
        "no., number, numbered, labelled, labeled, designated, id, finding number, lesion number, nodule number, finding no., lesion no., nodule no., numbers",
    ),
    (&[Meaning::Unit(Unit::Millimetre)], "millimetre, millimeter, millimetres, millimeters"),
    (&[Meaning::Unit(Unit::Centimetre)], "centimetre, centimeter, centimetres, centimeters"),
    (
        &[Meaning::Unit(Unit::CubicMillimetre)],
        "cubic millimetre, cubic millimetres, cubic millimeter, cubic millimeters, cubic mm, cu mm, microlitre, microlitres, microliter, microliters, mm cubed",
    ),
    (
        &[Meaning::Unit(Unit::Millilitre)],
        "millilitre, millilitres, milliliter, milliliters, cubic centimetre, cubic centimetres, cubic centimeter, cubic centimeters, cubic cm, cu cm, cm cubed, mls",
    ),
    (&[Meaning::Unit(Unit::Hounsfield)], "hounsfield units, hounsfield unit, hounsfield, hus"),
    (&[Meaning::Unit(Unit::Percent)], "percent, per cent, pct"),
    (&[Meaning::Unit(Unit::Day)], "day, days, days'"),
    (&[Meaning::Unit(Unit::Week)], "week, weeks, wk, wks"),
    (&[Meaning::Unit(Unit::Month)], "month, months, mo, mos, monthly"),
    (&[Meaning::Unit(Unit::Year)], "year, years, yr, yrs, yearly"),
    (
        &[Meaning::Unit(Unit::Other)],
        "metre, meter, metres, meters, micrometre, micrometer, micron, microns, nanometre, litre, litres, liter, liters, kilogram, gram, grams, ounce, feet, foot, fold, hour, hours, minute, minutes, square millimetres, square centimetres, square mm, square cm, decimetre, dm, bpm",
    ),
    (&[Meaning::Of], "of"),
    (&[Meaning::Between], "between"),
    (&[By], "by, times, ×, *, multiplied by"),
    (&[To], "to, through, up to and including, until, and up, -"),
    (&[And], "and, as well as, plus, together with, along with, and also, &, with, or"),
    (
        &[But],
        "while, whereas, but, of which, of these, whilst, however, among them, including, which, namely, one of which, two of which, although, though, of them, where, these, those",
    ),
    (
        &[About],
        "about, approximately, around, circa, ca., ca, approx., approx, roughly, some, or so, estimated, estimated at, ~",
    ),
    (
        &[Below],
        "less than, below, under, smaller than, at most, no more than, not more than, nearly, almost, close to, not exceeding, shorter than, just under, not larger than, no larger than, fewer than, less",
    ),
    (
        &[Above],
        "more than, greater than, above, over, larger than, at least, no less than, not less than, exceeding, exceeds, upwards of, longer than, just over, in excess of, bigger than, exceed, not smaller than, or more, or larger",
    ),
    // Against an earlier examination.
    (
        &[Trend(Fate::New)],
        "new, newly detected, newly appeared, newly seen, newly developed, newly, interval development, interval development of, interval appearance, interval appearance of, not seen before, not seen previously, not present before, not present previously, previously not seen, previously not present, new since, new since the prior, has appeared, have appeared, not present on the prior, not seen on the prior, was not present, was not seen, not previously seen, not previously present, not visible on the prior, absent on the prior, appeared since, new compared with the prior, newly apparent, newly identified, were not present, were not seen, has developed, de novo, not present on the prior examination, not present in the prior examination, not seen on the prior examination, not seen in the prior examination, absent before",
    ),
    (
        &[Trend(Fate::Grown)],
        "grown, has grown, have grown, grew, enlarged, has enlarged, have enlarged, larger, larger than before, bigger, growth, interval growth, increase, increased, has increased, have increased, increase in size, increased in size, has increased in size, interval increase, interval enlargement, enlargement, enlarging, growing, progressed, progression, increases, increasing, larger than previously, bigger than before, larger than on the prior, up from, larger now, has become larger, gain, rise, rose, risen, gained, progressing, expanded, has progressed, larger compared with the prior, enlarged since, interval progression, size increase, larger in size, expansion, bigger than previously, doubled, tripled, has expanded, has gotten larger, enlarges, has gained, interval increase in size",
    ),
    (
        &[Trend(Fate::Shrunk)],
        "shrunk, has shrunk, have shrunk, shrank, smaller, smaller than before, decrease, decreased, has decreased, have decreased, decrease in size, decreased in size, has decreased in size, interval decrease, regression, regressed, reduced, reduction, shrinkage, shrinking, decreasing, diminished, smaller than previously, down from, smaller now, has become smaller, decreases, smaller compared with the prior, interval regression, interval reduction, has regressed, smaller than on the prior, fell, fallen, reduced in size, size decrease, size reduction, smaller in size, has diminished, has reduced, interval shrinkage, loss, dropped, drop, lessened, halved, interval decrease in size, has gotten smaller",
    ),
    (
        &[Trend(Fate::Unchanged)],
        "unchanged, stable, no change, without change, no significant change, not changed, has not changed, have not changed, no interval change, no relevant change, similar, constant, same size, the same size, same, no growth, no interval growth, without growth, without interval growth, has not grown, have not grown, not grown, no measurable change, without interval change, without significant change, no significant interval change, remains stable, remain stable, essentially unchanged, not significantly changed, no substantial change, has remained stable, has remained unchanged, remains unchanged, stable in size, unchanged in size, stability, no appreciable change, no change in size, similar in size, no significant growth, no change beyond measurement error, no change beyond measurement uncertainty, no measurable growth, not enlarged, without measurable change, unaltered, steady, did not change, no interval enlargement, static, has not increased, has not enlarged, has not changed significantly, no significant change in size, within measurement error, within measurement uncertainty, within the measurement error, within the measurement uncertainty, within measurement variability, interval stability, shows no change, no difference, not measurably changed, of unchanged size, of stable size, no interval change in size, comparable, not increased, equal, no notable change, no definite change, neither grown nor shrunk",
    ),
    (
        &[Trend(Fate::Resolved)],
        "resolved, has resolved, have resolved, disappeared, has disappeared, have disappeared, no longer seen, no longer visible, no longer present, no longer there, no longer detected, not seen any more, not seen anymore, vanished, has vanished, no longer identified, complete resolution, resolution, interval resolution, no longer detectable, has cleared, gone, is gone, no longer demonstrated, no longer apparent, no longer found, not detected any more, cleared, not visible any more, is not seen any more, not redetected, not identified any more, absent now, no longer identifiable",
    ),
    (
        &[Trend(Fate::NotCompared)],
        "could not be compared with the prior examination, could not be compared with the prior, could not be compared with the prior study, could not be compared, was not compared, not compared, cannot be compared, could not be compared with the previous examination, could not be matched, not comparable",
    ),
    (
        &[Trend(Fate::Known)],
        "known, previously seen, previously noted, persistent, persists, already present, pre existing, preexisting, previously described, previously known, persisting, still present, still seen, previously identified, previously detected, re demonstrated, redemonstrated, again seen, again noted, previously reported, already seen, also present before, also seen before, previously present, still visible",
    ),
    (
        &[Prior],
        "prior, previous, previously, before, earlier, compared, compared with, compared to, in comparison, in comparison with, in comparison to, comparison, relative to, since, since the prior, interval, interim, than before, than previously, formerly, versus, vs, vs., ago, last, former, baseline, since then, prior study, prior examination, prior ct, prior scan, previous examination, previous study, previous ct, previous scan, comparison study, comparison examination, at that time, previously measured, had been, earlier examination, earlier study, the prior, elapsed, against, then, than on, than at, follow up interval,",
    ),
    (
        &[Meaning::Now],
        "current, currently, now, present study, present examination, current study, current examination, current scan, at present, on the current examination, on the present examination, this time, is now, now measures, now measuring, at this examination",
    ),
    (
        &[ChangedBy],
        "change, changed, changes, difference, change of, changed by, growth rate, grew by, grown by, increased by, decreased by, an increase of, a decrease of, shrunk by, enlarged by, change in volume, volume change, change in diameter, change in mean diameter, mean diameter change, net change, change in size, percentage change, relative change",
    ),
    // Whether something is there.
    (
        &[Seen],
        "seen, is seen, are seen, noted, is noted, are noted, found, was found, were found, identified, detected, present, visible, visualised, visualized, demonstrated, demonstrates, demonstrate, shows, show, showing, reveals, reveal, revealed, observed, recognised, recognized, there is, there are, there's, exists, exist, evident, shown, encountered, contains a, contain, harbours, harbors, harbouring, harboring, has, have, appears, appear, was detected, were detected, was identified, were identified, was seen, were seen, was noted, were noted, was observed, were observed, is present, are present, is identified, are identified, is detected, are detected, is visible, are visible, is found, are found, picked up, discovered, detects, displays, bears, bearing, depicted, depicts, documented, was visible, were visible, has been detected, have been detected, has been identified, was present, were present, has been found, was recorded, recorded, were recorded, is shown, are shown, registered, yielded, yields, yield, exhibits, picks up, flagged, returned, localized, localised, reported, was recognised, was recognized, were recognised, were recognized, could be seen, can be seen, is demonstrated, is observed, are demonstrated, are observed",
    ),
    (
        &[Lies],
        "is, are, located, located in, lies, lie, lying, situated, sits, position, located within, being, resides, residing, location, site, situated in, found in, is located, are located, is in, are in, is located in, occupies, occupying, arises, arising, positioned, confined to, within the, distributed, best seen, best seen on, best visualised, best visualized, best depicted, best appreciated, best appreciated on, best shown, best shown on, best demonstrated, best demonstrated on, best identified on, localised to, localized to, is situated, seated",
    ),
    (
        &[Not],
        "no, not, without, none, absent, absence, absence of, negative, negative for, free of, free from, neither, nor, never, cannot, no evidence of, no evidence, no sign of, no signs of, nothing, lack of, lacks, lacking, no definite, no discrete, no suspicious, failed to, nil, devoid of, isn't, aren't, wasn't, doesn't, don't, did not, does not, do not, was not, were not, is not, are not, is no, are no, not any, no such, zero, has no, have no, is free of, are free of, no trace of, no obvious, without evidence of, there is no, there are no, nowhere, is absent, are absent, shows no, show no, showed no, no focal, could not, has not, have not, had not, was no, were no, there was no, there were no, unaffected by, reveals no, reveal no, demonstrates no, demonstrate no, not a",
    ),
    (
        &[NotAssessed],
        "not assessed, not evaluated, not examined, unassessed, could not be assessed, cannot be assessed, not analysed, not analyzed, was not assessed, were not assessed, is not assessed, not found in the images, not identified in the images, was not evaluated, were not evaluated, outside the field of view, not included, not in the field of view, not imaged, not within the images, outside the images, not covered, not recognised in the images, not recognized in the images, not visible in the images, not present in the images, no assessment, not seen in the images, could not be evaluated, cannot be evaluated, outside the scan range, were not included, was not included, not included in the images, no assessment was made, not covered by the images, not detected in the images, not assessable, was not found in the images, were not found in the images, could not be found in the images, was not identified in the images, were not identified in the images, could not be identified in the images, not shown in the images, not located in the images, and not assessed, could not be identified, no assessment could be made, therefore not assessed, and was not assessed, and were not assessed, not part of the images, not contained in the images, are not assessed, not imaged here, cannot be commented on, has not been assessed, have not been assessed, was not identified, were not identified",
    ),
    (
        &[Normal],
        "normal, unremarkable, clear, intact, within normal limits, no abnormality, no abnormalities, normal in appearance, healthy, patent, preserved, physiological, no acute abnormality, no acute findings, no acute finding, no significant abnormality, no pathology, negative examination, disease free, normal size, normal in size",
    ),
    (
        &[Certainty],
        "possible, possibly, probable, probably, likely, unlikely, suspected, suspicion, suspicious, suspect, suggests, suggestive, suggestive of, suggesting, consistent with, compatible with, cannot be excluded, cannot exclude, not excluded, may, might, could, would, perhaps, presumably, presumed, definite, definitely, certain, certainly, uncertain, confirmed, confirms, confirm, proven, undoubtedly, unequivocal, unequivocally, clearly, obviously, obvious, equivocal, questionable, indeterminate, concerning, concerning for, worrisome, worrisome for, favour, favor, favours, favoured, favored, diagnostic, diagnostic of, diagnosis, diagnosed, typical, apparently, seemingly, seems, seem, appears to be, most likely, highly, in keeping with, represents, representing, represent, cannot rule out, rule out, differential, diagnosable, doubtful, doubt, without doubt, potential, potentially, should be, must be, tentative, characteristic, characteristic of, pathognomonic, definitive, conclusive, conclusively, vague, cannot be ruled out, ruled out, assumed, verified, query, undeniable",
    ),
    (
        &[Malignancy],
        "benign, malignant, malignancy, cancer, cancerous, carcinoma, adenocarcinoma, metastasis, metastases, metastatic, tumor, tumour, tumors, tumours, neoplasm, neoplastic, granuloma, granulomas, granulomatous, hamartoma, hemangioma, haemangioma, hemangiomas, haemangiomas, cyst, cysts, cystic, inflammatory, inflammation, infection, infectious, tuberculosis, tuberculoma, abscess, adenoma, lymphoma, fnh, focal nodular hyperplasia, hcc, hepatocellular, hepatocellular carcinoma, cholangiocarcinoma, premalignant, precancerous, nonmalignant, non malignant, sarcoma, postinflammatory, scar, scarring, invasive, in situ, primary, secondary, aggressive, low risk, high risk, intermediate risk, risk, dangerous, harmless, innocent, nonaggressive, scarred, intrapulmonary lymph node, biliary hamartoma, pneumonia, oncological",
    ),
    (
        &[Feature],
        "calcified, calcification, calcifications, cavitation, cavitary, cavity, cavitating, spiculated, spiculation, spicules, lobulated, lobulation, margin, margins, smooth, irregular, well defined, ill defined, well circumscribed, circumscribed, round, rounded, oval, ovoid, spherical, hypodense, hyperdense, isodense, low density, high density, hypoattenuating, hyperattenuating, low attenuation, high attenuation, homogeneous, heterogeneous, inhomogeneous, fat, fatty, fat containing, necrosis, necrotic, hemorrhage, haemorrhage, hemorrhagic, enhancing, enhancement, enhances, enhance, nonenhancing, rim enhancement, pleural retraction, pleural tag, pleural tags, air bronchogram, air bronchograms, satellite, halo, capsule, shape, contour, contours, borders, border, sharp, sharply, poorly defined, indistinct, distinct, noncalcified, non calcified, hypervascular, hypovascular, vascularity, bubbly, pseudocavitation, retraction, polygonal, triangular, elongated, edges, edge, water density, fluid, fluid density, soft tissue density, shadowing, signal, hyperintense, hypointense, sclerotic, sharply marginated, wedge shaped, discrete, morphology",
    ),
    (
        &[Disease],
        "effusion, effusions, pleural effusion, pleural effusions, pneumothorax, emphysema, bulla, bullae, atelectasis, consolidation, consolidations, infiltrate, infiltrates, interstitial lung disease, fibrosis, fibrotic, bronchiectasis, oedema, edema, pulmonary embolism, pulmonary embolus, embolism, pleural thickening, lymphadenopathy, adenopathy, enlarged lymph nodes, enlarged lymph node, cardiomegaly, pericardial effusion, fracture, fractures, bone destruction, steatosis, fatty liver, hepatic steatosis, cirrhosis, gallstone, gallstones, stone, stones, cholelithiasis, ascites, kidney stone, renal cyst, splenomegaly, hepatomegaly, obstruction, dilatation, dilation, aneurysm, dissection, thrombus, thrombosis, coronary calcification, reticulation, honeycombing, tree in bud, degenerative changes, degenerative, infarct, infarction, pancreatitis, cholecystitis, appendicitis, mass effect, portal hypertension, varices, biliary dilatation, disease, pathology, hernia, hydronephrosis, diverticulosis, air trapping, mosaic attenuation, lymphangitis, pneumonitis, collapse, syndrome, airspace disease, air space opacity, hematoma, haematoma",
    ),
    // What to do.
    (
        &[Advice],
        "recommend, recommended, recommends, recommendation, recommendations, suggested, suggest, advise, advised, advisable, follow up, followup, repeat, repeated, surveillance, biopsy, tissue sampling, resection, surgery, surgical, treatment, therapy, antibiotics, chemotherapy, radiotherapy, ablation, referral, refer, referred, consultation, consult, multidisciplinary, mdt, monitor, monitoring, observation, reassess, reassessment, re evaluation, reevaluation, further evaluation, further workup, workup, further imaging, additional imaging, should, needs, need, needed, required, requires, require, warranted, warrants, consider, considered, low dose ct, ldct, low dose, thin section, thin section ct, ct in, pet ct, annual, annually, screening, urgent, urgently, immediate, immediately, prompt, promptly, as soon as possible, correlate, correlation, correlated, clinical, clinically, histology, histological, bronchoscopy, sampling, no further, no follow up, no routine follow up, no further action, discharge, management, manage, rescan, control, check up, re scan, optional, mandatory, indicated, thoracic surgeon, pulmonologist, specialist, oncologist, short term, short interval, is due, reimaging, next, evaluate, admission",
    ),
    (
        &[Meaning::Critical],
        "critical result, critical results, critical finding, critical findings, critical, is to be reported to the referring physician at once, are to be reported to the referring physician at once, is to be reported to the referring physician immediately, are to be reported to the referring physician immediately, to be reported at once, to be reported immediately, to be told at once, must be reported at once, must be reported immediately, must be told at once, is to be reported at once, is to be told at once, are to be reported at once, critical value, notify the referring physician at once, notify the referring physician immediately, requires immediate notification, immediate notification, immediate communication",
    ),
    (
        &[Category],
        "lung rads, lungrads, c lung rads, clung rads, li rads, lirads, bi rads, birads, tnm, stage, category, grade, recist, pi rads, ti rads, fleischner, staging, classified",
    ),
    (
        &[Modality(Technique::Ct)],
        "ct, computed tomography, ct scan, chest ct, ct examination, ct of the chest, ct chest, ct study, tomography, hrct, ct series, ct images, thoracic ct, ct acquisition, ct dataset, abdominal ct, liver ct",
    ),
    (
        &[Modality(Technique::Mr)],
        "mr, mri, magnetic resonance, magnetic resonance imaging, t1 weighted, t2 weighted, dwi, diffusion, t1, t2, mr series, mri scan, mr images, mr imaging",
    ),
    (
        &[Modality(Technique::Pet)],
        "pet, positron emission tomography, fdg, suv, suvmax, uptake, metabolic, fdg avid, pet/ct",
    ),
    (
        &[Modality(Technique::Other)],
        "ultrasound, ultrasonography, sonography, sonographic, x ray, radiograph, radiography, chest radiograph, chest x ray, plain film, cxr, mammography, angiography, fluoroscopy, scintigraphy, spect, endoscopy, cta, dual energy, us, bone scan, cone beam, dsa, cbct, echography",
    ),
    (
        &[Contrast(false)],
        "unenhanced, non contrast, noncontrast, without contrast, without intravenous contrast, non enhanced, nonenhanced, no contrast, without iv contrast, plain ct, no intravenous contrast, native, no iv contrast, nonenhanced ct, without contrast medium, without contrast agent, non contrast enhanced",
    ),
    (
        &[Contrast(true)],
        "contrast, contrast enhanced, enhanced, with contrast, intravenous contrast, iv contrast, arterial phase, portal venous phase, venous phase, delayed phase, postcontrast, post contrast, with intravenous contrast, contrast medium, contrast agent, contrast administration, after contrast, portal phase, with iv contrast, contrast material, following contrast",
    ),
    (&[OfSex(Sex::Male)], "male, man, men, gentleman, boy, he, his, him"),
    (&[OfSex(Sex::Female)], "female, woman, women, lady, girl, she, her, mrs, ms, mrs., ms., miss"),
    (
        &[SexOrgan(Sex::Male)],
        "prostate, prostatic, seminal vesicle, seminal vesicles, testis, testes, testicle, testicles, testicular, penis, scrotum, scrotal, epididymis",
    ),
    (
        &[SexOrgan(Sex::Female)],
        "uterus, uterine, ovary, ovaries, ovarian, cervix, cervical canal, fallopian tube, vagina, vaginal, adnexa, adnexal, endometrium, endometrial, fibroid, fibroids, pregnant, pregnancy, postmenopausal",
    ),
    (
        &[Age],
        "year old, years old, years of age, aged, age, elderly, yo, y/o, y.o., adult, child, infant, teenager, adolescent, paediatric, pediatric, middle aged, young",
    ),
    (
        &[Date],
        "january, february, march, april, june, july, august, september, october, november, december, jan, feb, mar, apr, jun, jul, aug, sep, sept, oct, nov, dec, yesterday, today, tomorrow, last week, last month, last year, last year's, date, dated, monday, tuesday, wednesday, thursday, friday, saturday, sunday, a.m., p.m., o'clock, am, pm, this week, this month, this year, years ago, months ago, weeks ago",
    ),
    (
        &[Identifier],
        "patient, patient's, patients, name, patient name, mrn, medical record number, accession, accession number, accession no., patient id, dob, born, date of birth, dr, dr., doctor, physician, signed, signed by, radiologist, hospital, ward, phone, address, uid, identifier, surname, mister, referring, referring physician, subject, reported by, read by, ssn, insurance, professor, prof., md, nurse, email, room",
    ),
    (
        &[Think],
        "okay, ok, let me, let's, let us, wait, hmm, i need, i will, i'll, i should, i must, i think, i have, i'm, i am, we need, we have, we, the user, user, user wants, thinking, thought, reasoning, first i, now i, so i, alright, sure, my, let, i, me, so the, double check, step by step, think",
    ),
    (
        &[Instruction],
        "as an ai, language model, ai, assistant, system, prompt, instruction, instructions, json, schema, output, input, return only, respond, response, reply, here is the report, here is, here are, below is, the following, following, according to the instructions, as requested, as instructed, you are, you are a, you, your, please, sentence, sentences, evidence id, evidence ids, field, fields, format, template, rule, rules, must, must not, never, forbidden, invent, do not invent, do not add, do not, don't, use only, only use, given findings, provided findings, given data, provided data, provided information, note that, translate, translation, example, for example, sample, write, written, rewrite, rewritten, generate, generated, thank you, thanks, sorry, hope this helps, help, feel free, i hope, markdown, text, based on the provided, based on the given, list of findings, string, array, object, null, true, false, chatgpt, deepseek, gpt, draft, corrected, revised, ignore, ignore previous, disregard, words, word, english, chinese, language, each sentence, exactly, verbatim",
    ),
    // Words that say nothing that could be wrong.
    (
        &[Fill],
        "the, a, an, in, on, at, for, from, into, its, it, this, that, they, them, their, as, per, within, inside, throughout, be, been, s, an axial, \
         measures, measuring, measured, measurement, measurements, measure, is measured, was measured, are measured, given, giving, extending, spans, spanning, reaching, amounts, amounting, amount, equals, equalling, corresponding, corresponds, correspond, calculated, computed, \
         axial, axis, plane, in plane, axial plane, cross sectional, long, short, dimensional, imaging, study, examination, exam, scan, scanned, imaged, acquired, acquisition, dataset, reconstruction, reconstructed, shown in, depicted on, \
         side, sides, sided, type, kind, appearance, appearing, showing a, character, density type, texture, attenuation type, nature, composition, consistency, component, parenchyma, parenchymal, substance, aspect, region, area of, portion, part, parts, place, position by, \
         range, ranges, ranging, was, were, value, values, unit, units, with a, with an, having, has a, have a, having a, whose, via, using, using the, by the, \
         software, algorithm, network, model, automated, automatic, automatically, detector, tool, analysis, analysed, analyzed, assessed, examined, evaluated, looked for, searched, searched for, review, reviewed, assessment, evaluation, search, processed, read, \
         respect, respective, regard, regarding, concerning the, both of, thus, hence, therefore, here, there, only, alone, single slice, individual, individually, separate, separately, same slice, such, so, if, any, either of, well, still, again, just, simply, then the, than, most, very, slightly, mildly, moderately, markedly, minimally, significantly, marginally, considerably, substantially, noticeably, measurably, mild, slight, marked, moderate, significant, substantial, measurable, relevant, considerable, pair, group, set, list, listed, described, mentioned, named, named above, above mentioned, aforementioned, as above, as follows, as listed, below listed, detail, details, detailed, in detail, summary, in summary, summarised, summarized, conclusion, in conclusion, impression, report, overview, result, results, observations, observation of, remarks, note, \
         focal, localised, localized, circum, organ, organs, structure, structures, tissue, tissues, presence, presence of, existence, occurrence, count, counted, counts, numbered otherwise, by position, rate, rated, assigned, received, receives, gets, carries, carrying, carry, attains, obtained, obtains, got, provides, gives, bore, bears a, achieving, achieves, yielding, awarded, reaches, \
         largest slice, its largest slice, on its largest slice, at its largest, on the largest slice, on its largest axial slice, largest axial slice, slice of its largest extent, in its largest slice, the slice where it is largest, largest cross section, \
         uncalibrated, because, performed, detectable, evidence of, evidence, express, do not express a probability of disease, does not express a probability of disease, do not express a probability, not calibrated, are not calibrated, is not calibrated, no probability of disease, are no probability of disease, not a probability, not a probability of disease, probability, probability of disease, raw, own, network's, network's own, \
         first, total number, number of slices, many slices, that the software found none does not exclude one, the software found none, does not exclude one, absence of detection does not exclude, non detection does not exclude one, does not exclude its presence, a negative result does not exclude one, does not exclude a lesion, this does not exclude one, which does not exclude one, this does not rule one out, a negative result does not exclude a lesion, failure to detect does not exclude one, non detection does not rule out disease, absence of detection does not exclude a lesion, a negative result does not exclude disease, \
         slices are counted by position, may be numbered otherwise by the scanner, and may be numbered otherwise by the scanner, note on the input, among the warnings of the report, note is, notes are, notes, warnings, warning, more note is, more notes are, thereof, hereby, namely the, i.e., e.g., viz., via the, when, during, over the, over a, over an, over, after, follow, time, period, course, overall size, size wise, out, off, seen at, seen on, seen in, seen within, noted in, noted within, upon, onto, along, it is, it has, made, once, both lesions, come, comes, coming, do, does, did, can, will, remains, remain, remained, being the, become, becomes, became, nearest, neighbouring, neighboring, adjacent, involving, involves, involve, affects, affecting, affect, includes, include, included, accounts, accounting, accompanied, pictured, indicating, indicates, indicate, denotes, exact, exactly the, precise, precisely, actual, true size, respectively the, voxels, voxel, pixel data, thin, whole, entire, full, fully, total of the, mm-sized, form, forms, shaped, case",
    ),
];
