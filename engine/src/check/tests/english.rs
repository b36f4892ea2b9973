use super::*;

const EN: Language = Language::English;

#[test]
fn faithful_sentences_pass() {
    right(
        EN,
        &evidence(),
        &[
            (&[], "CT series of 300 slices, 1.25 mm apart, pixel spacing 0.70 × 0.70 mm."),
            (
                &[1],
                "Finding 1: Solid nodule, right lung, 12.3 × 9.8 mm (long × short axis on its largest slice), volume 712 mm³, mean attenuation 32 HU; slice 142 of 300; detection score 0.91.",
            ),
            (
                &[1],
                "A 12.3 x 9.8 mm solid nodule is seen in the right lung (slice 142), with a volume of 712 mm3 and a mean attenuation of 32 HU.",
            ),
            (&[1], "Solid right lung nodule measuring 1.2 cm in long axis and 1.0 cm in short axis."),
            (&[2], "There is a ground-glass nodule in the left lung, approximately 8.4 mm in diameter."),
            (
                &[2],
                "The left lung contains a pure ground-glass nodule measuring 8.4 mm by 6.1 mm on slice 88.",
            ),
            (
                &[1, 2],
                "A solid nodule in the right lung measures 12.3 mm and a ground-glass nodule in the left lung measures 8.4 mm.",
            ),
            (&[1, 2, 3], "Lungs: 3 nodules (2 right, 1 left)."),
            (
                &[1, 2, 3],
                "3 lung nodules (2 right, 1 left), long axis 5.1 to 12.3 mm; the largest is finding 1 in the right lung, 12.3 × 9.8 mm.",
            ),
            (&[1, 2, 3], "Three nodules are present, two in the right lung and one in the left lung."),
            (&[1, 3], "Findings 1 and 3 are solid nodules in the right lung."),
            (&[1, 3], "Two solid nodules in the right lung measure 12.3 mm and 5.1 mm, respectively."),
            (&[4], "Liver (1523 ml within the images): 1 focal lesion."),
            (&[4], "Focal lesion, liver, 21.6 × 17.4 mm (finding 4)."),
            (&[4], "A focal hepatic lesion measures 2.2 cm in long axis; its volume is 3.5 ml."),
            (&[], "No other focal liver lesion was detected."),
            (&[1], "The largest nodule lies in the right lung and measures 12.3 mm."),
            (&[3], "A further small solid nodule in the right lung measures 5.1 mm."),
            (&[], "Note on the input: 2 slices were missing and were interpolated"),
        ],
    );
}

#[test]
fn faithful_comparisons_pass() {
    right(
        EN,
        &followed(),
        &[
            (&[], "Compared with the examination 92 days earlier."),
            (
                &[1],
                "Finding 1 is larger than before: long axis 12.3 mm (previously 10.2 mm), volume +56 % in 92 days, volume doubling time 143 days.",
            ),
            (&[1], "The solid nodule in the right lung has grown from 10.2 mm to 12.3 mm in long axis."),
            (
                &[1],
                "Interval growth of the right lung nodule, now 12.3 mm, previously 10.2 mm; volume increased by 56%.",
            ),
            (&[2], "Finding 2 is new: it was not detected in the prior examination."),
            (&[2], "New ground-glass nodule in the left lung, 8.4 mm."),
            (&[3], "The small solid nodule in the right lung is unchanged."),
            (
                &[1, 2, 3],
                "Lung nodules compared with the prior examination: 1 new (finding 2), 1 larger (finding 1), 1 unchanged, 1 no longer detected.",
            ),
            (&[], "A nodule of the left lung in the prior examination (6.2 × 5.1 mm) is no longer detected."),
        ],
    );
}

