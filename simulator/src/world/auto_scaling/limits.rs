//! Refusals that several of Auto Scaling's operations share.

use crate::world::terms::{ApiError, Cut, Page, Present, cut};

/// What Auto Scaling says of a group that it has not.
pub(crate) fn no_group(name: &str) -> ApiError {
    ApiError::validation(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

/// How many records a page may have at most.
pub(crate) fn records(wanted: Option<i32>, default: usize, most: usize) -> Result<usize, ApiError> {
    let Some(wanted) = wanted else { return Ok(default) };
    usize::try_from(wanted)
        .ok()
        .filter(|wanted| (1..=most).contains(wanted))
        .ok_or_else(|| ApiError::validation(format!("MaxRecords must be between 1 and {most}")))
}

pub(crate) fn page<T>(
    present: &Present,
    items: impl IntoIterator<Item = (String, T)>,
    list: &str,
    size: usize,
    token: Option<&str>,
) -> Result<Page<T>, ApiError> {
    let wanted = Cut { list, size: size.min(present.settings.page_size), empty_pages: false, token };
    // Auto Scaling API reference, InvalidNextToken.
    cut(items, wanted).ok_or_else(|| ApiError::new("InvalidNextToken", "The NextToken value is not valid."))
}
