//! One scan: candidates from both engines, validators, views and what is in them, one report.
//!
//! ```text
//! batch ──► pass ──► hits ─────────────────────────► resolve ──► report
//!             └────► wanted ──► layer 1 ──► pass ──► hits (mapped back)
//!                                             └────► wanted ──► layer 2 ...
//! ```
//! A scan depends on its batch and pack only: nothing is carried over but memory. Plain prose
//! wants no view and makes one pass.

use crate::attacks::Tally;
use crate::batch::Batch;
use crate::engine::hyperscan::Match;
use crate::engine::simd::Level;
use crate::finding::{Finding, MEDIUM, Report};
use crate::identifiers::Hit;
use crate::pack::{Pack, PackError};
use crate::packs::Meaning;
use crate::secrets;
use crate::text::Text;
use crate::view::{DEPTH, Kind, Layer, Unit, VIEW_BYTES_FREE, Wanted};
use crate::views::{self, Outlet};
use sluice_contract::class::Class;
use sluice_contract::facts::{Flags, Score, Scores};
use sluice_contract::limits::FINDINGS_MAX;
use std::ops::Range;
use std::sync::Arc;

mod resolve;
mod walk;

/// Literal matches that every scan has room for; longer texts have one more in [`MATCH_BYTES`].
const MATCHES_MIN: usize = 256;

/// Bytes of text for each further literal match. Denser text sets [`Flags::OVERFLOW`].
const MATCH_BYTES: usize = 16;

/// Findings before resolution that are kept; more set [`Flags::OVERFLOW`].
const RAW_FINDINGS_MAX: usize = 2 * FINDINGS_MAX;

/// Everything one worker needs to scan. Not shared; reused for every request.
pub struct Scanner {
    pack: Arc<Pack>,
    scratch: hyperscan::Scratch,
    level: Level,
    matches: Vec<Match>,
    units: Vec<Unit>,
    layers: [Layer; DEPTH],
    wanted: Vec<Wanted>,
    raw: Vec<Finding>,
    tally: Tally,
}

impl Scanner {
    /// A scanner of `pack`.
    pub fn new(pack: Arc<Pack>) -> Result<Scanner, PackError> {
        let scratch = pack.scratch()?;
        Ok(Scanner {
            pack,
            scratch,
            level: Level::best(),
            matches: Vec::new(),
            units: Vec::new(),
            layers: Default::default(),
            wanted: Vec::new(),
            raw: Vec::new(),
            tally: Tally::default(),
        })
    }

    /// The pack that this scanner runs.
    pub fn pack(&self) -> &Arc<Pack> {
        &self.pack
    }

    /// Scans `batch` and fills `out`, which is cleared first.
    pub fn scan(&mut self, batch: &Batch, out: &mut Report) {
        out.clear();
        out.text_scores.resize(batch.texts().len(), Scores::default());
        if batch.overflowed() {
            out.flags.set(Flags::OVERFLOW);
        }
        self.raw.clear();
        self.wanted.clear();
        self.units.clear();
        self.units.extend(batch.texts().iter().enumerate().map(|(text, meta)| Unit {
            span: meta.span.start as usize..meta.span.end as usize,
            text: u32::try_from(text).unwrap_or(u32::MAX),
            origin: meta.origin,
            kind: None,
            parent: text,
            segments: 0..0,
        }));
        for layer in &mut self.layers {
            layer.clear();
        }
        self.pass(batch, 0, out);
        let limit = 2 * batch.buf().len() + VIEW_BYTES_FREE;
        for depth in 1..=DEPTH {
            if self.wanted.is_empty() {
                break;
            }
            out.flags.set(Flags::NORMALISED);
            self.build(batch, depth, limit);
            self.pass(batch, depth, out);
        }
        if self.layers.iter().any(|layer| layer.overflow) {
            out.flags.set(Flags::OVERFLOW);
        }
        resolve::resolve(&mut self.raw, out);
        for scores in &out.text_scores {
            out.scores.raise_all(scores);
        }
    }

    /// Builds layer `depth` out of what the layer above wants.
    fn build(&mut self, batch: &Batch, depth: usize, limit: usize) {
        let (above, below) = self.layers.split_at_mut(depth - 1);
        let Some(layer) = below.first_mut() else { return };
        let (buf, units) = match above.last() {
            Some(above) => (above.buf(), above.units()),
            None => (batch.buf(), self.units.as_slice()),
        };
        for wanted in self.wanted.drain(..) {
            if let Some(unit) = units.get(wanted.unit) {
                views::build(buf, unit, &wanted, layer, limit);
            }
        }
    }

    /// Runs both engines over one layer: the batch (0) or the views of a depth.
    fn pass(&mut self, batch: &Batch, depth: usize, out: &mut Report) {
        let Scanner { pack, scratch, level, matches, units, layers, wanted, raw, tally } = self;
        let (above, this) = layers.split_at(depth.saturating_sub(1));
        let (buf, units) = match this.first() {
            Some(layer) if depth > 0 => (layer.buf(), layer.units()),
            _ => (batch.buf(), units.as_slice()),
        };
        let place = Place { batch, units, layers: (depth > 0).then_some((above, this)) };
        let limit = MATCHES_MIN + buf.len() / MATCH_BYTES;
        let last = depth == DEPTH;
        let mut sink = Sink { place: &place, raw, wanted, last, overflow: false };
        if !pack.find(buf.as_bytes(), scratch, matches, limit) {
            sink.overflow = true;
        }
        let mut rest = matches.as_slice();
        for (number, unit) in units.iter().enumerate() {
            let text = place.text(buf, unit);
            let found = rest.partition_point(|found| (found.end as usize) <= unit.span.end);
            let (mine, after) = rest.split_at(found);
            rest = after;
            secrets::whole(&text, &mut |hit| sink.hit(number, &hit));
            let scores =
                literals(pack, &text, unit, mine, tally, &mut |hit| sink.hit(number, &hit));
            sink.scored(number, &scores, out);
        }
        walk::walk(*level, buf, &place, &mut sink);
        if sink.overflow {
            out.flags.set(Flags::OVERFLOW);
        }
    }
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").field("pack", &self.pack).finish_non_exhaustive()
    }
}

