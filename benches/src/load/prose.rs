//! Text that reads like a conversation and sets off no detector: what most traffic is made of.
//!
//! Sentences of common words with the punctuation, escapes, small numbers and the odd typographic
//! character of real chats. Deliberately without e-mail addresses, long numbers or anything like a
//! secret, so that the benchmark's "clean" traffic is clean by construction.

use super::random::Random;

const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are \
    this have from or had an they which one you were all her she there would their we him been has \
    when who will no more if out so said what up its about than into them can only other time new \
    some could these two may first then do any like my now over such our man even most made after \
    also did many before must through years where much your way well down should because each just \
    state people too little good world very make still own see work long here get both between life \
    being under never day same another know while last might great old year off come since against \
    go came right used take three place against system question data report table number market \
    company customer project team plan schedule budget meeting summary draft section paragraph \
    version result measure average increase decrease compare explain describe improve reason \
    problem answer example function method value column query index server cluster request response \
    latency memory thread storage network policy document contract invoice shipment delivery order \
    product feature release ticket review comment change update error warning morning evening week \
    month quarter region country city office teacher student doctor patient engineer writer reader \
    history science physics biology language translation grammar sentence music garden kitchen \
    recipe travel train airport weather winter summer water energy battery solar window building \
    bridge river mountain village simple careful quick steady useful likely possible certain common \
    strong weak early late small large several general particular important different similar clear \
    exact enough rather quite almost usually often sometimes always perhaps maybe please thanks \
    write read list sort group filter count check test build start stop open close move keep give \
    show tell ask need want think feel find look help try use turn call leave bring begin seem";

const STOPS: [&str; 12] =
    [". ", ". ", ". ", ". ", ". ", "? ", "! ", ": ", "; ", ".\\n", ".\\n\\n", ".\\n- "];
const ASIDES: [&str; 10] = [
    ", ",
    ", ",
    ", ",
    " (or not) ",
    " \\\"as is\\\" ",
    " 42 ",
    " 7.5 ",
    " 2019 ",
    " \u{2014} ",
    " don\u{2019}t ",
];

/// The word list, split once.
pub struct Prose {
    words: Vec<&'static str>,
}

impl Prose {
    pub fn new() -> Self {
        Self { words: WORDS.split_ascii_whitespace().collect() }
    }

    /// Appends at least `bytes` of sentences, ready to stand in a JSON string.
    pub fn push(&self, out: &mut String, bytes: usize, random: &mut Random) {
        let end = out.len() + bytes;
        while out.len() < end {
            let mut capital = true;
            for _ in 0..6 + random.below(12) {
                let word = random.pick(&self.words);
                let mut letters = word.chars();
                match letters.next() {
                    Some(first) if capital => {
                        out.extend(first.to_uppercase());
                        out.push_str(letters.as_str());
                    }
                    _ => out.push_str(word),
                }
                capital = false;
                out.push_str(if random.below(9) == 0 { random.pick(&ASIDES) } else { " " });
            }
            out.push_str(random.pick(&self.words));
            out.push_str(random.pick(&STOPS));
        }
    }

    /// Appends exactly `bytes` of plain words.
    pub fn push_exactly(&self, out: &mut String, bytes: usize, random: &mut Random) {
        let end = out.len() + bytes;
        while out.len() < end {
            out.push_str(random.pick(&self.words));
            out.push(' ');
        }
        // Words and spaces are ASCII, so that any cut is on a character's boundary.
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_valid_inside_a_json_string() {
        let mut text = String::new();
        Prose::new().push(&mut text, 20_000, &mut Random::new(1));
        let parsed: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        assert!(parsed.contains('\n') && parsed.contains('"') && parsed.contains('\u{2014}'));
        assert!(!parsed.contains('@'));
    }

    #[test]
    fn plain_words_have_the_exact_length() {
        for bytes in [0, 1, 5, 100] {
            let mut text = String::new();
            Prose::new().push_exactly(&mut text, bytes, &mut Random::new(1));
            assert_eq!(text.len(), bytes);
        }
    }
}
