//! Rows by group: those whose ids agree but for their last sixteen bits.

use std::ops::Range;
use std::sync::OnceLock;

use crate::nibbles::BLOCK;
use crate::row_sketches::{ChosenSketches, Residue, RowSketches};

/// Places that are looked at together at most.
const RUN_MAX: usize = BLOCK;

/// Bits of an id that number a row within its group.
const POSITION_BITS: u32 = 16;

/// The places of a row set's rows, group by group.
///
/// Only groups that have rows count here; each has a *slot*, in order of their numbers. Rows with an
/// id below 0 are in no group.
#[derive(Debug)]
pub struct Grouping {
    /// Per slot the group's number.
    groups: Vec<i64>,
    /// Per slot where its rows begin in `places`; then where the last ones end.
    starts: Vec<u32>,
    /// Ascending by id.
    places: Vec<u32>,
    /// Per slot where the runs of its passages begin in `runs`; then where the last ones end.
    run_starts: Vec<u32>,
    /// Neighbouring places, at most [`RUN_MAX`] together.
    runs: Vec<Range<usize>>,
    /// How many rows there are, those in no group among them.
    rows: usize,
    /// Per slot whether its first row has position 0.
    has_summary: Vec<bool>,
    /// Made when they are asked for.
    sketches: OnceLock<GroupSketches>,
}

/// What the sketches of rows tell of their groups, before there is a query.
#[derive(Debug)]
pub struct GroupSketches {
    /// Per slot its first row.
    pub firsts: ChosenSketches,
    /// Per slot what is left out of its first row.
    pub first_residues: Vec<Residue>,
    /// Per slot the most that is left out of its passages.
    pub passage_residues: Vec<Residue>,
}

impl Grouping {
    /// Group rows by their ids, each of which stands once.
    ///
    /// One sort, which is linear for ids that mostly ascend.
    pub fn new(ids: &[i64]) -> Self {
        let numbered = ids.iter().zip(0_u32..);
        let mut sorted: Vec<_> = numbered.filter(|(id, _)| **id >= 0).collect();
        // Finds runs, which an unstable sort does not.
        sorted.sort_by_key(|(id, _)| **id);
        let mut grouping = Self {
            groups: Vec::new(),
            starts: Vec::new(),
            places: Vec::with_capacity(sorted.len()),
            run_starts: vec![0],
            runs: Vec::new(),
            rows: ids.len(),
            has_summary: Vec::new(),
            sketches: OnceLock::new(),
        };
        for ((id, place), at) in sorted.into_iter().zip(0_u32..) {
            let group = id >> POSITION_BITS;
            if grouping.groups.last() != Some(&group) {
                grouping.groups.push(group);
                grouping.starts.push(at);
                grouping.has_summary.push(is_summary(*id));
            }
            grouping.places.push(place);
        }
        let end = u32::try_from(grouping.places.len()).unwrap_or(u32::MAX);
        grouping.starts.push(end);
        grouping.find_runs();
        grouping
    }

    /// How many groups have rows.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// All slots.
    pub fn slots(&self) -> Range<u32> {
        0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX)
    }

    /// Per slot the group's number, ascending.
    pub fn groups(&self) -> &[i64] {
        &self.groups
    }

    /// The number of a slot's group.
    pub fn group(&self, slot: u32) -> i64 {
        self.groups[slot as usize]
    }

    /// The places of a slot's rows, ascending by id.
    pub fn places(&self, slot: u32) -> &[u32] {
        let slot = slot as usize;
        &self.places[self.starts[slot] as usize..self.starts[slot + 1] as usize]
    }

    /// Whether the first of them has position 0.
    pub fn has_summary(&self, slot: u32) -> bool {
        self.has_summary[slot as usize]
    }

    /// Per slot whether that is so.
    pub fn have_summaries(&self) -> &[bool] {
        &self.has_summary
    }

    /// The sketches of groups, from those of all rows.
    pub fn sketches(&self, rows: &RowSketches) -> &GroupSketches {
        self.sketches.get_or_init(|| {
            let firsts: Vec<_> = self.slots().map(|slot| self.places(slot)[0]).collect();
            let residue = |place: &u32| rows.residue(*place as usize);
            let most = |slot| {
                let residues = self.passages(slot).iter().map(residue);
                residues.fold(Residue::default(), Residue::most)
            };
            GroupSketches {
                firsts: rows.chosen(&firsts),
                first_residues: firsts.iter().map(residue).collect(),
                passage_residues: self.slots().map(most).collect(),
            }
        })
    }

    /// How many rows there are, those in no group among them.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The places of a slot's rows but for one at position 0.
    pub fn passages(&self, slot: u32) -> &[u32] {
        &self.places(slot)[usize::from(self.has_summary(slot))..]
    }

    /// The same as ranges of at most [`RUN_MAX`] places.
    pub fn runs(&self, slot: u32) -> &[Range<usize>] {
        let slot = slot as usize;
        &self.runs[self.run_starts[slot] as usize..self.run_starts[slot + 1] as usize]
    }

    fn find_runs(&mut self) {
        for slot in self.slots() {
            let begin = self.starts[slot as usize] as usize + usize::from(self.has_summary(slot));
            let places = &self.places[begin..self.starts[slot as usize + 1] as usize];
            let neighbours = places.chunk_by(|one, next| one + 1 == *next);
            for run in neighbours.flat_map(|run| run.chunks(RUN_MAX)) {
                let start = run[0] as usize;
                self.runs.push(start..start + run.len());
            }
            let end = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
            self.run_starts.push(end);
        }
    }
}

/// Whether a row of a group stands at position 0.
fn is_summary(id: i64) -> bool {
    id & ((1 << POSITION_BITS) - 1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_group_in_order_of_their_ids() {
        let id = |group: i64, position: i64| group << 16 | position;
        let ids = [id(7, 1), -1, id(2, 3), id(7, 0), i64::MIN, id(2, 65_535)];
        let grouping = Grouping::new(&ids);
        assert_eq!(grouping.len(), 2);
        assert_eq!((grouping.group(0), grouping.group(1)), (2, 7));
        assert_eq!(grouping.places(0), [2, 5]);
        assert_eq!(grouping.places(1), [3, 0]);
        assert_eq!(
            (grouping.has_summary(0), grouping.has_summary(1)),
            (false, true)
        );
        assert_eq!(
            (grouping.passages(0), grouping.passages(1)),
            (&[2, 5][..], &[0][..])
        );
        assert_eq!(grouping.rows(), 6);
    }

    #[test]
    fn no_rows_are_in_no_groups() {
        assert_eq!(Grouping::new(&[]).len(), 0);
        assert_eq!(Grouping::new(&[-5]).len(), 0);
    }
}
