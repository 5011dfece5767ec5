//! What is printed: one line of JSON or one row of a table for each model.

use std::fmt::Write;
use std::thread;

use serde::Serialize;

use crate::cli::Options;

/// What a model did. The names of the fields are those of the JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) model: &'static str,
    pub(crate) concurrency: u32,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) kernel_threads_peak: u64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) cpu_ms_per_1000: f64,
}

/// Says what will be measured.
pub(crate) fn introduction(options: &Options) -> String {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let (delay, floor) = (options.delay_ms, 3 * options.delay_ms);
    format!(
        "{} concurrent clients send {} requests. Each request makes 3 calls in a\n\
         row, to 3 backend processes that answer after {delay} ms: no answer can come\n\
         before {floor} ms. Service, backends and clients share {cpus} CPUs. Threads, memory\n\
         (their peaks) and CPU time are those of the service's process alone.",
        grouped(options.concurrency.into()),
        grouped(options.requests),
    )
}

/// Lays the reports out as a table.
pub(crate) fn table(reports: &[Report]) -> String {
    let head = [
        ["", ""],
        ["requests", "per s"],
        ["p50", "ms"],
        ["p99", "ms"],
        ["p99.9", "ms"],
        ["", "errors"],
        ["kernel", "threads"],
        ["memory", "MiB"],
        ["CPU ms per", "1,000 req."],
    ];
    let cells: Vec<[String; 9]> = reports.iter().map(row).collect();
    let width = |column: usize| {
        let head = head[column].iter().map(|text| text.len());
        head.chain(cells.iter().map(|row| row[column].len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();

    let mut table = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (column, (cell, &width)) in cells.zip(&widths).enumerate() {
            // The first column is words, the others are numbers. Writing to a string cannot fail.
            let _ =
                if column == 0 { write!(text, "{cell:<width$}") } else { write!(text, "  {cell:>width$}") };
        }
        table.push_str(text.trim_end());
        table.push('\n');
    };
    line(&mut head.iter().map(|lines| lines[0]));
    line(&mut head.iter().map(|lines| lines[1]));
    for row in &cells {
        line(&mut row.iter().map(String::as_str));
    }
    table
}

fn row(report: &Report) -> [String; 9] {
    [
        report.model.to_owned(),
        grouped(report.requests_per_s.round() as u64),
        format!("{:.1}", report.p50_ms),
        format!("{:.1}", report.p99_ms),
        format!("{:.1}", report.p999_ms),
        grouped(report.errors),
        grouped(report.kernel_threads_peak),
        format!("{:.1}", report.peak_rss_bytes as f64 / f64::from(1 << 20)),
        format!("{:.0}", report.cpu_ms_per_1000),
    ]
}

/// Writes a number with a comma between groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
