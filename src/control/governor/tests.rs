use super::*;

/// What a frame costs at each level over that at the first.
const COST: [f32; LEVELS.len()] = [1.0, 0.92, 0.87, 0.82, 0.76, 0.7, 0.5, 0.38];

/// A machine whose frames take `cost(t, n)` milliseconds at level 0, at 30 frames a second.
struct Run {
    governor: Governor,
    changes: Vec<(f32, Change)>,
    /// Time and load of every frame.
    frames: Vec<(f32, f32)>,
}

const PERIOD: f32 = 1.0 / 30.0;

fn run(seconds: f32, cost: impl Fn(f32, usize) -> f32) -> Run {
    let mut run = Run { governor: Governor::default(), changes: Vec::new(), frames: Vec::new() };
    run.go(seconds, cost);
    run
}

impl Run {
    fn go(&mut self, seconds: f32, cost: impl Fn(f32, usize) -> f32) {
        let first = self.frames.len();
        for n in first..first + (seconds / PERIOD) as usize {
            let t = n as f32 * PERIOD;
            let busy = cost(t, n) * COST[self.governor.level()] / 1000.0;
            self.frames.push((t, busy / PERIOD));
            let sample = Sample {
                now: Duration::from_secs_f32(t),
                busy: Duration::from_secs_f32(busy),
                period: Duration::from_secs_f32(PERIOD),
                queue: 0.0,
            };
            self.changes.extend(self.governor.observe(&sample).map(|change| (t, change)));
        }
    }

    fn last_change(&self) -> f32 {
        self.changes.last().map_or(0.0, |(t, _)| *t)
    }

