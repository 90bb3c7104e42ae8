//! Times of the joined video: when each frame is decoded, and how long it shows.

/// Of frames in the order of decoding, in nanoseconds.
#[derive(Debug, PartialEq, Eq)]
pub struct Timing {
    /// How much later than its decoding time a frame is shown at least; every decoding time is this much too late, so
    /// that none is below 0.
    pub delay: u64,
    /// Rises strictly where the times shown differ.
    pub decode: Vec<u64>,
    /// Until the next frame in the order of decoding.
    pub duration: Vec<u64>,
}

impl Timing {
    /// Of frames shown at `times`; the last of them until `end`.
    ///
    /// The n-th frame is decoded at the n-th time of all, earlier by the least delay that lets no frame be shown before
    /// it is decoded. So segments that were encoded one by one join without a step back.
    pub fn of(times: &[u64], end: u64) -> Timing {
        let mut decode = times.to_vec();
        decode.sort_unstable();
        let late = |(decode, shown): (&u64, &u64)| decode.saturating_sub(*shown);
        let delay = decode.iter().zip(times).map(late).max().unwrap_or_default();
        let ends = decode.iter().skip(1).chain([&end]);
        let duration = decode.iter().zip(ends).map(|(from, to)| to.saturating_sub(*from)).collect();
        Timing { delay, decode, duration }
    }
}
