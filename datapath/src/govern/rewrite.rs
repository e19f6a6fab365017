//! Rewriting: findings that policy acts on become edits of the raw body.
//!
//! A finding lies in a text, a text is made of nodes, a node is a range of the raw body. What lies
//! across a seam is replaced once, in the first node, and cut out of the others. What was not
//! edited is the old bytes.

use super::Governed;
use crate::refusal::Refusal;
use sluice_contract::decision::Verdict;
use sluice_contract::reason::Reason;
use sluice_detectors::Finding;
use sluice_wire::dialects::Text;
use sluice_wire::json::{Document, Edit, Kind, NodeId, Replacement, Splice};
use std::ops::Range;

/// Characters that a mask leaves to be seen at the end.
const MASK_SHOWS: usize = 4;

/// Shorter findings are masked whole.
const MASK_SHOWS_FROM: usize = 8;

struct Change {
    /// Bytes of the raw body.
    raw: Range<usize>,
    /// Bytes of the arena.
    text: Range<usize>,
    replacement: Replacement,
}

/// Collects edits and carries them out. Reused.
#[derive(Default)]
pub struct Rewriter {
    changes: Vec<Change>,
    arena: Vec<u8>,
    /// The string that is replaced whole: findings in it go with it.
    replaced: Option<NodeId>,
    splice: Splice,
}

impl Rewriter {
    /// Forgets all edits.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.arena.clear();
        self.replaced = None;
    }

    /// Replaces the string `node` by `text`.
    pub fn replace_string(&mut self, document: &Document, node: NodeId, text: &str) {
        self.replaced = Some(node);
        let Some(node) = document.node(node) else { return };
        let start = self.arena.len();
        self.arena.extend_from_slice(text.as_bytes());
        self.changes.push(Change {
            raw: node.raw(),
            text: start..self.arena.len(),
            replacement: Replacement::InString,
        });
    }

    /// Plans the edits for the findings that the decision in `out` rewrites, and notes where the
    /// first one that blocks stands. A finding in a key can't be rewritten without changing what
    /// the body means: it blocks.
    pub fn plan<'v>(
        &mut self,
        document: &Document,
        body: &[u8],
        texts: &'v [Text],
        pieces_of: impl Fn(&'v Text) -> &'v [NodeId],
        findings: &[Finding],
        out: &mut Governed,
    ) {
        out.findings = findings.len() as u64;
        let enforced = !out.is_observed();
        let path = |pieces: &[NodeId]| {
            let path = document.path(pieces.first().copied().unwrap_or_default());
            let found = findings.iter().filter_map(|finding| texts.get(finding.text as usize));
            without_keys(document, path, found.flat_map(&pieces_of))
        };
        for finding in findings {
            let verdict = out.decision.of(finding.class);
            let Some(text) = texts.get(finding.text as usize) else { continue };
            let pieces = pieces_of(text);
            if verdict == Verdict::Block && out.block_path.is_empty() {
                out.block_path = path(pieces);
            }
            if !enforced || !verdict.rewrites() || out.verdict == Verdict::Block {
                continue;
            }
            let place = Place { document, body, nested_json: text.nested_json, pieces };
            if self.rewrite(&place, finding, verdict).is_err() {
                out.block_path = path(pieces);
                out.verdict = Verdict::Block;
                out.decision.verdict = Verdict::Block;
                if let Some(action) =
                    out.decision.classes.iter_mut().find(|action| action.class == finding.class)
                {
                    action.verdict = Verdict::Block;
                }
                continue;
            }
            out.redactions += 1;
        }
        if out.verdict == Verdict::Block {
            self.clear();
            out.redactions = 0;
        }
    }

    fn rewrite(
        &mut self,
        place: &Place<'_>,
        finding: &Finding,
        verdict: Verdict,
    ) -> Result<(), CannotRewrite> {
        let (start, end) = (finding.start as usize, finding.end as usize);
        let mut at = 0;
        let mut is_first = true;
        for piece in place.pieces {
            let Some(node) = place.document.node(*piece) else { continue };
            let length = node.text_len as usize;
            let local = start.max(at)..end.min(at + length);
            let offset = at;
            at += length;
            if local.start >= local.end || self.replaced == Some(*piece) {
                continue;
            }
            let local = local.start - offset..local.end - offset;
            let text = place.document.text(*piece).get(local.clone()).unwrap_or_default();
            let from = self.arena.len();
            let (raw, replacement) = match node.kind {
                Kind::String => {
                    let raw = place.document.raw_range(place.body, *piece, local.clone());
                    (raw, Replacement::InString)
                }
                Kind::Number => (node.raw(), Replacement::Value),
                _ => return Err(CannotRewrite),
            };
            if is_first {
                // A bare value in JSON that is itself a string must become a string there too.
                let quote = place.nested_json && place.is_outside_strings(*piece, local.start);
                self.arena.extend_from_slice(if quote { b"\"" } else { b"" });
                substitute(&mut self.arena, finding, verdict, text);
                self.arena.extend_from_slice(if quote { b"\"" } else { b"" });
            }
            is_first = false;
            self.changes.push(Change { raw, text: from..self.arena.len(), replacement });
        }
        Ok(())
    }

    /// Carries the edits out into `out.body`, where there are any.
    pub fn apply(&mut self, body: &[u8], out: &mut Governed) -> Result<(), Refusal> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.changes.sort_unstable_by_key(|change| (change.raw.start, change.raw.end));
        // Several findings in one number are one edit: the number goes whole.
        self.changes.dedup_by(|later, earlier| later.raw == earlier.raw);
        let arena = &self.arena;
        let edits = self.changes.iter().map(|change| Edit {
            range: change.raw.clone(),
            text: arena.get(change.text.clone()).unwrap_or_default(),
            replacement: change.replacement,
        });
        // An overlap would be a fault of ours; then nothing is forwarded.
        self.splice.build(body.len(), edits).map_err(|error| {
            tracing::error!(%error, "edits of a body do not fit each other");
            Refusal::new(Reason::Internal, "the findings in this body could not be rewritten")
        })?;
        self.splice.write_to(body, &mut out.body);
        out.is_rewritten = true;
        Ok(())
    }
}

