//! The words of a request and of its parts: which of them tell something, and how much.

use std::cmp::Ordering;
use std::ops::Range;

use crate::postings::Postings;

/// One word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// What stands for it and for its other forms.
    pub stem: &'a str,
    /// The first bytes of the stem, see [`beginning`].
    pub beginning: u64,
    /// By which postings know it.
    pub hash: i64,
    /// Whether it is more than a word of grammar.
    pub is_content: bool,
}

impl Word<'_> {
    /// The order of stems, mostly without looking at them: they lie elsewhere in memory.
    fn order(&self, other: &Self) -> Ordering {
        let of_beginnings = self.beginning.cmp(&other.beginning);
        of_beginnings.then_with(|| {
            if self.hash == other.hash {
                Ordering::Equal
            } else {
                self.stem.cmp(other.stem)
            }
        })
    }
}

/// The postings of many rows, in parts with other rows each.
#[derive(Clone, Copy, Debug)]
pub struct Lexicon<'a> {
    /// Which rows hold a word.
    pub parts: &'a [&'a Postings],
    /// Rows that are not counted.
    pub is_dead: &'a [bool],
    /// How many these are.
    pub dead: usize,
    /// A word of more rows tells nothing, unless a text has no others.
    pub common: f64,
    /// What the logarithm of a word's rarity is multiplied by.
    pub scale: f64,
}

/// A stem of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The text that has it first, and the place of the first of its words there.
    pub first: (usize, usize),
    /// Living rows that hold it.
    pub rows: usize,
    /// Its postings in each part of the lexicon.
    pub ranges: Vec<Range<usize>>,
}

/// The stems of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// How many texts it has: the whole, then its parts.
    pub texts: usize,
    /// Ascending, so that the order of words cannot change the last bit of a sum.
    pub stems: Vec<Found>,
    /// Of each stem in each text, side by side: how much it tells, 0 where it does not count.
    pub gains: Vec<f32>,
}

impl Request {
    /// The numbers of the stems that count in the whole request.
    pub fn own(&self) -> impl Iterator<Item = usize> {
        let of_whole = self.gains.iter().step_by(self.texts.max(1));
        of_whole
            .enumerate()
            .filter(|(_, gain)| **gain != 0.0)
            .map(|(stem, _)| stem)
    }
}

/// Find the words that tell something, each with `scale * ln(1 + (all - n + 1/2) / (n + 1/2))`, where
/// n of all living rows hold it.
///
/// Words of grammar and words of most rows are passed over while a text has others: they tell
/// nothing about a task, and among few rows chance makes them look rare. One sort of the words, one
/// binary search for each of them; twice if a text has no others.
#[must_use]
pub fn telling(lexicon: Lexicon, texts: &[Vec<Word>]) -> Request {
    let limits = vec![Some(lexicon.common); texts.len()];
    let found = look_up(lexicon, texts, &limits);
    let tells = |text: usize| {
        let mut gains = found.gains.iter().skip(text).step_by(texts.len());
        gains.any(|gain| *gain != 0.0).then_some(lexicon.common)
    };
    let limits: Vec<Option<f64>> = (0..texts.len()).map(tells).collect();
    if limits.iter().all(Option::is_some) {
        return found;
    }
    look_up(lexicon, texts, &limits)
}

/// Find the stems of some texts; of one without a limit, all of its words count.
fn look_up(lexicon: Lexicon, texts: &[Vec<Word>], limits: &[Option<f64>]) -> Request {
    let mut words: Vec<(&Word, (usize, usize))> = Vec::new();
    for (text, (own, limit)) in texts.iter().zip(limits).enumerate() {
        let counted = own
            .iter()
            .enumerate()
            .filter(|(_, word)| word.is_content || limit.is_none());
        words.extend(counted.map(|(place, word)| (word, (text, place))));
    }
    words.sort_by(|(one, _), (other, _)| one.order(other));
    let mut found = Request {
        texts: texts.len(),
        ..Request::default()
    };
    for same in words.chunk_by(|(one, _), (other, _)| one.order(other).is_eq()) {
        let (word, first) = same[0];
        let ranges: Vec<_> = lexicon
            .parts
            .iter()
            .map(|part| part.find(word.hash))
            .collect();
        let rows = living(lexicon, &ranges);
        let gain = gain(lexicon, rows);
        let start = found.gains.len();
        found.gains.resize(start + texts.len(), 0.0);
        for (_, (text, _)) in same {
            let is_rare = limits[*text].is_none_or(|limit| as_f64(rows) <= limit);
            if rows > 0 && is_rare {
                found.gains[start + text] = gain;
            }
        }
        found.stems.push(Found {
            first,
            rows,
            ranges,
        });
    }
    found
}

