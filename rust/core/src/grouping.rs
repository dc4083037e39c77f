//! Rows by group: those whose ids agree but for their last sixteen bits.

use crate::groups::Packed;
use crate::levels::Levels;

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
    /// Per place its slot; the number of slots for a row in no group.
    slots: Vec<u32>,
    /// Per slot whether its first row has position 0.
    has_summary: Vec<bool>,
    /// Per slot the codes of its first row.
    firsts: Packed,
}

impl Grouping {
    /// Group rows by their ids, each of which stands once.
    ///
    /// One sort, which is linear for ids that mostly ascend, and a copy of one row's codes per group.
    pub fn new(ids: &[i64], levels: Levels<'_>) -> Self {
        let mut grouping = Self::of_ids(ids);
        let starts = &grouping.starts[..grouping.groups.len()];
        let firsts = starts.iter().map(|at| grouping.places[*at as usize]);
        let firsts: Vec<_> = firsts.collect();
        grouping.firsts.extend(levels, &firsts);
        grouping
    }

    fn of_ids(ids: &[i64]) -> Self {
        let numbered = ids.iter().zip(0_u32..);
        let mut sorted: Vec<_> = numbered.filter(|(id, _)| **id >= 0).collect();
        // Finds runs, which an unstable sort does not.
        sorted.sort_by_key(|(id, _)| **id);
        let mut grouping = Self {
            groups: Vec::new(),
            starts: Vec::new(),
            places: Vec::with_capacity(sorted.len()),
            slots: vec![u32::MAX; ids.len()],
            has_summary: Vec::new(),
            firsts: Packed::default(),
        };
        let mut slot = 0;
        for ((id, place), at) in sorted.into_iter().zip(0_u32..) {
            let group = id >> POSITION_BITS;
            if grouping.groups.last() != Some(&group) {
                slot = u32::try_from(grouping.groups.len()).unwrap_or(u32::MAX);
                grouping.groups.push(group);
                grouping.starts.push(at);
                grouping
                    .has_summary
                    .push(id & ((1 << POSITION_BITS) - 1) == 0);
            }
            grouping.places.push(place);
            grouping.slots[place as usize] = slot;
        }
        let end = u32::try_from(grouping.places.len()).unwrap_or(u32::MAX);
        grouping.starts.push(end);
        let nobody = u32::try_from(grouping.groups.len()).unwrap_or(u32::MAX);
        for slot in &mut grouping.slots {
            *slot = nobody.min(*slot);
        }
        grouping
    }

    /// How many groups have rows.
    pub fn len(&self) -> usize {
        self.groups.len()
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

    /// Per slot the codes of its first row.
    pub fn firsts(&self) -> &Packed {
        &self.firsts
    }

    /// The slot of each place; the number of slots for a row in no group.
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_group_in_order_of_their_ids() {
        let id = |group: i64, position: i64| group << 16 | position;
        let ids = [id(7, 1), -1, id(2, 3), id(7, 0), i64::MIN, id(2, 65_535)];
        let grouping = Grouping::of_ids(&ids);
        assert_eq!(grouping.len(), 2);
        assert_eq!((grouping.group(0), grouping.group(1)), (2, 7));
        assert_eq!(grouping.places(0), [2, 5]);
        assert_eq!(grouping.places(1), [3, 0]);
        assert_eq!(
            (grouping.has_summary(0), grouping.has_summary(1)),
            (false, true)
        );
        assert_eq!(grouping.slots(), [1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn no_rows_are_in_no_groups() {
        assert_eq!(Grouping::of_ids(&[]).len(), 0);
        assert_eq!(Grouping::of_ids(&[-5]).slots(), [0]);
    }
}
