//! One sentence held against the evidence: its characters, its words, its claims.

use super::claims::{self, Aside};
use super::hold::{self, Ground, Held, Wrong};
use super::lexicon::{Lexicon, Meaning, Technique, Unit};
use super::text::Text;
use super::tokens::{self, Kind, Token};
use super::{Class, Mode, Section};
use crate::evidence::{Evidence, Lesion};
use crate::guideline::Sex;
use crate::narrative::{Language, Sentence};

/// What all sentences of a report are held against.
pub(super) struct Examination<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) language: Language,
    pub(super) mode: Mode,
    /// See [`Ground::gone`].
    pub(super) gone: Vec<Lesion>,
    /// The guideline's recommendations without stops and spaces.
    pub(super) advice: Vec<String>,
    /// What it could not judge, in the same way.
    pub(super) refused: Vec<String>,
}

/// What came of one sentence.
pub(super) struct Judged {
    pub(super) held: Held,
    /// The words of each fault, as they stand, and the fault.
    pub(super) faults: Vec<(String, Wrong)>,
    /// The recommendation of the guideline that it is.
    pub(super) advice: Option<usize>,
    /// Whether it recommends anything.
    pub(super) advises: bool,
    /// The whole of it in one spelling.
    pub(super) bare: String,
    /// The findings that it names.
    pub(super) named: Vec<usize>,
}