/// `path`, cut where it would show a key in which something was found: that key is content.
fn without_keys<'p>(
    document: &Document,
    mut path: String,
    found: impl Iterator<Item = &'p NodeId>,
) -> String {
    let keys = found.filter(|piece| document.kind(**piece) == Kind::Key);
    for key in keys.filter_map(|key| document.text_str(*key)) {
        if let Some(at) = path.find(key) {
            path.truncate(at);
            path.truncate(path.trim_end_matches('.').len());
        }
    }
    path
}

/// The finding lies where nothing can be replaced.
struct CannotRewrite;

/// Where a text lies.
struct Place<'a> {
    document: &'a Document,
    body: &'a [u8],
    nested_json: bool,
    pieces: &'a [NodeId],
}

impl Place<'_> {
    /// Whether `offset` of the JSON document in `piece` lies outside its strings.
    fn is_outside_strings(&self, piece: NodeId, offset: usize) -> bool {
        let before = self.document.text(piece).get(..offset).unwrap_or_default();
        let mut inside = false;
        let mut escaped = false;
        for byte in before {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if inside => escaped = true,
                b'"' => inside = !inside,
                _ => {}
            }
        }
        !inside
    }
}

/// Appends what stands for `text` from now on.
fn substitute(arena: &mut Vec<u8>, finding: &Finding, verdict: Verdict, text: &[u8]) {
    if verdict == Verdict::Mask {
        let text = String::from_utf8_lossy(text);
        let count = text.chars().filter(|c| c.is_alphanumeric()).count();
        let hidden = if count >= MASK_SHOWS_FROM { count - MASK_SHOWS } else { count };
        let mut seen = 0;
        for c in text.chars() {
            let masked = c.is_alphanumeric() && {
                seen += 1;
                seen <= hidden
            };
            arena.extend_from_slice(
                (if masked { '*' } else { c }).encode_utf8(&mut [0; 4]).as_bytes(),
            );
        }
        return;
    }
    arena.extend_from_slice(b"[REDACTED:");
    arena.extend_from_slice(finding.class.name().as_bytes());
    arena.push(b']');
}
