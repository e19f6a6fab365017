//! Checks of what the processes read from each other: records and frames.

use sluice_contract::control::{self, Command, Hello, Prepare, Prepared};
use sluice_contract::record::{
    self, DecisionView, DictionaryView, Notice, OutcomeView, RefusalsView, SegmentStart,
};
use sluice_contract::snapshot::Snapshot;

/// Any bytes are records or are refused; what is read holds what its header says.
pub fn record(data: &[u8]) {
    let mut rest = data;
    while let Ok((header, bytes, tail)) = record::split(rest) {
        assert_eq!(bytes.len(), header.length as usize);
        assert_eq!(bytes.len() + tail.len(), rest.len());
        let lists = |classes: usize, policies: usize| classes * 8 + policies * 8 <= bytes.len();
        if let Ok(view) = DecisionView::decode(bytes) {
            assert!(lists(view.classes.len(), view.policies.len() + view.groups.len()));
        }
        if let Ok(view) = OutcomeView::decode(bytes) {
            assert!(lists(view.classes.len(), view.policies.len()));
        }
        if let Ok(view) = DictionaryView::decode(bytes) {
            // Replacement characters may be three times as long as what they stand for.
            let names: usize = view.names.iter().map(|(_, name)| name.len()).sum();
            assert!(names <= 3 * bytes.len());
        }
        if let Ok(view) = RefusalsView::decode(bytes) {
            assert!(view.counts.len() * 16 <= bytes.len());
        }
        SegmentStart::decode(bytes).ok();
        Notice::decode(bytes).ok();
        rest = tail;
    }
}

/// Any bytes are a frame or are refused, and a payload never allocates beyond its own length.
pub fn frame(data: &[u8]) {
    let Some((head, payload)) = data.split_first_chunk::<{ control::FRAME_HEAD_BYTES }>() else {
        return;
    };
    let Ok((kind, length)) = control::decode_head(*head) else { return };
    assert_eq!(control::encode_head(kind, length).as_ref(), Ok(head));
    let payload = payload.get(..length).unwrap_or(payload);
    control::decode::<Command>(payload).ok();
    control::decode::<Hello>(payload).ok();
    control::decode::<Prepare>(payload).ok();
    control::decode::<Prepared>(payload).ok();
    if let Ok((snapshot, hash)) = Snapshot::decode(payload) {
        let (bytes, again) = snapshot.encode().unwrap();
        let (read, hash_again) = Snapshot::decode(&bytes).unwrap();
        assert_eq!((read, again), (snapshot, hash_again));
        assert!(again != hash || bytes == payload);
    }
}