impl Examination<'_> {
    /// Holds `sentence` of `section` against the evidence.
    pub(super) fn judge(&self, sentence: &Sentence, section: Section) -> Judged {
        let quoted = self.without_quotes(&sentence.text);
        let text = Text::new(&quoted);
        let bare = text.bare();
        let advice = self.advice.iter().position(|advice| *advice == bare);
        let mut judged = Judged {
            held: Held::default(),
            faults: Vec::new(),
            advice,
            advises: advice.is_some(),
            bare,
            named: sentence.evidence.clone(),
        };
        let whole = (0, text.chars.len());
        let words =
            |span: (usize, usize)| quoted.get(text.span(span.0, span.1)).unwrap_or_default().to_owned();
        for (class, bytes) in &text.odd {
            if self.mode == Mode::Closed || *class == Class::Homoglyph {
                let found = quoted.get(bytes.clone()).unwrap_or_default().to_owned();
                judged
                    .faults
                    .push((found, Wrong::new(*class, whole, "plain characters of the report's language")));
            }
        }
        if judged.bare.is_empty() && sentence.text.trim() == quoted.trim() {
            judged.faults.push((String::new(), Wrong::new(Class::Empty, whole, "a sentence with words")));
            return judged;
        }
        if self.mode == Mode::Closed {
            for number in &sentence.evidence {
                if !self.evidence.lesions.iter().any(|lesion| lesion.number == *number) {
                    let expected = format!("there is no finding {number}");
                    judged.faults.push((number.to_string(), Wrong::new(Class::Evidence, whole, expected)));
                }
            }
        }
        if let Some(advice) = advice {
            let rule = &self.evidence.advised.advice[advice].rule;
            if !sentence.rules.is_empty() && !sentence.rules.contains(rule) {
                let expected = format!("this recommendation is that of the rule {rule}");
                judged
                    .faults
                    .push((sentence.rules.join(", "), Wrong::new(Class::Recommendation, whole, expected)));
            }
            return judged;
        }
        if self.refused.contains(&judged.bare) {
            return judged;
        }
        let mut wrong = self.characters(&text);
        let tokens = tokens::tokens(&text, Lexicon::of(self.language));
        let advising = tokens.iter().any(|token| matches!(token.kind, Kind::Word(Meaning::Advice)));
        judged.advises = advising;
        wrong.extend(self.words(&tokens, &text, section, sentence));
        let claims = claims::claims(&tokens, &text.chars);
        let recommends = section == Section::Recommendation || advising && self.mode == Mode::Open;
        if recommends {
            wrong.extend(self.recommendation(&judged.bare, &tokens, section));
        } else {
            wrong.extend(claims.asides.iter().filter_map(|(aside, span)| self.aside(*aside, *span)));
            let named = self.mode == Mode::Closed && !sentence.evidence.is_empty();
            let lesions = self.evidence.lesions.iter();
            let lesions =
                lesions.filter(|lesion| !named || sentence.evidence.contains(&lesion.number)).collect();
            let ground =
                Ground { evidence: self.evidence, mode: self.mode, lesions, named, gone: &self.gone };
            judged.held = hold::hold(&claims, &ground);
            wrong.append(&mut judged.held.wrong);
        }
        for wrong in wrong {
            let found = words(wrong.span);
            if !judged.faults.iter().any(|(known, other)| *known == found && other.class == wrong.class) {
                judged.faults.push((found, wrong));
            }
        }
        judged
    }

    /// The text without warnings, which may be quoted as they stand.
    fn without_quotes(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for quote in &self.evidence.warnings {
            if quote.chars().count() >= 8 && text.contains(quote.as_str()) {
                text = text.replacen(quote.as_str(), " ", 1);
            }
        }
        text
    }

    /// Marks that belong to no sentence, dates, numbers that name somebody.
    fn characters(&self, text: &Text) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let chars = &text.chars;
        let digit = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
        let mut i = 0;
        while i < chars.len() {
            let c = chars[i];
            let starts = |words: &str| words.chars().enumerate().all(|(at, c)| chars.get(i + at) == Some(&c));
            if starts("<think") || starts("</think") || starts("think>") || starts("<|") || starts("|>") {
                wrong.push(Wrong::new(
                    Class::ThinkTag,
                    (i, (i + 8).min(chars.len())),
                    "no thinking, no control tokens",
                ));
                i += 6;
                continue;
            }
            if digit(i) && !(i > 0 && (digit(i - 1) || chars[i - 1].is_ascii_alphabetic())) {
                let end = (i..chars.len())
                    .find(|&at| {
                        !(digit(at) || matches!(chars[at], '-' | '/' | '.' | ':' | '年' | '月' | '日'))
                    })
                    .unwrap_or(chars.len());
                let run: String = chars[i..end].iter().collect();
                if let Some(class) = named_number(&run)
                    && self.mode == Mode::Closed
                {
                    wrong.push(Wrong::new(
                        class,
                        (i, end),
                        "no dates and no numbers that name anybody or anything",
                    ));
                    i = end;
                    continue;
                }
            }
            if self.mode == Mode::Closed {
                let tag = c == '<' && chars.get(i + 1).is_some_and(|c| c.is_ascii_alphabetic() || *c == '/');
                let times = c == '*' && i > 0 && digit(i + 1 + usize::from(chars.get(i + 1) == Some(&' ')));
                let power = c == '^' && chars.get(i + 1) == Some(&'3');
                let bullet = i == 0 && (c == '-' && !digit(1) || c == '·' || c == '+');
                let numbered =
                    i == 0 && digit(0) && matches!(chars.get(1), Some('.' | ')' | '、')) && !digit(2);
                let mark =
                    matches!(c, '#' | '_' | '`' | '|' | '{' | '}' | '[' | ']' | '\\' | '$' | '"' | '@');
                if tag || mark || bullet || numbered || c == '*' && !times || c == '^' && !power {
                    wrong.push(Wrong::new(Class::Markup, (i, i + 1), "plain sentences without markup"));
                }
            }
            i += 1;
        }
        wrong
    }

    /// Words that are wrong by themselves.
    fn words(&self, tokens: &[Token], text: &Text, section: Section, sentence: &Sentence) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let closed = self.mode == Mode::Closed;
        let evidence = self.evidence;
        let advice = section == Section::Recommendation;
        // "Other abnormalities were not assessed."
        let unassessed = tokens.iter().any(|token| matches!(token.kind, Kind::Word(Meaning::NotAssessed)));
        for token in tokens {
            let span = (token.from, token.to);
            let mut fault = |class, expected: &str| wrong.push(Wrong::new(class, span, expected));
            let meaning = match token.kind {
                Kind::Word(meaning) => meaning,
                Kind::Unknown if closed => {
                    let chars = &text.chars[token.from..token.to];
                    fault(self.unknown(chars), "only words that can be checked, in the report's language");
                    continue;
                }
                _ => continue,
            };
            match meaning {
                Meaning::Certainty if closed => {
                    fault(Class::Certainty, "what was found, without a degree of certainty")
                }
                Meaning::Malignancy if closed => fault(Class::Malignancy, "nothing is known of its nature"),
                Meaning::Feature if closed => fault(Class::Feature, "this was not measured"),
                Meaning::Disease if closed && !unassessed => fault(Class::Invented, "nobody looked for it"),
                Meaning::Normal if closed => {
                    fault(Class::NotAssessed, "only what was looked for was assessed")
                }
                Meaning::Segment if closed => {
                    fault(Class::Segment, "the place within the organ is not known")
                }
                Meaning::Organ(super::lexicon::Place::Elsewhere) if closed && !advice => {
                    fault(Class::Organ, "this organ was not looked at");
                }
                Meaning::Critical => {
                    let critical = |lesion: &Lesion| lesion.critical;
                    let named = |lesion: &&Lesion| !closed || sentence.evidence.contains(&lesion.number);
                    let mut lesions = evidence.lesions.iter().filter(named);
                    let right = if closed {
                        lesions.clone().count() > 0 && lesions.all(critical)
                    } else {
                        lesions.any(critical)
                    };
                    if !right {
                        fault(Class::FalseCritical, "only findings that are critical are called so");
                    }
                }
                Meaning::Advice if closed && !advice => {
                    fault(Class::Recommendation, "recommendations are the guideline's")
                }
                Meaning::Category if closed && !advice => {
                    fault(Class::Recommendation, "categories are the guideline's")
                }
                Meaning::Prior if closed && evidence.compared.is_none() => {
                    fault(Class::NoPrior, "nothing was compared")
                }
                Meaning::Date if closed => fault(Class::Date, "no date is known"),
                Meaning::Identifier if closed => {
                    fault(Class::Identifier, "no person and no number that names one")
                }
                Meaning::Think if closed => fault(Class::ThinkTag, "the report, not the thinking"),
                Meaning::Instruction if closed => {
                    fault(Class::Instruction, "the report, no talk about the task")
                }
                Meaning::Modality(technique) if !advice => {
                    let known = match evidence.modality.as_str() {
                        "CT" => Technique::Ct,
                        "MR" => Technique::Mr,
                        "PT" => Technique::Pet,
                        _ => Technique::Other,
                    };
                    if known != technique {
                        fault(Class::Modality, "another modality");
                    }
                }
                Meaning::Contrast(given) if !advice => match evidence.contrast {
                    Some(known) if known == given => {}
                    Some(true) => fault(Class::Contrast, "contrast was given"),
                    Some(false) => fault(Class::Contrast, "no contrast was given"),
                    None if closed => fault(Class::Contrast, "whether contrast was given is not known"),
                    None => {}
                },
                Meaning::Sex(sex) => self.sex(sex, "sex", &mut fault),
                Meaning::SexOrgan(sex) => self.sex(sex, "anatomy", &mut fault),
                _ => {}
            }
        }
        if closed {
            for pair in tokens.windows(2) {
                let span = (pair[0].from, pair[1].to);
                match (pair[0].kind, pair[1].kind) {
                    (Kind::Word(Meaning::Not), Kind::Word(Meaning::Not)) => {
                        wrong.push(Wrong::new(Class::UnknownWords, span, "one negation at a time"));
                    }
                    (before, Kind::Word(Meaning::Unit(Unit::Other)))
                        if !matches!(before, Kind::Number(_)) =>
                    {
                        let span = (pair[1].from, pair[1].to);
                        wrong.push(Wrong::new(Class::Homoglyph, span, "a unit stands after a number"));
                    }
                    _ => {}
                }
            }
        }
        let age = |token: &Token| matches!(token.kind, Kind::Word(Meaning::Age));
        if closed
            && let Some(token) = tokens.iter().find(|token| age(token))
            && evidence.patient.age_years.is_none()
        {
            wrong.push(Wrong::new(Class::Age, (token.from, token.to), "the age is not known"));
        }
        if closed
            && self.language == Language::Chinese
            && !tokens::has_chinese(&text.chars)
            && has_letters(&text.chars)
        {
            wrong.push(Wrong::new(Class::Language, (0, text.chars.len()), "a Chinese sentence"));
        }
        wrong
    }

    fn sex(&self, sex: Sex, what: &str, fault: &mut impl FnMut(Class, &str)) {
        match self.evidence.patient.sex {
            Some(known) if known != sex => fault(Class::Sex, &format!("{what} that is not the patient's")),
            _ if self.mode == Mode::Open => {}
            Some(_) if what == "sex" => {}
            Some(_) => fault(Class::Organ, "this organ was not looked at"),
            None => fault(Class::Sex, "the patient's sex is not known"),
        }
    }

    /// What kind of error words are that nobody understands.
    fn unknown(&self, chars: &[char]) -> Class {
        let latin = chars.iter().filter(|c| c.is_ascii_alphabetic()).count();
        let digits = chars.iter().filter(|c| c.is_ascii_digit()).count();
        let words: String = chars.iter().collect();
        if chars.contains(&'\u{fffd}') {
            return Class::UnknownWords;
        }
        match self.language {
            Language::English if tokens::has_chinese(chars) => Class::Language,
            _ if digits > 0
                && latin > 0
                && chars.iter().all(|c| c.is_ascii_digit() || "olis|bz.".contains(*c)) =>
            {
                Class::Homoglyph
            }
            _ if digits >= 3 => Class::Identifier,
            Language::Chinese if latin > 1 => {
                let known = tokens::tokens(&Text::new(&words), Lexicon::of(Language::English));
                let understood = known.iter().all(|token| !matches!(token.kind, Kind::Unknown));
                if understood || latin > 4 { Class::Language } else { Class::UnknownWords }
            }
            _ => Class::UnknownWords,
        }
    }

    /// Numbers that are about no lesion.
    fn aside(&self, aside: Aside, span: (usize, usize)) -> Option<Wrong> {
        let closed = self.mode == Mode::Closed;
        let wrong = |class, expected: String| Some(Wrong::new(class, span, expected));
        match aside {
            Aside::Slices(number) => match self.evidence.slices {
                Some(_) if number.spelled && closed => {
                    wrong(Class::SpelledNumber, "slices are counted in digits".into())
                }
                Some(slices) if number.value == slices as f64 => None,
                Some(slices) => wrong(Class::Slice, format!("there are {slices} slices")),
                None => {
                    closed.then(|| Wrong::new(Class::Slice, span, "how many slices there are is not known"))
                }
            },
            Aside::Series if closed => {
                wrong(Class::Series, "no series number and no image number is known".into())
            }
            Aside::Age(number) => match self.evidence.patient.age_years {
                Some(age) if number.value == f64::from(age) => None,
                Some(_) => wrong(Class::Age, "another age".into()),
                None => None,
            },
            Aside::Bare(_) if closed => {
                wrong(Class::Number, "a number with its unit, from the findings".into())
            }
            Aside::NoUnit(_) if closed => wrong(Class::Unit, "a measurement with its unit".into()),
            Aside::Series | Aside::Category | Aside::Bare(_) | Aside::NoUnit(_) => None,
        }
    }

    /// A recommendation that is not word for word the guideline's.
    fn recommendation(&self, bare: &str, tokens: &[Token], section: Section) -> Vec<Wrong> {
        let span = (tokens.first().map_or(0, |token| token.from), tokens.last().map_or(0, |token| token.to));
        let expected = || match self.advice_texts() {
            texts if texts.is_empty() => "nothing is recommended".to_owned(),
            texts => texts.join(" "),
        };
        if self.mode == Mode::Open {
            return self.open_recommendation(tokens);
        }
        let words = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        if self.advice.iter().any(|advice| words(advice) == words(bare)) {
            return vec![Wrong::new(Class::Interval, span, expected())];
        }
        let advises = tokens.iter().any(|token| {
            matches!(
                token.kind,
                Kind::Word(Meaning::Advice | Meaning::Category | Meaning::Unit(_)) | Kind::Number(_)
            )
        });
        let said = section == Section::Recommendation && advises;
        said.then(|| Wrong::new(Class::Recommendation, span, expected())).into_iter().collect()
    }

    /// What a person recommends: the months must be among the guideline's.
    fn open_recommendation(&self, tokens: &[Token]) -> Vec<Wrong> {
        let advised = &self.evidence.advised;
        let mut known: Vec<f64> = Vec::new();
        for advice in &advised.advice {
            let then = advice.then.iter().filter_map(|next| next.months);
            known.extend(advice.months.into_iter().chain(then).flatten().map(f64::from));
        }
        let mut wrong = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let Kind::Number(number) = token.kind else { continue };
            let unit = super::figure::unit(tokens, at);
            let months = match unit {
                Some(Unit::Month) => number.value,
                Some(Unit::Year) => number.value * 12.0,
                _ => continue,
            };
            if advised.guideline.is_some() && !advised.advice.is_empty() && !known.contains(&months) {
                let expected = self.advice_texts().join(" ");
                wrong.push(Wrong::new(Class::Interval, (token.from, token.to), expected));
            }
        }
        wrong
    }

    fn advice_texts(&self) -> Vec<String> {
        self.evidence.advised.advice.iter().map(|advice| advice.text(self.language)).collect()
    }
}