#[test]
fn every_kind_of_error_is_found_and_named() {
    use Class::*;
    wrong(
        EN,
        &evidence(),
        &[
            (Number, &[1], "Solid nodule in the right lung, 15.7 mm."),
            (Decimal, &[1], "Solid nodule in the right lung, long axis 1.23 mm."),
            (Rounding, &[1], "Solid nodule in the right lung, long axis 12.4 mm."),
            (Unit, &[1], "Solid nodule in the right lung, 12.3 cm."),
            (Unit, &[1], "Solid nodule in the right lung, volume 712 ml."),
            (Range, &[1, 2, 3], "3 lung nodules, long axis 4.1 to 12.3 mm."),
            (Axis, &[1], "Solid nodule in the right lung, short axis 12.3 mm."),
            (Hedge, &[1], "Solid nodule in the right lung of more than 12.3 mm."),
            (SpelledNumber, &[1], "Solid nodule in the right lung of twelve mm."),
            (Side, &[1], "Solid nodule in the left lung, 12.3 mm."),
            (Lobe, &[1], "Solid nodule in the right upper lobe, 12.3 mm."),
            (Segment, &[1], "Solid nodule in the apical segment of the right lung, 12.3 mm."),
            (Organ, &[1], "Solid nodule in the liver, 12.3 mm."),
            (LesionKind, &[1], "Solid mass in the right lung, 12.3 mm."),
            (Density, &[1], "Ground-glass nodule in the right lung, 12.3 mm."),
            (Feature, &[1], "Spiculated solid nodule in the right lung, 12.3 mm."),
            (Count, &[1, 2, 3], "Lungs: 4 nodules."),
            (Invented, &[], "Bilateral pleural effusions are seen."),
            (DeniedFinding, &[], "No nodule in the right lung."),
            (Certainty, &[1], "Possible solid nodule in the right lung, 12.3 mm."),
            (Malignancy, &[1], "Malignant solid nodule in the right lung, 12.3 mm."),
            (NoPrior, &[1], "The solid nodule in the right lung has grown to 12.3 mm."),
            (Date, &[1], "On 2024-03-05 a solid nodule in the right lung measured 12.3 mm."),
            (
                Recommendation,
                &[1],
                "Solid nodule in the right lung, 12.3 mm; follow-up CT in 3 months is recommended.",
            ),
            (Sex, &[1], "Female; solid nodule in the right lung, 12.3 mm."),
            (Age, &[1], "85-year-old with a solid nodule in the right lung, 12.3 mm."),
            (Modality, &[1], "MRI shows a solid nodule in the right lung, 12.3 mm."),
            (Contrast, &[1], "Contrast-enhanced CT shows a solid nodule in the right lung, 12.3 mm."),
            (Language, &[1], "Solid 结节 in the right lung, 12.3 mm."),
            (Markup, &[1], "**Solid nodule** in the right lung, 12.3 mm."),
            (ThinkTag, &[1], "</think> Solid nodule in the right lung, 12.3 mm."),
            (Identifier, &[1], "Mr Smith, MRN 1234567: solid nodule in the right lung, 12.3 mm."),
            (Instruction, &[1], "Here is the report you requested: solid nodule in the right lung, 12.3 mm."),
            (Homoglyph, &[1], "Solid nodule in the right lung, 12.3 m\u{043c}."),
            (Homoglyph, &[1], "Solid nodule in the right lung, l2.3 mm."),
            (Merged, &[1, 2], "Nodule of 12.3 mm in the right lung."),
            (Slice, &[1], "Solid nodule in the right lung on slice 143."),
            (Series, &[1], "Solid nodule in the right lung, series 3, slice 142."),
            (Superlative, &[2], "The largest nodule is in the left lung, 8.4 mm."),
            (Evidence, &[1], "Finding 2: solid nodule in the right lung, 12.3 mm."),
            (UnknownWords, &[1], "Solid nodule in the right lung, 12.3 mm, like a gourd."),
        ],
    );
    wrong(
        EN,
        &followed(),
        &[
            (Trend, &[1], "The solid nodule in the right lung is unchanged."),
            (Trend, &[3], "The small solid nodule in the right lung is new."),
            (Change, &[1], "The solid nodule in the right lung has grown, volume +65 %."),
        ],
    );
}
