//! Why something failed, where libraries have wrapped it in layers that only say that something did.

use std::error::Error;

/// The innermost cause.
pub fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}
