//! Why a call was not carried out. The variants are by who must act; podyctl turns them into its exit
//! codes, the PAM module into PAM's.

use serde::{Deserialize, Serialize};

/// An error reply of podyd. `message` is one sentence for an admin, with the next step where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Error {
    /// `org.pody.InvalidInput`: the caller gave something that can never be right.
    InvalidInput {
        /// The parameter it is about.
        field: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// `org.pody.NotFound`: the directory knows that there is no such user or group.
    NotFound {
        /// What was looked for.
        message: String,
    },
    /// `org.pody.Conflict`: the name or id is taken, or was, or the record has changed meanwhile.
    Conflict {
        /// By whom, and what to do.
        message: String,
    },
    /// `org.pody.Refused`: the caller may not do this, or policy forbids it.
    Refused {
        /// Who may.
        message: String,
    },
    /// `org.pody.Away`: the directory cannot be reached now; nothing was changed.
    Away {
        /// What was tried.
        message: String,
    },
    /// `org.pody.Busy`: a queue is full or a wait took too long; the same call may work later.
    Busy {
        /// Which.
        message: String,
    },
    /// `org.pody.Failed`: podyd could not, and it is not the caller's doing.
    Failed {
        /// What broke; the journal has more.
        message: String,
    },
    /// `org.varlink.service.MethodNotFound`: the other side is of another version.
    MethodNotFound {
        /// The method that was called.
        message: String,
    },
}

/// Makes an error of its field, where it has one, and its message.
type Make = fn(String, String) -> Error;

/// Each error's name on the wire, beside the variant it stands for.
const NAMES: [(&str, Make); 8] = [
    ("org.pody.InvalidInput", |field, message| Error::InvalidInput { field, message }),
    ("org.pody.NotFound", |_, message| Error::NotFound { message }),
    ("org.pody.Conflict", |_, message| Error::Conflict { message }),
    ("org.pody.Refused", |_, message| Error::Refused { message }),
    ("org.pody.Away", |_, message| Error::Away { message }),
    ("org.pody.Busy", |_, message| Error::Busy { message }),
    ("org.pody.Failed", |_, message| Error::Failed { message }),
    ("org.varlink.service.MethodNotFound", |_, message| Error::MethodNotFound { message }),
];

#[derive(Serialize, Deserialize)]
struct Parameters {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    field: String,
    #[serde(default)]
    message: String,
}

impl Error {
    /// The error's name on the wire.
    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::InvalidInput { .. } => 0,
            Self::NotFound { .. } => 1,
            Self::Conflict { .. } => 2,
            Self::Refused { .. } => 3,
            Self::Away { .. } => 4,
            Self::Busy { .. } => 5,
            Self::Failed { .. } => 6,
            Self::MethodNotFound { .. } => 7,
        };
        NAMES[index].0
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidInput { message, .. }
            | Self::NotFound { message }
            | Self::Conflict { message }
            | Self::Refused { message }
            | Self::Away { message }
            | Self::Busy { message }
            | Self::Failed { message }
            | Self::MethodNotFound { message } => message,
        }
    }

    /// The error's parameters on the wire.
    pub fn parameters(&self) -> serde_json::Value {
        let field = match self {
            Self::InvalidInput { field, .. } => field.clone(),
            _ => String::new(),
        };
        serde_json::json!(Parameters { field, message: self.message().to_owned() })
    }

    /// Reads an error reply. A name that this version does not know is a [`Error::Failed`] that shows it.
    pub fn from_reply(name: &str, parameters: &serde_json::Value) -> Self {
        let Parameters { field, message } = serde_json::from_value(parameters.clone())
            .unwrap_or(Parameters { field: String::new(), message: String::new() });
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, make)) => make(field, message),
            None => Self::Failed { message: format!("podyd answered {name}: {message}") },
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InvalidInput { field, message } if !field.is_empty() => write!(f, "{field}: {message}"),
            other => f.write_str(other.message()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_wire() {
        for (name, make) in NAMES {
            let error = make("field".into(), "a sentence".into());
            assert_eq!(error.name(), name);
            let back = Error::from_reply(error.name(), &error.parameters());
            assert_eq!((back.name(), back.message()), (name, "a sentence"));
        }
        assert!(matches!(
            Error::from_reply("org.example.New", &serde_json::Value::Null),
            Error::Failed { message } if message.contains("org.example.New")
        ));
    }
}