fn has_letters(chars: &[char]) -> bool {
    chars.iter().any(char::is_ascii_alphabetic)
}

/// What a run of digits and separators is, if it is no measurement: a date, a UID, a number of somebody.
fn named_number(run: &str) -> Option<Class> {
    let run = run.trim_end_matches(['.', '-', ':', '/']);
    let parts: Vec<&str> =
        run.split(['-', '/', '.', ':', '年', '月', '日']).filter(|part| !part.is_empty()).collect();
    let year = |part: &str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
    if run.contains('年') && parts.first().is_some_and(|part| year(part)) {
        return Some(Class::Date);
    }
    if run.contains('月') && run.contains('日') {
        return Some(Class::Date);
    }
    let dots = run.matches('.').count();
    if dots >= 3 {
        return Some(Class::Identifier);
    }
    let separators = run.chars().filter(|c| matches!(c, '-' | '/' | '.')).count();
    if parts.len() == 3 && separators == 2 && parts.iter().any(|part| year(part)) {
        return Some(Class::Date);
    }
    if parts.len() == 2 && run.contains(':') && parts.iter().all(|part| part.len() == 2) {
        return Some(Class::Date);
    }
    if parts.len() == 2 && (run.contains('-') || run.contains('/')) && year(parts[0]) && parts[1].len() == 2 {
        return Some(Class::Date);
    }
    let digits = run.chars().filter(char::is_ascii_digit).count();
    match digits {
        8 if parts.len() == 1 && (run.starts_with("19") || run.starts_with("20")) => Some(Class::Date),
        7.. if parts.len() == 1 => Some(Class::Identifier),
        _ => None,
    }
}
