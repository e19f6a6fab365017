//! When a view is wanted, and how each kind is built.
//!
//! The tests that want one are cheap and run on the few bytes that the SIMD pass points at; what
//! they point at is gathered into windows, so that one odd character in a long text costs a window
//! and not the text.

pub(crate) mod confusables;
pub(crate) mod escapes;
pub(crate) mod fold;
pub(crate) mod runs;

use crate::finding::Layer as FindingLayer;
use crate::identifiers::Hit;
use crate::text::Text;
use crate::view::{Kind, Layer, Unit, Wanted};
use sluice_contract::class::Class;
use std::ops::Range;

/// Bytes between two triggers that still make one window.
const WINDOW_GAP: usize = 256;

/// Bytes before and after the triggers of a window that belong to it, as context.
const WINDOW_MARGIN: usize = 192;

/// Bytes between two invisible characters that are still one finding.
const HIDDEN_GAP: usize = 12;

/// Where the triggers' outcome goes.
pub(crate) trait Outlet {
    /// A view is wanted.
    fn want(&mut self, wanted: Wanted);
    /// Something was found in unit `number`.
    fn found(&mut self, number: usize, hit: Hit);
}

/// A stretch of one unit in which something asks for a view.
#[derive(Clone, Debug)]
struct Window {
    number: usize,
    bounds: Range<usize>,
    span: Range<usize>,
}

/// What the walk over a layer has seen that asks for views.
#[derive(Debug, Default)]
pub(crate) struct Triggers {
    fold: Option<Window>,
    escapes: Option<Window>,
    invisible: Option<Window>,
    /// Hidden spellings before this offset were dealt with.
    spelled: usize,
    /// Encoded runs before this offset were dealt with. Runs are told when their block is, before
    /// the characters in it, so that the two must not share an offset.
    decoded: usize,
}

impl Triggers {
    /// A byte that may begin an escape, at `at` in unit `number`.
    pub(crate) fn escape(
        &mut self,
        buf: &str,
        text: &Text<'_>,
        at: usize,
        number: usize,
        out: &mut impl Outlet,
    ) {
        if let Some((character, end)) = escapes::read(text, at)
            && (' '..='~').contains(&character)
        {
            grow(&mut self.escapes, buf, text, at..end, number, Kind::Escapes, out);
        }
    }

    /// A character that is not ASCII, at `at` in unit `number`.
    pub(crate) fn character(
        &mut self,
        buf: &str,
        text: &Text<'_>,
        at: usize,
        number: usize,
        out: &mut impl Outlet,
    ) {
        let Some(character) = buf.get(at..).and_then(|rest| rest.chars().next()) else { return };
        let end = at + character.len_utf8();
        let sort = fold::sort(character);
        if !sort.asks(text, at, end) {
            return;
        }
        grow(&mut self.fold, buf, text, at..end, number, Kind::Fold, out);
        if sort == fold::Sort::Spelling && at >= self.spelled {
            let run = fold::spelling(buf, text, at);
            self.spelled = run.end;
            if fold::spells(buf, &run) {
                self.hide(text, run.clone(), number, out);
                out.want(Wanted { kind: Kind::Hidden, unit: number, span: run });
            }
        } else if character == fold::RIGHT_TO_LEFT_OVERRIDE {
            let run = fold::overridden(buf, text, at);
            self.hide(text, at..end, number, out);
            out.want(Wanted { kind: Kind::Reversed, unit: number, span: run });
        } else if sort == fold::Sort::Invisible && fold::hides(buf, text, at, end) {
            self.hide(text, at..end, number, out);
        }
    }

    /// A run of base64 characters.
    pub(crate) fn run(
        &mut self,
        text: &Text<'_>,
        span: Range<usize>,
        number: usize,
        out: &mut impl Outlet,
    ) {
        if span.start < self.decoded {
            return;
        }
        if let Some((kind, span)) = runs::plausible(text, span) {
            self.decoded = span.end;
            out.want(Wanted { kind, unit: number, span });
        }
    }

    /// Ends every open window: the layer is over.
    pub(crate) fn finish(&mut self, buf: &str, out: &mut impl Outlet) {
        close(self.fold.take(), buf, Kind::Fold, out);
        close(self.escapes.take(), buf, Kind::Escapes, out);
        self.reveal(out);
    }

    /// Notes invisible text; what is close together is one finding.
    fn hide(&mut self, text: &Text<'_>, span: Range<usize>, number: usize, out: &mut impl Outlet) {
        match &mut self.invisible {
            Some(open) if open.number == number && span.start <= open.span.end + HIDDEN_GAP => {
                open.span.end = open.span.end.max(span.end);
            }
            _ => {
                self.reveal(out);
                self.invisible = Some(Window { number, bounds: text.start()..text.end(), span });
            }
        }
    }

    fn reveal(&mut self, out: &mut impl Outlet) {
        if let Some(Window { number, span, .. }) = self.invisible.take() {
            let layer = FindingLayer::Lexical;
            out.found(number, Hit { class: Class::INVISIBLE_TEXT, confidence: 90, layer, span });
        }
    }
}

fn grow(
    window: &mut Option<Window>,
    buf: &str,
    text: &Text<'_>,
    span: Range<usize>,
    number: usize,
    kind: Kind,
    out: &mut impl Outlet,
) {
    match window {
        Some(open)
            if open.number == number
                && span.start >= open.span.start
                && span.start <= open.span.end + WINDOW_GAP =>
        {
            open.span.end = open.span.end.max(span.end);
        }
        _ => {
            let next = Window { number, bounds: text.start()..text.end(), span };
            close(window.replace(next), buf, kind, out);
        }
    }
}

fn close(window: Option<Window>, buf: &str, kind: Kind, out: &mut impl Outlet) {
    let Some(Window { number, bounds, span }) = window else { return };
    let mut start = span.start.saturating_sub(WINDOW_MARGIN).max(bounds.start);
    while !buf.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (span.end + WINDOW_MARGIN).min(bounds.end);
    while !buf.is_char_boundary(end) {
        end += 1;
    }
    out.want(Wanted { kind, unit: number, span: start..end });
}

/// Builds the view that is wanted of `unit`, which stands in `buf`.
pub(crate) fn build(buf: &str, unit: &Unit, wanted: &Wanted, layer: &mut Layer, limit: usize) {
    let Some(window) = buf.get(wanted.span.clone()) else { return };
    if !layer.begin(window.len() + 1, limit) {
        return;
    }
    let from = wanted.span.start - unit.span.start;
    let mut writer = layer.writer();
    match wanted.kind {
        Kind::Fold => fold::write(window, from, &mut writer),
        Kind::Hidden => fold::write_spelling(window, from, &mut writer),
        Kind::Reversed => fold::write_reversed(window, from, &mut writer),
        Kind::Escapes => escapes::write(window, from, &mut writer),
        Kind::Base64 => runs::write_base64(window, from, &mut writer),
        Kind::Hex => runs::write_hex(window, from, &mut writer),
    }
    writer.finish(wanted.unit, unit, wanted.kind);
}
