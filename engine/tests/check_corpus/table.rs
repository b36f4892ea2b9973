//! The table of caught mutations: for each class and language how many, caught, and called by their name.

use std::collections::BTreeMap;
use std::fmt;

use engine::Language;
use engine::check::Class;

use crate::mutate::Mutator;

#[derive(Debug, Default, Clone, Copy)]
struct Row {
    made: usize,
    caught: usize,
    named: usize,
}

/// How many mutations were made and caught, by whether their words were held out, class and language.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<(bool, Class, bool), Row>);

impl Table {
    pub(crate) fn count(&mut self, mutator: &Mutator, language: Language, caught: bool, named: bool) {
        let row = self.0.entry((mutator.held_out, mutator.class, language == Language::English)).or_default();
        row.made += 1;
        row.caught += usize::from(caught);
        row.named += usize::from(named);
    }

    pub(crate) fn all(&self) -> usize {
        self.0.values().map(|row| row.made).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for held_out in [false, true] {
            writeln!(f, "{}", if held_out { "held out" } else { "known" })?;
            writeln!(f, "| class | zh: made | caught | named | en: made | caught | named |")?;
            writeln!(f, "|---|---:|---:|---:|---:|---:|---:|")?;
            let mut sum = [Row::default(); 2];
            for class in Class::ALL {
                let [zh, en] = [false, true].map(|english| self.0.get(&(held_out, *class, english)).copied());
                if zh.is_none() && en.is_none() {
                    continue;
                }
                let (zh, en) = (zh.unwrap_or_default(), en.unwrap_or_default());
                for (sum, row) in sum.iter_mut().zip([zh, en]) {
                    sum.made += row.made;
                    sum.caught += row.caught;
                    sum.named += row.named;
                }
                line(f, class.as_str(), zh, en)?;
            }
            line(f, "all", sum[0], sum[1])?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, zh: Row, en: Row) -> fmt::Result {
    writeln!(
        f,
        "| {name} | {} | {} | {} | {} | {} | {} |",
        zh.made, zh.caught, zh.named, en.made, en.caught, en.named
    )
}
