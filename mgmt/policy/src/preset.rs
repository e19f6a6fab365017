//! The policies that come with the build.
//!
//! Each preset stands on its own: a node uses one of them, routes add sets to it.

/// The presets: name and text.
const PRESETS: [(&str, &str); 4] = [
    ("default", include_str!("../presets/default.cedar")),
    (
        "privacy",
        concat!(include_str!("../presets/default.cedar"), include_str!("../presets/privacy.cedar")),
    ),
    (
        "strict",
        concat!(
            include_str!("../presets/default.cedar"),
            include_str!("../presets/privacy.cedar"),
            include_str!("../presets/strict.cedar")
        ),
    ),
    ("record", include_str!("../presets/record.cedar")),
];

/// The text of the preset called `name`.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of all presets.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests;
