//! Prints what a scan costs on plain English prose, a request of 2 KB and one of 32 KB.
//!
//! For people; the benches of the workspace are what is reported. Every scan is of another text.

use sluice_contract::facts::Origin;
use sluice_detectors::{Batch, Pack, Report, Scanner};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are \
    this have from or had an they which one you were all her she there would their we him been has \
    when who will no more if out so up said what its about than into them can only other time new \
    some could these two may first then do any like my now over such our man me even most made after \
    also did many off before must well back through years where much your way down should because \
    long each just state those people too mister how little good world make very year still see own \
    work men day get here between both under last never know same another while us might great old \
    come against go came right used take three himself few house use during without again place \
    American around however home small found Mrs thought went say part once general high upon school \
    every does got united left number course war until always something fact water though public less \
    put think almost hand enough took far head yet government system better set told nothing night end \
    why called find going look asked later point knew next program city business give group toward \
    young days let room word given several side face present order rather possible national second \
    least area question against change social within turned political development company interest";

fn prose(seed: &mut u64, bytes: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut text = String::with_capacity(bytes + 16);
    let mut sentence = 0;
    while text.len() < bytes {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        let place = usize::try_from(*seed % words.len() as u64).unwrap_or(0);
        text.push_str(words.get(place).copied().unwrap_or("the"));
        sentence += 1;
        if sentence % 14 == 0 {
            text.push_str(if sentence % 70 == 0 { ".\n" } else { ". In 2024, " });
        } else {
            text.push(' ');
        }
    }
    text
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let started = Instant::now();
    let pack = Pack::compile()?;
    writeln!(out, "compile {:?}, {} literals", started.elapsed(), pack.literals())?;
    let bytes = pack.serialize()?;
    let started = Instant::now();
    let pack = Arc::new(Pack::deserialize(&bytes)?);
    writeln!(out, "deserialize {:?}, {} bytes", started.elapsed(), bytes.len())?;
    let mut scanner = Scanner::new(pack)?;
    let mut report = Report::default();
    let mut seed = 0x9E37_79B9_7F4A_7C15;
    let given: Vec<String> =
        std::env::args().skip(1).map(std::fs::read_to_string).collect::<Result<_, _>>()?;
    for size in [2 << 10, 32 << 10] {
        let batches: Vec<Batch> = (0..(4 << 20) / size)
            .map(|_| {
                let mut batch = Batch::default();
                batch.add(Origin::System, Some("content"), "You are a helpful assistant.");
                batch.add(Origin::User, Some("content"), &prose(&mut seed, size - 40));
                batch
            })
            .collect();
        measure(&mut out, &format!("prose {size}"), &mut scanner, &batches, &mut report)?;
    }
    for (number, text) in given.iter().enumerate() {
        let batches: Vec<Batch> = text
            .as_bytes()
            .chunks(2 << 10)
            .map(|part| {
                let mut batch = Batch::default();
                batch.add(Origin::User, None, &String::from_utf8_lossy(part));
                batch
            })
            .collect();
        measure(&mut out, &format!("file {number} in 2 KB"), &mut scanner, &batches, &mut report)?;
    }
    Ok(())
}

fn measure(
    out: &mut impl Write,
    name: &str,
    scanner: &mut Scanner,
    batches: &[Batch],
    report: &mut Report,
) -> std::io::Result<()> {
    let mut best = f64::MAX;
    let mut findings = 0;
    for _ in 0..7 {
        let started = Instant::now();
        findings = 0;
        for batch in batches {
            scanner.scan(batch, report);
            findings += report.findings.len();
        }
        best = best.min(started.elapsed().as_secs_f64());
    }
    let bytes: usize = batches.iter().map(Batch::bytes).sum();
    #[expect(clippy::cast_precision_loss, reason = "figures for a person")]
    let (each, rate) = (best * 1e6 / batches.len() as f64, bytes as f64 / best / 1e9);
    writeln!(out, "{name}: {each:.2} us a scan, {rate:.2} GB/s, {findings} findings")
}