    /// How often the direction of the steps changed.
    fn turns(&self) -> usize {
        let up: Vec<bool> = self.changes.iter().map(|(_, c)| c.to < c.from).collect();
        up.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    fn mean_load(&self, from: f32, to: f32) -> f32 {
        let loads: Vec<f32> =
            self.frames.iter().filter(|(t, _)| (from..to).contains(t)).map(|(_, load)| *load).collect();
        loads.iter().sum::<f32>() / loads.len() as f32
    }
}

/// Uniform in −1…1, the same for the same frame.
fn noise(n: usize) -> f32 {
    let mut x = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 32;
    (x % 20_001) as f32 / 10_000.0 - 1.0
}

#[test]
fn with_room_nothing_changes() {
    let run = run(60.0, |_, n| 20.0 * (1.0 + 0.3 * noise(n)));
    assert_eq!(run.changes, []);
}

#[test]
fn a_step_is_answered_within_two_seconds() {
    for (low, high) in [(15.0, 36.0), (20.0, 45.0), (25.0, 60.0), (5.0, 80.0)] {
        let run = run(12.0, |t, _| if t < 5.0 { low } else { high });
        assert!(run.changes.iter().all(|(t, c)| *t >= 5.0 && c.reason == Reason::Fps), "{:?}", run.changes);
        let settled = run.changes.iter().rfind(|(_, c)| c.to > c.from).unwrap().0;
        assert!(settled <= 7.0, "{high} ms: {:?}", run.changes);
        assert_eq!(run.turns(), 0, "{high} ms: {:?}", run.changes);
        assert!(run.mean_load(7.0, 12.0) < 1.0, "{high} ms: {}", run.mean_load(7.0, 12.0));
    }
}

#[test]
fn a_load_that_no_level_can_carry_ends_at_the_last() {
    let run = run(20.0, |_, _| 400.0);
    assert_eq!(run.governor.level(), LEVELS.len() - 1);
    assert!(run.last_change() < 2.0, "{:?}", run.changes);
}

#[test]
fn the_way_back_is_slow_and_complete() {
    let run = run(60.0, |t, _| if (5.0..15.0).contains(&t) { 70.0 } else { 15.0 });
    assert_eq!(run.governor.level(), 0, "{:?}", run.changes);
    assert_eq!(run.turns(), 1, "{:?}", run.changes);
    let up: Vec<&(f32, Change)> = run.changes.iter().filter(|(_, c)| c.to < c.from).collect();
    assert!(up.windows(2).all(|pair| pair[1].0 - pair[0].0 >= CALM.as_secs_f32() - 0.01));
    assert!(up.iter().all(|(t, c)| *t > 16.9 && c.from - c.to == 1), "{:?}", run.changes);
    assert!(run.last_change() < 40.0, "{:?}", run.changes);
}

#[test]
fn a_ramp_is_followed_without_turning_back() {
    let run = run(40.0, |t, _| 10.0 + t);
    assert_eq!(run.turns(), 0, "{:?}", run.changes);
    assert!(run.changes.len() > 2);
    for second in 0..40 {
        let load = run.mean_load(second as f32, second as f32 + 1.0);
        assert!(load < 1.0, "second {second}: {load}");
    }
}

#[test]
fn a_burst_costs_few_steps_and_is_forgotten() {
    let run = run(60.0, |t, _| if t % 20.0 < 0.15 && t > 5.0 { 90.0 } else { 18.0 });
    assert_eq!(run.governor.level(), 0, "{:?}", run.changes);
    assert!(run.turns() <= 4, "{:?}", run.changes);
}

#[test]
fn noise_around_any_load_does_not_make_it_swing() {
    for cost in [24.0, 28.0, 30.0, 32.0, 34.0, 38.0, 42.0, 50.0, 60.0, 75.0] {
        let run = run(120.0, |_, n| cost * (1.0 + 0.25 * noise(n)));
        assert!(run.turns() <= 8, "{cost} ms: {} turns, {:?}", run.turns(), run.changes);
        let late: Vec<_> = run.changes.iter().filter(|(t, _)| *t > 60.0).collect();
        assert!(late.len() <= 4, "{cost} ms: {late:?}");
        assert!(run.mean_load(2.0, 120.0) < 1.0, "{cost} ms");
    }
}

#[test]
fn heat_and_memory_set_a_floor_that_goes_with_them() {
    let mut run = run(1.0, |_, _| 10.0);
    run.governor.heat(Heat::Serious);
    run.go(4.0, |_, _| 10.0);
    assert_eq!(run.changes[0].1, Change { from: 0, to: 4, reason: Reason::Thermal });
    assert_eq!(run.changes.len(), 1);
    run.governor.heat(Heat::Nominal);
    run.go(20.0, |_, _| 10.0);
    assert_eq!(run.governor.level(), 0);
    run.governor.memory(true);
    run.go(1.0, |_, _| 10.0);
    assert_eq!(run.changes.last().unwrap().1, Change { from: 0, to: 4, reason: Reason::Memory });
}

#[test]
fn a_sink_that_is_ever_later_is_heard() {
    let mut run = run(0.1, |_, _| 10.0);
    run.governor.qos(Duration::from_secs_f32(0.1), 300_000_000);
    run.go(1.0, |_, _| 10.0);
    assert_eq!(run.changes, [], "frames that piled up at the start");
    for i in 0..8 {
        run.governor.qos(Duration::from_secs_f32(1.1 + 0.25 * i as f32), 40_000_000 * i);
        run.go(0.25, |_, _| 10.0);
    }
    assert!(run.governor.level() >= 2, "{:?}", run.changes);
    assert!(run.changes.iter().all(|(_, c)| c.reason == Reason::Qos));
    run.governor.qos(Duration::from_secs_f32(3.1), -5_000_000);
    run.go(40.0, |_, _| 10.0);
    assert_eq!(run.governor.level(), 0);
}

#[test]
fn the_same_samples_give_the_same_levels() {
    let cost = |t: f32, n: usize| (20.0 + 15.0 * (0.3 * t).sin()) * (1.0 + 0.4 * noise(n));
    assert_eq!(run(60.0, cost).changes, run(60.0, cost).changes);
}

/// Runs on while a sink says each frame to be `late(t, n, level)` ms late.
fn with_sink(run: &mut Run, seconds: f32, cost: f32, late: impl Fn(f32, usize, usize) -> f32) {
    for _ in 0..(seconds / PERIOD) as usize {
        let n = run.frames.len();
        let t = n as f32 * PERIOD;
        let ms = late(t, n, run.governor.level());
        run.governor.qos(Duration::from_secs_f32(t), (1e6 * ms) as i64);
        run.go(1.01 * PERIOD, |_, _| cost);
    }
}

#[test]
fn lateness_that_less_work_does_not_cure_holds_nothing_down() {
    let lates: [fn(f32, usize, usize) -> f32; 5] = [
        |_, _, _| 20.0,
        |_, _, _| 400.0,
        |_, n, _| 150.0 * (1.0 + noise(n)),
        |_, n, _| if n % 90 < 10 { 600.0 + 200.0 * noise(n) } else { -3.0 },
        |t, n, _| 300.0 * (1.0 + (0.2 * t).sin()) + 60.0 * noise(n),
    ];
    for (i, late) in lates.into_iter().enumerate() {
        let mut run = run(2.0, |_, _| 8.0);
        with_sink(&mut run, 180.0, 8.0, late);
        assert_eq!(run.governor.level(), 0, "case {i}: {:?}", run.changes);
        let later: Vec<_> = run.changes.iter().filter(|(t, _)| *t > 60.0).collect();
        assert!(later.len() <= 6 && later.iter().all(|(_, c)| c.to <= 1), "case {i}: {later:?}");
    }
}

#[test]
fn a_pipeline_that_is_late_above_a_level_is_left_below_it_but_for_rare_trials() {
    let mut run = run(2.0, |_, _| 8.0);
    with_sink(&mut run, 300.0, 8.0, |_, _, level| if level < 2 { 250.0 } else { -5.0 });
    let late: Vec<_> = run.changes.iter().filter(|(t, _)| *t > 150.0).collect();
    assert!(late.len() <= 8, "{late:?}");
    assert!(run.changes.iter().all(|(_, c)| c.reason == Reason::Qos && c.to <= 3), "{:?}", run.changes);
}

#[test]
fn slow_frames_now_and_then_do_not_hold_it_down() {
    let mut run = run(10.0, |_, _| 60.0);
    assert!(run.governor.level() > 2, "{:?}", run.changes);
    // A machine busy with something else: most frames are quick, a few wait for a core.
    run.go(60.0, |_, n| if n % 15 == 0 { 70.0 } else { 7.0 });
    assert_eq!(run.governor.level(), 0, "{:?}", run.changes);
}
