//! When a face needs another key frame.

use std::time::Duration;

use super::bank::Bank;
use crate::engine::{params::Params, plan::Face};

/// What each counts as a whole need: distance to the nearest key frame in grid pixels, change of
/// light and quicker change in levels.
const DISTANCE: f32 = 3.0;
const LIGHT: f32 = 14.0;
const QUICK: f32 = 12.0;
/// Errors in dB at which the next key frame is due soonest and latest, and these times in seconds.
const POOR: f32 = 26.0;
const GOOD: f32 = 36.0;
const SOON: f32 = 0.5;
const LATE: f32 = 1.5;
/// The need of a face that has none.
const FIRST: f32 = 1e3;

/// Whether it is time for a key frame where these are taken at fixed distances.
pub(super) fn is_due(bank: &Bank, face: &Face, number: u64, params: &Params) -> bool {
    let since = bank.asked.map(|asked| number.saturating_sub(asked));
    bank.keys.is_empty() || face.fresh || since.is_none_or(|n| n >= interval(params))
}

/// As [`of`], where only time counts.
pub(super) fn by_age(bank: &Bank, number: u64, params: &Params) -> f32 {
    match bank.asked.filter(|_| !bank.keys.is_empty()) {
        Some(asked) => number.saturating_sub(asked) as f32 / interval(params) as f32,
        None => FIRST,
    }
}

/// How much a face needs a key frame; from 1 on it gets one when the network is free.
pub(super) fn of(bank: &Bank, number: u64, dt: Duration, params: &Params) -> f32 {
    if bank.keys.is_empty() {
        return FIRST;
    }
    let since = bank.asked.map_or(u64::MAX, |asked| number.saturating_sub(asked));
    if since < interval(params) {
        return 0.0;
    }
    let (light, quick) = bank.change();
    let changed = (bank.nearest(number) / DISTANCE).max(light / LIGHT).max(quick / QUICK);
    let error = bank.error.unwrap_or(0.5 * (POOR + GOOD));
    let rest = SOON + (LATE - SOON) * ((error - POOR) / (GOOD - POOR)).clamp(0.0, 1.0);
    let waited = since as f32 * dt.as_secs_f32().max(1e-3) / rest;
    // Two small needs are one: something has changed, and it is some time ago.
    changed.max(waited).max(0.7 * (changed + waited))
}

/// Frames between two key frames of a face at least.
fn interval(params: &Params) -> u64 {
    params.effort.key_interval.max(1).into()
}
