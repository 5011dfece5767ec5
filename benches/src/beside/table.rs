//! What is printed of a subject: for each figure a line for each contender.

use super::rounds::Rounds;
use super::{Bench, Unit};
use crate::spread;

pub(super) fn print(bench: &Bench, workers: usize, rounds: usize, short: bool, results: &[Rounds]) {
    println!(
        "{}/{workers}_worker{}  ({} operations a run{}, {rounds} rounds; leaves out: {})",
        bench.name,
        if workers == 1 { "" } else { "s" },
        bench.operations,
        if short { ", but a tenth of them" } else { "" },
        bench.leaves_out
    );
    let peer = bench.contenders.last().zip(results.last());
    for (index, figure) in bench.figures.iter().enumerate() {
        let (unit, digits) = match figure.unit {
            Unit::NanosEach => ("ns", 1),
            Unit::Millis => ("ms", 2),
        };
        let aim = match workers {
            // Of a tenth of the operations only what is told of one is comparable.
            1 | 2 if !short || matches!(figure.unit, Unit::NanosEach) => {
                format!(", aim {} {unit}", figure.aims[workers - 1])
            }
            _ => String::new(),
        };
        println!("  {}{aim}", figure.of);
        for (contender, result) in bench.contenders.iter().zip(results) {
            let own = &result.figures[index];
            if own.is_empty() {
                continue;
            }
            let (low, middle, high) = spread(own.clone());
            let ratio = peer.filter(|(_, peer)| !peer.figures[index].is_empty()).map(|(name, peer)| {
                let ratios = own.iter().zip(&peer.figures[index]).map(|(own, peer)| own / peer).collect();
                format!("{:>6.2} of {}", spread(ratios).1, name.name)
            });
            println!(
                "    {:<22} {middle:>10.digits$} {unit}   [{low:.digits$} .. {high:.digits$}]   {}",
                contender.name,
                ratio.unwrap_or_default(),
            );
        }
    }
    for (contender, result) in bench.contenders.iter().zip(results) {
        if let Some(error) = &result.error {
            println!("  {}: {error}", contender.name);
        }
    }
    for note in &bench.notes {
        if bench.contenders.iter().any(|contender| note.of.contains(&contender.name)) {
            println!("  {}: {}", note.of.join(", "), note.text);
        }
    }
}
