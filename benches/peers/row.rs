//! One line of a table of figures.

use crate::measure::Figures;

pub struct Row {
    what: String,
    figure: String,
    /// The target in words, and whether it is met.
    target: Option<(String, bool)>,
}

impl Row {
    pub fn seconds(what: &str, figures: &Figures) -> Self {
        let (min, max) = figures.spread();
        let figure = format!("{:.3} s ({min:.3} to {max:.3})", figures.median());
        Self { what: what.to_owned(), figure, target: None }
    }

    /// The ratio of two medians; its spread is that of the extremes.
    pub fn ratio(what: &str, ours: &Figures, theirs: &Figures, limit: Option<f64>) -> Self {
        let ratio = ours.median() / theirs.median();
        let (min, max) = (ours.spread().0 / theirs.spread().1, ours.spread().1 / theirs.spread().0);
        let figure = format!("{ratio:.2} ({min:.2} to {max:.2})");
        let target = limit.map(|limit| (format!("at most {limit:.2}"), ratio <= limit));
        Self { what: what.to_owned(), figure, target }
    }

    pub fn mebibytes(what: &str, peak: f64, limit: f64) -> Self {
        let target = Some((format!("at most {limit:.0} MiB"), peak <= limit));
        Self { what: what.to_owned(), figure: format!("{peak:.0} MiB"), target }
    }

    pub fn millis(what: &str, figures: &Figures, limit: Option<f64>) -> Self {
        let (min, max) = figures.spread();
        let figure = format!("{:.2} ms ({min:.2} to {max:.2})", figures.median());
        let target = limit.map(|limit| (format!("under {limit:.0} ms"), figures.median() < limit));
        Self { what: what.to_owned(), figure, target }
    }

    pub fn calls_per_second(what: &str, figures: &Figures, at_least: Option<f64>) -> Self {
        let (min, max) = figures.spread();
        let figure = format!("{:.0} calls/s ({min:.0} to {max:.0})", figures.median());
        let target = at_least.map(|least| (format!("at least {least:.0} calls/s"), figures.median() >= least));
        Self { what: what.to_owned(), figure, target }
    }

    /// What is right or wrong and no number.
    pub fn fact(what: &str, fact: &str, target: &str, is_met: bool) -> Self {
        Self { what: what.to_owned(), figure: fact.to_owned(), target: Some((target.to_owned(), is_met)) }
    }

    pub fn line(&self) -> String {
        let (target, verdict) = match &self.target {
            Some((target, true)) => (target.as_str(), "met"),
            Some((target, false)) => (target.as_str(), "**missed**"),
            None => ("", ""),
        };
        // A pipe would end the cell.
        format!("| {} | {} | {target} | {verdict} |\n", self.what.replace('|', "\\|"), self.figure)
    }
}
