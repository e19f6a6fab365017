//! One node of a document, and iteration over the children of one.
//!
//! Nodes stand in document order, a key before its value; `next` is the index behind a node and
//! all that it contains, so a walker skips a subtree in one step. INVARIANT: `raw_start <=
//! raw_end`, `text_len <= raw_end - raw_start` for strings, `id < next <= nodes.len()`.

/// Index of a node in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The node behind this one in document order.
    #[inline]
    #[must_use]
    pub const fn following(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// `{...}`; its children are key, value, key, value.
    Object,
    /// `[...]`.
    Array,
    /// A string that is a value.
    String,
    /// A string that is the name of a member.
    Key,
    /// A number, kept as it was written.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    #[default]
    Null,
}

/// One value or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// First byte in the raw body; for strings and keys, behind the opening quote.
    pub raw_start: u32,
    /// One past the last byte in the raw body; for strings and keys, the closing quote.
    pub raw_end: u32,
    /// Bytes of decoded text; 0 for containers.
    pub text_len: u32,
    /// Index of the node behind this one and all that it contains.
    pub next: u32,
}

impl Node {
    /// True where the text differs from the raw bytes.
    #[inline]
    pub const fn has_escapes(&self) -> bool {
        matches!(self.kind, Kind::String | Kind::Key)
            && self.raw_end - self.raw_start != self.text_len
    }

    /// True for objects and arrays.
    #[inline]
    pub const fn is_container(&self) -> bool {
        matches!(self.kind, Kind::Object | Kind::Array)
    }

    /// The decoded text, out of the scratch copy of the document.
    #[inline]
    pub fn text<'s>(&self, scratch: &'s [u8]) -> &'s [u8] {
        let start = self.raw_start as usize;
        scratch.get(start..start + self.text_len as usize).unwrap_or_default()
    }

    /// The range in the raw body; for strings, without the quotes.
    #[inline]
    pub const fn raw(&self) -> std::ops::Range<usize> {
        self.raw_start as usize..self.raw_end as usize
    }

    /// The range in the raw body, with the quotes of a string.
    #[inline]
    pub const fn raw_token(&self) -> std::ops::Range<usize> {
        match self.kind {
            Kind::String | Kind::Key => self.raw_start as usize - 1..self.raw_end as usize + 1,
            _ => self.raw(),
        }
    }
}

/// A member of an object or an element of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The key; none in arrays.
    pub key: Option<NodeId>,
    /// The value.
    pub value: NodeId,
}

/// Iterator over the children of a container.
#[derive(Debug, Clone)]
pub struct Children<'d> {
    nodes: &'d [Node],
    at: u32,
    end: u32,
    keyed: bool,
}

impl<'d> Children<'d> {
    pub(super) fn new(nodes: &'d [Node], id: NodeId) -> Self {
        match nodes.get(id.index()) {
            Some(node) if node.is_container() => {
                Self { nodes, at: id.0 + 1, end: node.next, keyed: node.kind == Kind::Object }
            }
            Some(_) | None => Self { nodes, at: 0, end: 0, keyed: false },
        }
    }
}

impl Iterator for Children<'_> {
    type Item = Child;

    #[inline]
    fn next(&mut self) -> Option<Child> {
        if self.at >= self.end {
            return None;
        }
        let key = self.keyed.then_some(NodeId(self.at));
        let value = NodeId(self.at + u32::from(self.keyed));
        self.at = self.nodes.get(value.index())?.next;
        Some(Child { key, value })
    }
}
