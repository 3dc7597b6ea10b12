//! The ways in. A door decodes, calls the service, and encodes: what is allowed and what happens is not
//! decided here.

mod complaints;
pub mod http;
mod record;
pub mod resolve;
mod unreadable;
pub mod varlink;
