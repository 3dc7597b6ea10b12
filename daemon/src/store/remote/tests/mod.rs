//! The client against services that behave, and such as do not.

mod broken;
mod following;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::Secret;
use crate::store::SqlDirectory;
use crate::testing::{Folder, ServedNode, TestNode, consumer, following, provider};

fn remote(endpoint: &str) -> RemoteDirectory {
    RemoteDirectory::new(&provider(endpoint), uuid::Uuid::new_v4().to_string()).unwrap()
}

/// The address of a service.
fn base<D: Directory>(served: &ServedNode<D>) -> String {
    served.url("")
}
