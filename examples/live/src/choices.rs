//! The element's properties as the window offers them; values come from the element itself.

use gst::{glib, prelude::*};

/// A property with a list of values.
#[derive(Debug, Clone)]
pub struct Choice {
    pub name: &'static str,
    pub label: &'static str,
    pub default: String,
    /// Nick and description.
    pub values: Vec<(String, String)>,
}

/// A property between two numbers.
#[derive(Debug, Clone)]
pub struct Amount {
    pub name: &'static str,
    pub label: &'static str,
    pub default: f64,
    pub range: std::ops::RangeInclusive<f64>,
    pub blurb: String,
}

#[derive(Debug, Clone, Default)]
pub struct Choices {
    pub lists: Vec<Choice>,
    pub amounts: Vec<Amount>,
}

const LISTS: [(&str, &str); 7] = [
    ("quality", "Quality"),
    ("engine", "Engine"),
    ("select", "Faces"),
    ("mouth", "Mouth"),
    ("eyes", "Eyes"),
    ("colour-match", "Colour match"),
    ("mark", "Mark"),
];
const AMOUNTS: [(&str, &str); 4] =
    [("opacity", "Opacity"), ("smoothing", "Smoothing"), ("shape", "Shape"), ("sharpness", "Sharpness")];

/// Whether a change of it needs the pipeline to start again.
pub fn needs_restart(name: &str) -> bool {
    let element = gst::ElementFactory::make("faceswap").build();
    let property = element.ok().and_then(|element| element.find_property(name));
    property.is_some_and(|property| !property.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING))
}

impl Choices {
    pub fn of_element() -> Choices {
        let Ok(element) = gst::ElementFactory::make("faceswap").build() else { return Choices::default() };
        Choices {
            lists: LISTS.into_iter().filter_map(|(name, label)| list(&element, name, label)).collect(),
            amounts: AMOUNTS.into_iter().filter_map(|(name, label)| amount(&element, name, label)).collect(),
        }
    }

    /// Whether the window offers this property with this value.
    pub fn allow(&self, name: &str, value: &str) -> bool {
        let list = self.lists.iter().find(|choice| choice.name == name);
        let amount = self.amounts.iter().find(|amount| amount.name == name);
        let number = value.parse::<f64>().ok();
        list.is_some_and(|choice| choice.values.iter().any(|(nick, _)| nick == value))
            || amount.zip(number).is_some_and(|(amount, number)| amount.range.contains(&number))
    }
}

fn list(element: &gst::Element, name: &'static str, label: &'static str) -> Option<Choice> {
    let property = element.find_property(name)?;
    let class = glib::EnumClass::with_type(property.value_type())?;
    let default = property.default_value();
    let (_, default) = glib::EnumValue::from_value(default)?;
    let values = class.values().iter().map(|value| (value.nick().into(), value.name().into())).collect();
    Some(Choice { name, label, default: default.nick().into(), values })
}

fn amount(element: &gst::Element, name: &'static str, label: &'static str) -> Option<Amount> {
    let property = element.find_property(name)?;
    let number = property.downcast_ref::<glib::ParamSpecDouble>()?;
    let blurb = property.blurb().unwrap_or_default().into();
    Some(Amount {
        name,
        label,
        default: number.default_value(),
        range: number.minimum()..=number.maximum(),
        blurb,
    })
}
