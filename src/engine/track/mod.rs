//! Faces through time: who is where, who is chosen, who is lost.

mod cut;
mod motion;
mod select;
mod smooth;
mod tracker;

pub(crate) use cut::SceneCut;
pub(crate) use motion::Patch;
pub(crate) use select::Selector;
pub(crate) use smooth::fit as pose;
pub(crate) use tracker::{COVER, State, Track, Tracker};
