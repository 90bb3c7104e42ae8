//! Which of the tracked faces are swapped.

use std::time::Duration;

use super::Track;
use crate::engine::params::Select;

/// Another face must be this much larger, for this long, to take over.
const LARGER: f32 = 1.3;
const TAKE_OVER: Duration = Duration::from_millis(500);

/// Chooses faces and remembers the choice.
#[derive(Debug, Default)]
pub(crate) struct Selector {
    chosen: Option<u64>,
    rival: Option<(u64, Duration)>,
}

impl Selector {
    pub fn reset(&mut self) {
        *self = Selector::default();
    }

    /// Sets `selected` on the track whose face is nearest to the reference, if it is no further than
    /// `limit`. Here and below, tracks of mapped people are no candidates.
    pub fn choose_likest(&mut self, tracks: &mut [Track], limit: f32) {
        let distance = |t: &Track| t.likeness.distance.filter(|d| *d <= limit);
        let nearest = tracks.iter().filter(is_free).filter_map(|t| Some((t.id, distance(t)?)));
        self.chosen = nearest.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(id, _)| id);
        self.rival = None;
        for track in tracks.iter_mut() {
            track.selected = Some(track.id) == self.chosen;
        }
    }

    /// Sets `selected` on the tracks that `select` chooses, at most `max` of them.
    pub fn choose(&mut self, tracks: &mut [Track], select: Select, max: usize, now: Duration) {
        for track in tracks.iter_mut() {
            track.selected &= select == Select::All && track.person.is_none();
        }
        if select == Select::All {
            let mut free = max.saturating_sub(tracks.iter().filter(|t| t.selected).count());
            while free > 0 {
                let largest = tracks.iter_mut().filter(|t| t.person.is_none() && !t.selected);
                let Some(track) = largest.max_by(|a, b| a.rect.area().total_cmp(&b.rect.area())) else {
                    return;
                };
                track.selected = true;
                free -= 1;
            }
            for track in tracks.iter_mut().filter(|t| t.selected).skip(max) {
                track.selected = false;
            }
            return;
        }
        let better = |a: &Track| {
            let c = a.rect.centre();
            match select {
                Select::LeftMost => -c.x,
                Select::RightMost => c.x,
                Select::Top => -c.y,
                Select::Bottom => c.y,
                Select::Centre => -a.off_centre,
                Select::Largest | Select::All | Select::Reference => a.rect.area(),
            }
        };
        let candidates = tracks.iter().filter(is_free);
        let best = candidates.max_by(|a, b| better(a).total_cmp(&better(b)).then(b.id.cmp(&a.id)));
        let Some(best) = best.map(|t| (t.id, t.rect.area())) else {
            self.chosen = None;
            tracks.iter_mut().for_each(|track| track.selected = false);
            return;
        };
        let current = self
            .chosen
            .and_then(|id| tracks.iter().filter(is_free).find(|t| t.id == id))
            .map(|t| (t.id, t.rect.area()));
        let id = match current {
            Some((id, area)) if select == Select::Largest && best.0 != id => {
                let since = match self.rival {
                    Some((rival, since)) if rival == best.0 => since,
                    _ => now,
                };
                let larger = best.1 > LARGER * area;
                self.rival = larger.then_some((best.0, since));
                if larger && now.saturating_sub(since) >= TAKE_OVER { best.0 } else { id }
            }
            _ => {
                self.rival = None;
                best.0
            }
        };
        self.chosen = Some(id);
        for track in tracks.iter_mut() {
            track.selected = track.id == id;
        }
    }
}

fn is_free(track: &&Track) -> bool {
    track.person.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::geometry::Rect;

    fn track(id: u64, x: f32, side: f32) -> Track {
        Track { id, rect: Rect::new(x, 10.0, side, side), ..Track::default() }
    }

    fn chosen(tracks: &[Track]) -> Vec<u64> {
        tracks.iter().filter(|t| t.selected).map(|t| t.id).collect()
    }

    #[test]
    fn largest_changes_only_after_half_a_second_of_being_clearly_larger() {
        let mut s = Selector::default();
        let mut tracks = [track(1, 0.0, 100.0), track(2, 300.0, 90.0)];
        let mut at = |tracks: &mut [Track], ms: u64| {
            s.choose(tracks, Select::Largest, 8, Duration::from_millis(ms));
            chosen(tracks)
        };
        assert_eq!(at(&mut tracks, 0), [1]);
        tracks[1].rect = Rect::new(300.0, 0.0, 110.0, 110.0);
        assert_eq!(at(&mut tracks, 1000), [1]);
        assert_eq!(at(&mut tracks, 9000), [1]);
        tracks[1].rect = Rect::new(300.0, 0.0, 120.0, 120.0);
        assert_eq!(at(&mut tracks, 10_000), [1]);
        assert_eq!(at(&mut tracks, 10_499), [1]);
        assert_eq!(at(&mut tracks, 10_500), [2]);
        assert_eq!(at(&mut tracks[..1], 10_600), [1]);
    }

    #[test]
    fn mapped_people_are_no_candidates() {
        let mut s = Selector::default();
        let mut tracks = [track(1, 0.0, 100.0), track(2, 300.0, 90.0), track(3, 500.0, 20.0)];
        let mut choose = |tracks: &mut [Track], select| {
            s.choose(tracks, select, 8, Duration::ZERO);
            chosen(tracks)
        };
        assert_eq!(choose(&mut tracks, Select::Largest), [1]);
        tracks[0].person = Some(0);
        assert_eq!(choose(&mut tracks, Select::Largest), [2]);
        assert_eq!(choose(&mut tracks, Select::LeftMost), [2]);
        assert_eq!(choose(&mut tracks, Select::All), [2, 3]);
        (tracks[1].person, tracks[2].person) = (Some(1), Some(0));
        assert!(choose(&mut tracks, Select::Largest).is_empty());
    }

    #[test]
    fn places_and_all() {
        let mut s = Selector::default();
        let mut tracks = [track(1, 0.0, 50.0), track(2, 300.0, 90.0), track(3, 500.0, 20.0)];
        for (select, ids) in
            [(Select::LeftMost, vec![1]), (Select::RightMost, vec![3]), (Select::All, vec![1, 2, 3])]
        {
            s.choose(&mut tracks, select, 8, Duration::ZERO);
            assert_eq!(chosen(&tracks), ids, "{select:?}");
        }
        s.choose(&mut tracks, Select::Largest, 8, Duration::ZERO);
        s.choose(&mut tracks, Select::All, 2, Duration::ZERO);
        assert_eq!(chosen(&tracks).len(), 2);
    }
}
