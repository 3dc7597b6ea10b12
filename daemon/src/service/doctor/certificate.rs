//! Certificates that are about to end, and keys that others can read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::AsyncReadExt;
use x509_parser::pem::Pem;

use super::Finding;
use super::Severity::{Problem, Warning};
use crate::clock::day_of;
use crate::config::{Backend, Settings};
use crate::limits::MAX_CERTIFICATE_FILE_BYTES;

/// Seconds before its end from which on a certificate is spoken of: what is renewed by itself is renewed earlier.
const SOON: i64 = 21 * 24 * 60 * 60;

/// A file of the configuration.
struct File<'a> {
    setting: &'static str,
    path: &'a Path,
    holds: Holds,
}

/// What a file is for, which says what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// A certificate and those above it: the first that ends breaks the chain.
    Chain,
    /// Authorities: one that lives is enough.
    Authorities,
    /// A key.
    Key,
}

/// What is to be said of the files that the settings name.
pub(super) async fn findings(settings: &Settings, now: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files(settings) {
        findings.extend(match file.holds {
            Holds::Key => open_key(&file).await,
            _ => match read(file.path).await {
                Ok(bytes) => ending(&file, &bytes, now),
                Err(why) => Some(unusable(&file, &why)),
            },
        });
    }
    findings
}

fn files(settings: &Settings) -> Vec<File<'_>> {
    let mut named = Vec::new();
    let service = &settings.service;
    if service.enabled {
        named.extend([
            ("remote_user_profile.service.tls_cert", &service.tls_cert, Holds::Chain),
            ("remote_user_profile.service.tls_key", &service.tls_key, Holds::Key),
            ("remote_user_profile.service.client_ca", &service.client_ca, Holds::Authorities),
        ]);
    }
    if let Backend::Remote(provider) = &settings.backend {
        named.extend([
            ("remote_user_profile.provider.ca_file", &provider.ca_file, Holds::Authorities),
            ("remote_user_profile.provider.tls_cert", &provider.tls_cert, Holds::Chain),
            ("remote_user_profile.provider.tls_key", &provider.tls_key, Holds::Key),
        ]);
    }
    let given = named
        .into_iter()
        .filter_map(|(setting, path, holds)| Some(File { setting, path: path.as_deref()?, holds }));
    given.collect()
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
    file.take(MAX_CERTIFICATE_FILE_BYTES).read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The end of what a file holds, if that is near or past.
fn ending(file: &File<'_>, bytes: &[u8], now: i64) -> Option<Finding> {
    let ends = match ends(bytes) {
        Ok(ends) => ends,
        Err(why) => return Some(unusable(file, &why)),
    };
    let end = match file.holds {
        Holds::Authorities => ends.into_iter().max(),
        _ => ends.into_iter().min(),
    };
    let Some(end) = end else {
        return Some(unusable(file, "it holds no certificate"));
    };
    let (path, day) = (file.path.display(), day_of(end));
    if end <= now {
        let finding = format!("{path} ended on {day}: connections with it fail");
        return Some(Problem.of(file.setting, finding, RENEW));
    }
    let days = (end - now) / (24 * 60 * 60);
    (end - now <= SOON)
        .then(|| Warning.of(file.setting, format!("{path} ends on {day}, in {days} days"), RENEW))
}

const RENEW: &str = "renew it in time, then: systemctl reload podyd, or restart it on a node that takes its users from another";

/// When each certificate of a PEM file ends, in seconds since 1970.
fn ends(bytes: &[u8]) -> Result<Vec<i64>, String> {
    let mut ends = Vec::new();
    for pem in Pem::iter_from_buffer(bytes) {
        let pem = pem.map_err(|error| format!("it is not PEM: {error}"))?;
        if pem.label != "CERTIFICATE" {
            continue;
        }
        let certificate = pem.parse_x509().map_err(|error| format!("it holds no certificate: {error}"))?;
        ends.push(certificate.validity().not_after.timestamp());
    }
    Ok(ends)
}

/// A key that everybody on this machine can read.
async fn open_key(file: &File<'_>) -> Option<Finding> {
    let mode = match tokio::fs::metadata(file.path).await {
        Ok(status) => status.permissions().mode() & 0o777,
        Err(error) => return Some(unusable(file, &error.to_string())),
    };
    (mode & 0o007 != 0).then(|| {
        let path = file.path.display();
        let finding = format!("{path} is open to every user of this machine (mode {mode:04o})");
        let advice = format!("chmod 0600 {path}; and take a new key, since this one may have been copied");
        Problem.of(file.setting, finding, advice)
    })
}

fn unusable(file: &File<'_>, why: &str) -> Finding {
    let finding = format!("{} cannot be used: {why}", file.path.display());
    Problem.of(file.setting, finding, "mend the file or the setting; podyd must be able to read it")
}
