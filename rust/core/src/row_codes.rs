//! The codes of a row set: of whole rows, or along axes.

use std::sync::Arc;

use crate::funnel::AxisCodes;
use crate::quantize::Codes;
use crate::simd::Kernels;

/// Codes of either kind.
#[derive(Clone, Debug)]
pub enum RowCodes {
    /// One byte per number.
    Plain(Codes),
    /// In two levels.
    Along(AxisCodes),
}

/// Call the same method of either kind.
macro_rules! either {
    ($self:ident, $codes:ident => $call:expr) => {
        match $self {
            Self::Plain($codes) => $call,
            Self::Along($codes) => $call,
        }
    };
}

impl RowCodes {
    /// The codes of whole rows, if that is the kind.
    pub fn plain(&self) -> Option<&Codes> {
        match self {
            Self::Plain(codes) => Some(codes),
            Self::Along(_) => None,
        }
    }

    /// The codes along axes, if that is the kind.
    pub fn along_axes(&self) -> Option<&AxisCodes> {
        match self {
            Self::Plain(_) => None,
            Self::Along(codes) => Some(codes),
        }
    }

    /// Codes of the own kind for further rows, whose plain codes are there already.
    pub fn of_same_kind(&self, rows: &[f32], plain: Codes, kernels: Kernels) -> Self {
        match self {
            Self::Plain(_) => Self::Plain(plain),
            Self::Along(own) => {
                let mut codes = AxisCodes::new(Arc::clone(own.axes()));
                codes.extend(rows, kernels);
                Self::Along(codes)
            }
        }
    }

    pub fn reserve(&mut self, count: usize) {
        either!(self, codes => codes.reserve(count));
    }

    /// Append row `row` of `other`, which is of the same kind.
    pub fn push_from(&mut self, other: &Self, row: usize) {
        match (self, other) {
            (Self::Plain(codes), Self::Plain(other)) => codes.push_from(other, row),
            (Self::Along(codes), Self::Along(other)) => codes.push_from(other, row),
            _ => unreachable!("codes of one kind"),
        }
    }

    /// Overwrite row `target` by row `row` of `other`, which is of the same kind.
    pub fn copy_from(&mut self, target: usize, other: &Self, row: usize) {
        match (self, other) {
            (Self::Plain(codes), Self::Plain(other)) => codes.copy_from(target, other, row),
            (Self::Along(codes), Self::Along(other)) => codes.copy_from(target, other, row),
            _ => unreachable!("codes of one kind"),
        }
    }

    /// Remove a row; the last one takes its place.
    pub fn swap_remove(&mut self, row: usize) {
        either!(self, codes => codes.swap_remove(row));
    }

    /// Give back memory beyond `count` rows.
    pub fn shrink_to(&mut self, count: usize) {
        either!(self, codes => codes.shrink_to(count));
    }
}
