//! The DICOM JSON model, as far as answers are read and written.
//!
//! Source: DICOM PS3.18 annex F.

use serde_json::{Value, json};

pub(super) const SOP_INSTANCE_UID: &str = "00080018";
pub(super) const REFERENCED_SOP_CLASS_UID: &str = "00081150";
pub(super) const REFERENCED_SOP_INSTANCE_UID: &str = "00081155";
pub(super) const OTHER_FAILURES_SEQUENCE: &str = "0008119A";
pub(super) const RETRIEVE_URL: &str = "00081190";
pub(super) const WARNING_REASON: &str = "00081196";
pub(super) const FAILURE_REASON: &str = "00081197";
pub(super) const FAILED_SOP_SEQUENCE: &str = "00081198";
pub(super) const REFERENCED_SOP_SEQUENCE: &str = "00081199";

/// The items of a sequence; none where there is none.
pub(super) fn items<'a>(object: &'a Value, tag: &str) -> impl Iterator<Item = &'a Value> {
    values(object, tag).iter()
}

/// The first value of an attribute, if it is a text.
pub(super) fn text<'a>(object: &'a Value, tag: &str) -> Option<&'a str> {
    values(object, tag).first()?.as_str()
}

/// The first value of an attribute, if it is a whole number, or a text that is one.
pub(super) fn number(object: &Value, tag: &str) -> Option<i64> {
    let value = values(object, tag).first()?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The values of an attribute.
pub(super) fn values<'a>(object: &'a Value, tag: &str) -> &'a [Value] {
    object
        .get(tag)
        .and_then(|element| element.get("Value"))
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// An attribute with these values.
pub(super) fn element(vr: &str, values: Vec<Value>) -> Value {
    if values.is_empty() { json!({ "vr": vr }) } else { json!({ "vr": vr, "Value": values }) }
}