/// Validates what the literals of one text point at, and scores its terms.
fn literals(
    pack: &Pack,
    text: &Text<'_>,
    unit: &Unit,
    matches: &[Match],
    tally: &mut Tally,
    out: &mut impl FnMut(Hit),
) -> Scores {
    tally.begin();
    // What lies within something that was found is not looked at again.
    let mut done = 0;
    for found in matches {
        let Some(row) = pack.row(found.rule) else { continue };
        let end = found.end as usize;
        let start = end.saturating_sub(row.bytes.len());
        // A literal that began before the text is none of it.
        if start < text.start() || end > text.end() {
            continue;
        }
        match row.meaning {
            Meaning::Token(rule) => secrets::token(text, rule, start..end, out),
            Meaning::Name(_) | Meaning::Structure(_) if start < done => {}
            Meaning::Name(_) => secrets::named(text, start..end, &mut |hit| {
                done = hit.span.end;
                out(hit);
            }),
            Meaning::Structure(kind) => secrets::structure(text, kind, start..end, &mut |hit| {
                done = hit.span.end;
                out(hit);
            }),
            Meaning::Term(term) => tally.add(text, term, start..end),
        }
    }
    tally.scores(unit.origin)
}

/// The units of the layer that is scanned, and how to get from them to the texts.
struct Place<'a> {
    batch: &'a Batch,
    units: &'a [Unit],
    /// The layers above, and from this one on; `None` for the batch itself.
    layers: Option<(&'a [Layer], &'a [Layer])>,
}

impl<'a> Place<'a> {
    /// What a validator may see of `unit`.
    fn text(&self, buf: &'a str, unit: &Unit) -> Text<'a> {
        let meta = self.batch.texts().get(unit.text as usize);
        let key = meta.map_or("", |meta| self.batch.key(meta));
        let seams = match (unit.kind, meta) {
            (None, Some(meta)) => self.batch.seams(meta),
            _ => &[],
        };
        Text::new(buf.as_bytes(), unit.span.clone(), seams, key)
    }

    /// The bytes of the text, as it was sent, that `span` of `unit` stands for.
    fn original(&self, unit: &Unit, span: &Range<usize>) -> Range<usize> {
        let Some((above, this)) = self.layers else {
            return span.start - unit.span.start..span.end - unit.span.start;
        };
        let mut span = this.first().map_or(0..0, |layer| layer.to_parent(unit, span));
        let mut parent = unit.parent;
        for layer in above.iter().rev() {
            let Some(unit) = layer.units().get(parent) else { return 0..0 };
            let within = unit.span.start + span.start..unit.span.start + span.end;
            span = layer.to_parent(unit, &within);
            parent = unit.parent;
        }
        span
    }
}

/// Where hits, scores and wanted views of one pass go.
struct Sink<'a> {
    place: &'a Place<'a>,
    raw: &'a mut Vec<Finding>,
    wanted: &'a mut Vec<Wanted>,
    /// Whether no further layer of views is built.
    last: bool,
    overflow: bool,
}

impl Sink<'_> {
    fn hit(&mut self, number: usize, hit: &Hit) {
        let Some(unit) = self.place.units.get(number) else { return };
        let span = self.place.original(unit, &hit.span);
        // What was only copied into a view has the length that it had.
        let encoded = unit.kind.is_some_and(Kind::is_encoding) && span.len() != hit.span.len();
        self.push(hit.class, hit.confidence, hit.layer, unit.text, &span);
        if encoded && !hit.class.is_a(Class::HIDDEN_CONTENT) {
            self.push(Class::ENCODED_PAYLOAD, hit.confidence, hit.layer, unit.text, &span);
        }
    }

    /// Keeps the scores of a unit; an attack that was encoded is a finding as well.
    fn scored(&mut self, number: usize, scores: &Scores, out: &mut Report) {
        let Some(unit) = self.place.units.get(number) else { return };
        let Some(of_text) = out.text_scores.get_mut(unit.text as usize) else { return };
        let (attack, plain) = (scores.of(Score::Risk), of_text.of(Score::Risk));
        of_text.raise_all(scores);
        if attack >= MEDIUM && attack > plain && unit.kind.is_some_and(Kind::is_encoding) {
            let span = self.place.original(unit, &unit.span);
            let layer = crate::finding::Layer::Lexical;
            self.push(Class::ENCODED_PAYLOAD, attack, layer, unit.text, &span);
        }
    }

    fn push(
        &mut self,
        class: Class,
        confidence: u8,
        layer: crate::finding::Layer,
        text: u32,
        span: &Range<usize>,
    ) {
        if self.raw.len() >= RAW_FINDINGS_MAX {
            self.overflow = true;
            return;
        }
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (start, end) = (offset(span.start), offset(span.end));
        if start < end {
            self.raw.push(Finding { class, confidence, layer, text, start, end });
        }
    }
}

impl Outlet for Sink<'_> {
    fn want(&mut self, wanted: Wanted) {
        if !self.last {
            self.wanted.push(wanted);
        }
    }

    fn found(&mut self, number: usize, hit: Hit) {
        self.hit(number, &hit);
    }
}
