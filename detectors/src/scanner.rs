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
use crate::engine::{BLOCK, Masks};
use crate::finding::{Finding, MEDIUM, Report};
use crate::identifiers::{self, Hit};
use crate::pack::{Pack, PackError};
use crate::packs::Meaning;
use crate::secrets;
use crate::text::Text;
use crate::view::{DEPTH, Kind, Layer, Unit, VIEW_BYTES_FREE, Wanted};
use crate::views::{self, Outlet, Triggers, fold};
use sluice_contract::class::Class;
use sluice_contract::facts::{Flags, Score, Scores};
use sluice_contract::limits::FINDINGS_MAX;
use std::ops::Range;
use std::sync::Arc;

mod resolve;

/// Blocks that are classified before they are walked.
const CHUNK_BLOCKS: usize = 64;

/// Literal matches that every scan has room for; longer texts have one more in [`MATCH_BYTES`].
const MATCHES_MIN: usize = 256;

/// Bytes of text for each further literal match. Denser text sets [`Flags::OVERFLOW`].
const MATCH_BYTES: usize = 16;

/// Findings before resolution that are kept; more set [`Flags::OVERFLOW`].
const RAW_FINDINGS_MAX: usize = 2 * FINDINGS_MAX;

/// Runs of base64 characters from this length on are looked at.
const RUN_BYTES_MIN: usize = 14;

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
        let scratch = pack.database().scratch()?;
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
        if !pack.database().scan(buf.as_bytes(), scratch, matches, limit) {
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
        walk(*level, buf, &place, &mut sink);
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

/// Classifies the bytes of a layer and hands what they point at to the validators.
fn walk(level: Level, buf: &str, place: &Place<'_>, sink: &mut Sink<'_>) {
    let bytes = buf.as_bytes();
    let mut masks = [Masks::default(); CHUNK_BLOCKS];
    let mut walker = Walker::new(buf, place);
    for (chunk, part) in bytes.chunks(CHUNK_BLOCKS * BLOCK).enumerate() {
        let count = level.classify(part, &mut masks);
        for (block, mask) in masks.iter().take(count).enumerate() {
            walker.block((chunk * CHUNK_BLOCKS + block) * BLOCK, mask, sink);
        }
    }
    walker.finish(bytes.len(), sink);
}

/// What the walk over the blocks of a layer carries from one to the next.
struct Walker<'a> {
    buf: &'a str,
    place: &'a Place<'a>,
    /// The unit that the last event was in.
    number: usize,
    text: Option<Text<'a>>,
    /// Digits before this offset were looked at.
    digits_done: usize,
    /// Where the run of base64 characters began that reaches the end of the last block.
    run: Option<usize>,
    triggers: Triggers,
}

impl<'a> Walker<'a> {
    fn new(buf: &'a str, place: &'a Place<'a>) -> Walker<'a> {
        let triggers = Triggers::default();
        Walker { buf, place, number: 0, text: None, digits_done: 0, run: None, triggers }
    }

    #[inline]
    fn block(&mut self, base: usize, mask: &Masks, sink: &mut Sink<'_>) {
        self.runs(base, mask.base64, sink);
        if mask.digit | mask.at | mask.escape | mask.high == 0 {
            return;
        }
        self.candidates(base, mask, sink);
    }

    fn candidates(&mut self, base: usize, mask: &Masks, sink: &mut Sink<'_>) {
        let mut digits = mask.digit;
        loop {
            let done = self.digits_done.saturating_sub(base);
            digits &= if done >= BLOCK { 0 } else { !0 << done };
            if digits == 0 {
                break;
            }
            let at = base + digits.trailing_zeros() as usize;
            self.digits_done = at + 1;
            if let Some(text) = self.text_at(at) {
                let number = self.number;
                self.digits_done =
                    identifiers::digits(&text, at, &mut |hit| sink.hit(number, &hit));
            }
        }
        for at in bits(base, mask.at) {
            if let Some(text) = self.text_at(at)
                && let Some(hit) = identifiers::email::find(&text, at)
            {
                sink.hit(self.number, &hit);
            }
        }
        for at in bits(base, mask.escape) {
            if let Some(text) = self.text_at(at) {
                self.triggers.escape(self.buf, &text, at, self.number, sink);
            }
        }
        let bytes = self.buf.as_bytes();
        for at in bits(base, mask.high) {
            // Leading bytes of characters that can be more than plain, not the ones that follow.
            let lead = bytes.get(at).copied().unwrap_or(0);
            let second = bytes.get(at + 1).copied().unwrap_or(0);
            if lead >= 0xC0
                && fold::may_ask(lead, second)
                && let Some(text) = self.text_at(at)
            {
                self.triggers.character(self.buf, &text, at, self.number, sink);
            }
        }
    }

    /// Finds runs of at least [`RUN_BYTES_MIN`] base64 characters, over the ends of blocks.
    #[inline]
    fn runs(&mut self, base: usize, mask: u64, sink: &mut Sink<'_>) {
        if mask == !0 {
            self.run.get_or_insert(base);
            return;
        }
        let open = self.run.take();
        if let Some(start) = open {
            let end = base + mask.trailing_ones() as usize;
            if end - start >= RUN_BYTES_MIN {
                self.run_of(start..end, sink);
            }
        }
        // Bit `i` stays where bits `i..i + 14` are all set.
        let pairs = mask & mask >> 1;
        let fours = pairs & pairs >> 2;
        let eights = fours & fours >> 4;
        let mut long = eights & eights >> (RUN_BYTES_MIN - 8);
        while long != 0 {
            let first = long.trailing_zeros();
            let length = (mask >> first).trailing_ones();
            let (start, end) = (base + first as usize, base + (first + length) as usize);
            // One that begins the block may be the end of the one that was open; one that reaches
            // its end goes on.
            if end < base + BLOCK && (start > base || open.is_none()) {
                self.run_of(start..end, sink);
            }
            long &= if first + length >= 64 { 0 } else { !0 << (first + length) };
        }
        let tail = mask.leading_ones() as usize;
        self.run = (tail > 0).then(|| base + BLOCK - tail);
    }

    fn run_of(&mut self, span: Range<usize>, sink: &mut Sink<'_>) {
        let Some(text) = self.text_at(span.start) else { return };
        let number = self.number;
        secrets::run(&text, span.clone(), &mut |hit| sink.hit(number, &hit));
        self.triggers.run(&text, span, number, sink);
    }

    /// The text that holds `at`; `None` for a separator.
    #[inline]
    fn text_at(&mut self, at: usize) -> Option<Text<'a>> {
        match self.text {
            Some(text) if (text.start()..text.end()).contains(&at) => Some(text),
            _ => self.seek(at),
        }
    }

    /// Offsets rise but for runs, which are told at their end: so this looks both ways.
    fn seek(&mut self, at: usize) -> Option<Text<'a>> {
        let units = self.place.units;
        let next = units.get(self.number + 1).filter(|unit| unit.span.contains(&at));
        self.number = match next {
            Some(_) => self.number + 1,
            None => units.partition_point(|unit| unit.span.end <= at),
        };
        let unit = units.get(self.number).filter(|unit| unit.span.contains(&at))?;
        self.text = Some(self.place.text(self.buf, unit));
        self.text
    }

    fn finish(mut self, end: usize, sink: &mut Sink<'_>) {
        if let Some(start) = self.run.take()
            && end - start >= RUN_BYTES_MIN
        {
            self.run_of(start..end, sink);
        }
        self.triggers.finish(self.buf, sink);
    }
}

/// The offsets of the bits of a mask.
fn bits(base: usize, mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (bit < BLOCK).then(|| base + bit)
    })
}
