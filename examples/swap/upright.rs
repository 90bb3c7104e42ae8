//! Pictures that are stored lying on their side: turned upright for the swap and back for the encoder, so that the
//! file's own mark of the turn stays true.

use gst::tags::ImageOrientation;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(Option<(&'static str, &'static str)>);

impl Turn {
    /// As a stream's tags ask for.
    pub fn of(tags: &gst::TagList) -> Turn {
        let tag = tags.get::<ImageOrientation>();
        let directions = match tag.as_ref().map(|tag| tag.get()) {
            Some("rotate-90") => ("90r", "90l"),
            Some("rotate-180") => ("180", "180"),
            Some("rotate-270") => ("90l", "90r"),
            Some("flip-rotate-0") => ("horiz", "horiz"),
            Some("flip-rotate-90") => ("ul-lr", "ul-lr"),
            Some("flip-rotate-180") => ("vert", "vert"),
            Some("flip-rotate-270") => ("ur-ll", "ur-ll"),
            _ => return Turn(None),
        };
        Turn(Some(directions))
    }

    pub fn upright(self) -> String {
        self.0.map_or(String::new(), |(there, _)| format!("videoflip video-direction={there} !"))
    }

    pub fn back(self) -> String {
        self.0.map_or(String::new(), |(_, back)| format!("videoflip video-direction={back} !"))
    }
}
