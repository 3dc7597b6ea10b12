//! Pages of a listing: from where, how many, and where the next one is (RFC 8288).

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::directory::{Error, Result};
use crate::doors::record::parse;
use crate::limits::MAX_PAGE;

/// What is asked of a listing that can be asked for nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Behind which name it begins.
    pub after: Option<String>,
    /// How many records it has.
    pub limit: Option<String>,
}

/// How many records a page has: as many as were asked for, up to a limit.
pub fn size(limit: Option<&str>, most: u32) -> Result<u32> {
    let Some(text) = limit else { return Ok(MAX_PAGE) };
    let limit: u32 = parse("limit", text)?;
    match limit {
        1.. if limit <= most => Ok(limit),
        _ => Err(Error::invalid("limit", format_args!("it is a number from 1 to {most}"))),
    }
}

/// A page. The next one begins after `last` and is asked for like this one, with the same `options` (`&name=value`); what is
/// put together here holds nothing that must be written otherwise in an address.
pub fn page(
    records: &impl Serialize,
    more: bool,
    last: Option<String>,
    size: u32,
    options: &str,
) -> Response {
    let mut answer = Json(records).into_response();
    if let Some(last) = last.filter(|_| more) {
        let next = format!("<?after={last}&limit={size}{options}>; rel=\"next\"");
        let link = HeaderValue::try_from(next).map(|value| (LINK, value));
        answer.headers_mut().extend(link);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_least_one_record_and_no_more_than_it_may() {
        assert_eq!(size(None, 1000), Ok(1000));
        assert_eq!(size(Some("1"), 1000), Ok(1));
        assert_eq!(size(Some("20000"), 20_000), Ok(20_000));
        for wrong in ["0", "1001", "-1", "", "ten", "99999999999999999999"] {
            assert!(
                matches!(size(Some(wrong), 1000), Err(Error::InvalidInput { field: "limit", .. })),
                "{wrong}"
            );
        }
    }
}