/// The first eight bytes of a stem as a number: their order is that of stems, unless they are equal.
#[must_use]
pub fn beginning(stem: &str) -> u64 {
    let mut bytes = [0; 8];
    for (byte, own) in bytes.iter_mut().zip(stem.bytes()) {
        *byte = own;
    }
    u64::from_be_bytes(bytes)
}

/// Count the rows of a word that are not dead; those beyond `is_dead` are not.
fn living(lexicon: Lexicon, ranges: &[Range<usize>]) -> usize {
    if lexicon.dead == 0 {
        // As in most lexicons; and a common word has thousands.
        return ranges.iter().map(Range::len).sum();
    }
    let lives = |row: &&i32| {
        let row = usize::try_from(**row).unwrap_or(usize::MAX);
        !lexicon.is_dead.get(row).is_some_and(|is_dead| *is_dead)
    };
    let parts = lexicon.parts.iter().zip(ranges);
    parts
        .map(|(part, range)| part.rows()[range.clone()].iter().filter(lives).count())
        .sum()
}

#[expect(clippy::cast_possible_truncation, reason = "gains are float32")]
fn gain(lexicon: Lexicon, rows: usize) -> f32 {
    let all = lexicon.is_dead.len().saturating_sub(lexicon.dead);
    let (all, n) = (as_f64(all), as_f64(rows));
    (lexicon.scale * (1.0 + (all - n + 0.5) / (n + 0.5)).ln()) as f32
}

#[expect(clippy::cast_precision_loss, reason = "no lexicon has 2**53 rows")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Result;

    const STEMS: [&str; 6] = ["a", "common", "common1", "common12", "commonest", "é"];

    fn word(number: usize) -> Word<'static> {
        let stem = STEMS[number];
        let hash = i64::try_from(number).unwrap_or(-1);
        Word {
            stem,
            beginning: beginning(stem),
            hash,
            is_content: !number.is_multiple_of(3),
        }
    }

    /// Word i stands in the rows from i on, of ten.
    fn postings() -> Result<Postings> {
        let rows: Vec<i32> = (0..6).flat_map(|word| word..10).collect();
        let starts = [0, 10, 19, 27, 34, 40, 45];
        let (shares, bits) = (vec![0.5; rows.len()], vec![1; rows.len()]);
        Postings::new((0..6).collect(), &starts, rows, shares, bits)
    }

    proptest! {
        #[test]
        fn words_count_if_they_tell_something_or_nothing_else_does(
            texts in prop::collection::vec(prop::collection::vec(0..6_usize, 0..6), 1..5),
            dead in 0..10_usize,
        ) {
            let postings = postings()?;
            let is_dead: Vec<bool> = (0..10).map(|row| row < dead).collect();
            let (parts, common, scale) = ([&postings], 6.0, 2.2);
            let lexicon = Lexicon { parts: &parts, is_dead: &is_dead, dead, common, scale };
            let words: Vec<Vec<Word>> =
                texts.iter().map(|text| text.iter().copied().map(word).collect()).collect();
            let rows = |stem: usize| 10 - dead.max(stem);
            let tells = |stem: &usize| word(*stem).is_content && (1..=6).contains(&rows(*stem));

            let found = telling(lexicon, &words);

            let is_ordered = found.stems.windows(2).all(|two| {
                let [one, other] = [0, 1].map(|at| two[at].first);
                words[one.0][one.1].stem < words[other.0][other.1].stem
            });
            prop_assert!(is_ordered);
            for (number, text) in texts.iter().enumerate() {
                let is_telling = text.iter().any(tells);
                for (stem, found_stem) in found.stems.iter().enumerate() {
                    let (first, place) = found_stem.first;
                    let own = texts[first][place];
                    let has = text.contains(&own) && rows(own) > 0;
                    let counts = has && (tells(&own) || !is_telling);
                    let gain = found.gains[stem * texts.len() + number];
                    let n = as_f64(rows(own));
                    let expected = 2.2 * (1.0 + (as_f64(10 - dead) - n + 0.5) / (n + 0.5)).ln();
                    prop_assert_eq!(found_stem.rows, rows(own));
                    prop_assert_eq!(f64::from(gain) > 0.0, counts);
                    prop_assert!(!counts || (f64::from(gain) - expected).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn the_first_text_and_place_of_a_stem_are_told() {
        let postings = [];
        let lexicon = Lexicon {
            parts: &postings,
            is_dead: &[],
            dead: 0,
            common: 1.0,
            scale: 1.0,
        };
        let texts = [vec![word(5)], vec![word(4), word(2), word(4)]];
        let firsts: Vec<_> = telling(lexicon, &texts)
            .stems
            .iter()
            .map(|stem| stem.first)
            .collect();
        assert_eq!(firsts, [(1, 1), (1, 0), (0, 0)]);
    }
}
